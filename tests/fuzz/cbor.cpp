#include "binary_envelope.hpp"
#include "serializers/cbor/cbor_serializer.hpp"

void ferry::fuzz::run(std::string_view input) { BinaryEnvelope<serializers::Cbor>().run(input); }
