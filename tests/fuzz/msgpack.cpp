#include "binary_envelope.hpp"
#include "serializers/msgpack/msgpack_serializer.hpp"

void ferry::fuzz::run(std::string_view input) { BinaryEnvelope<serializers::Msgpack>().run(input); }
