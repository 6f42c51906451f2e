#include "cbor_serializer.hpp"

#include "ferry/spi/plugin.hpp"

FERRY_SERIALIZER_PLUGIN("cbor", FERRY_VERSION, std::make_unique<ferry::serializers::CborSerializer>);
