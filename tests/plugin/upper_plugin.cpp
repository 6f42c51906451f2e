#include "upper_serializer.hpp"

#include "ferry/spi/plugin.hpp"

FERRY_SERIALIZER_PLUGIN("upper", "1.2.3", std::make_unique<UpperSerializer>);
