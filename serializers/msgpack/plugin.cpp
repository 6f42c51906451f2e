#include "msgpack_serializer.hpp"

#include "ferry/spi/plugin.hpp"

FERRY_SERIALIZER_PLUGIN("msgpack", FERRY_VERSION, std::make_unique<ferry::serializers::MsgpackSerializer>);
