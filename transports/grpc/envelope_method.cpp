#include "transports/grpc/envelope_method.hpp"

#include "transports/common/extension.hpp"
#include "transports/grpc/envelope.hpp"

namespace ferry::grpc {

EnvelopeServerMethod::EnvelopeServerMethod(const spi::Serializer& serializer)
    : serializer_(serializer), path_(envelope::send_path) {}

std::optional<CallStatus> EnvelopeServerMethod::read(std::string_view body, Incoming& out) const {
  envelope::Message message;
  if (const char* fault = envelope::read(body, message)) return CallStatus{static_cast<int>(Code::internal), fault};
  if (message.serializer != serializer_.name()) {
    return CallStatus{static_cast<int>(Code::invalid_argument),
                      "the client uses the serializer " + std::string(message.serializer) + ", this service " +
                          std::string(serializer_.name()) + "; configure the same for both"};
  }
  out.view = message.view;
  out.headers = std::move(message.headers);
  out.timeout = message.timeout;
  out.stream = message.stream;
  return std::nullopt;
}

const char* EnvelopeServerMethod::read_next(std::string_view body, std::string_view& payload) const {
  return envelope::read_next(body, payload);
}

Answer EnvelopeServerMethod::answer(spi::ReplyKind kind, std::string& payload, bool) const {
  Answer answer;
  answer.has_message = true;
  answer.last = kind != spi::ReplyKind::item;
  envelope::write_reply_head(kind, payload.size(), answer.head);
  return answer;
}

void EnvelopeServerMethod::restate(const CallStatus& status, std::string& payload) const {
  payload.clear();
  serializer_.encode(error_body(status), payload);
}

EnvelopeClientMethod::EnvelopeClientMethod(const spi::Serializer& serializer, bool extensions)
    : serializer_(serializer), extensions_(extensions), path_(envelope::send_path) {}

bool EnvelopeClientMethod::write(const spi::OutgoingMessage& message, std::string& head) const {
  std::chrono::milliseconds timeout{0};
  if (extensions_ && !message.id.empty()) {
    const auto left = extension::TimeoutNotice::left(message.deadline, std::chrono::steady_clock::now());
    if (left != extension::TimeoutNotice::none) timeout = std::max(left, std::chrono::milliseconds(1));
  }
  envelope::write_head(message, serializer_.name(), timeout, head);
  return true;
}

void EnvelopeClientMethod::write_next(std::size_t payload, std::string& head) const { envelope::write_next(payload, head); }

const char* EnvelopeClientMethod::read(std::string_view body, std::string& text, spi::ReplyView& out) const {
  using Kind = spi::ReplyKind;
  envelope::Reply reply;
  if (const char* fault = envelope::read(body, reply)) return fault;
  out.last = reply.kind != Kind::item;
  out.has_value = reply.kind == Kind::item || reply.kind == Kind::last_item;
  out.failed = reply.kind == Kind::error || reply.kind == Kind::no_handler;
  if (out.has_value) out.value = reply.payload;
  if (reply.kind == Kind::error) out.error = reply.payload;
  if (reply.kind == Kind::no_handler) {
    serializer_.encode("There is no matching message handler defined in the remote service.", text);
    out.error = text;
  }
  return nullptr;
}

ClientMethod::End EnvelopeClientMethod::end(const CallStatus& status, std::string_view where) const {
  CallStatus told = status;
  if (told.code == static_cast<int>(Code::ok)) told = {static_cast<int>(Code::unavailable), "the service ended the call"};
  return {call_failure(told, where), {}};
}

}  // namespace ferry::grpc
