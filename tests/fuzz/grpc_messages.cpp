// What a gRPC peer sends: messages of ferry's own service, and messages of a contract, whose bytes are anything.

#include <string>

#include "target.hpp"
#include "transports/grpc/codec.hpp"
#include "transports/grpc/envelope.hpp"
#include "transports/grpc/protos.hpp"
#include "transports/grpc/wire.hpp"

namespace ferry::fuzz {
namespace {

using namespace ferry::grpc;

void check_wire(std::string_view input) {
  wire::Reader reader(input);
  while (reader.next()) {
    std::string_view bytes;
    if (reader.type() != wire::Type::length) reader.skip();
    else if (reader.bytes(bytes)) FUZZ_CHECK(lies_in(bytes, input));
  }
  FUZZ_CHECK(reader.failed() || reader.at_end());
}

void check_envelope(std::string_view input) {
  envelope::Message message;
  if (envelope::read(input, message) == nullptr) {
    FUZZ_CHECK(lies_in(message.view.pattern, input) && lies_in(message.view.payload, input));
    FUZZ_CHECK(message.timeout.count() >= 0);
    for (const auto& [name, value] : message.headers) FUZZ_CHECK(lies_in(name, input) && lies_in(value, input));
  }
  envelope::Reply reply;
  if (envelope::read(input, reply) == nullptr) {
    FUZZ_CHECK(lies_in(reply.payload, input));
    std::string written;
    envelope::write_reply_head(reply.kind, reply.payload.size(), written);
    written.append(reply.payload);
    envelope::Reply again;
    FUZZ_CHECK(envelope::read(written, again) == nullptr && again.kind == reply.kind && again.payload == reply.payload);
  }
  std::vector<std::string_view> events;
  if (envelope::read_events(input, events) == nullptr) {
    for (const std::string_view event : events) FUZZ_CHECK(lies_in(event, input));
  }
  std::string_view payload;
  if (envelope::read_next(input, payload) == nullptr) FUZZ_CHECK(lies_in(payload, input));
}

/// A message of every kind of field, in each way that the loader's options show it.
struct Contract {
  explicit Contract(const LoaderOptions& options)
      : protos({{FERRY_HERO_PROTO}, {}, {"hero"}, "/", {}, {}}, options),
        shape(*protos.find("HeroService/Echo")->request) {}
  const Protos protos;
  const Shape& shape;
};

const Contract& contract(bool other) {
  static const Contract plain{LoaderOptions{}};
  static const Contract texts{[] {
    LoaderOptions options;
    options.keep_case = options.longs_as_text = options.enums_as_text = options.defaults = options.oneofs = true;
    options.bytes = LoaderOptions::Bytes::base64;
    return options;
  }()};
  return other ? texts : plain;
}

/// What was read, written and read again, is the same.
void check_message(std::string_view input, const Contract& of) {
  nlohmann::json message;
  CodecFault fault;
  if (!decode_message(of.shape, of.protos.loader(), input, message, fault)) {
    FUZZ_CHECK(!fault.text(of.shape).empty());
    return;
  }
  std::string written;
  FUZZ_CHECK(encode_message(of.shape, message, written, fault));
  nlohmann::json again;
  FUZZ_CHECK(decode_message(of.shape, of.protos.loader(), written, again, fault));
  std::string rewritten;
  FUZZ_CHECK(encode_message(of.shape, again, rewritten, fault));
  FUZZ_CHECK(rewritten == written);   // not `again == message`: a list that was sent empty is not sent again
}

}  // namespace

void run(std::string_view input) {
  check_wire(input);
  check_envelope(input);
  for (const bool other : {false, true}) check_message(input, contract(other));
}

}  // namespace ferry::fuzz
