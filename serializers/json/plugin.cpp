#include "json_serializer.hpp"

#include "ferry/spi/plugin.hpp"

FERRY_SERIALIZER_PLUGIN("json", FERRY_VERSION, std::make_unique<ferry::serializers::JsonSerializer>);
