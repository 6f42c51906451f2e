#include "transports/redis/stream_client.hpp"

#include <random>
#include <utility>

#include "transports/common/extension.hpp"
#include "transports/redis/command.hpp"
#include "transports/redis/error.hpp"

namespace ferry::redis {
namespace {

std::string own_channel(const std::string& prefix) {
  std::random_device random;
  constexpr char digits[] = "0123456789abcdef";
  std::string name = prefix + "reply:";
  for (int i = 0; i < 4; ++i) {
    unsigned value = random();
    for (int k = 0; k < 8; ++k, value >>= 4) name += digits[value & 15];
  }
  return name;
}

}  // namespace

StreamClient::StreamClient(spi::ClientEnvironment environment, spi::ClientSink& sink, ClientSettings settings)
    : Client(std::move(environment), sink, settings), reply_channel_(own_channel(settings.streams.prefix)) {}

void StreamClient::on_connections() {
  std::string command;
  append_command(command, {"SUBSCRIBE", reply_channel_});
  subscriber().send(command, {subscribed, 0});
}

void StreamClient::on_lost() { requested_.clear(); }

bool StreamClient::send_request(const spi::OutgoingMessage& message, Failure&) {
  const auto left = extension::TimeoutNotice::left(message.deadline, std::chrono::steady_clock::now());
  add(message, left == extension::TimeoutNotice::none ? std::string() : extension::TimeoutNotice::text(left));
  requested_.emplace_back(message.id);
  commands().expect({requested, 0});
  return true;
}

void StreamClient::send_event(const spi::OutgoingMessage& message, spi::EmitToken token) {
  add(message, {});
  commands().expect({emitted, token});
}

/// XADD key [MAXLEN ~ n] * [reply channel [timeout ms]] message envelope
void StreamClient::add(const spi::OutgoingMessage& message, std::string_view timeout) {
  std::string none;
  std::string& payload = message.has_payload ? *message.payload : none;
  const bool request = !message.id.empty();
  const std::uint64_t max_length = settings().streams.max_length;
  key_.assign(settings().streams.prefix).append(message.pattern->route());
  write_envelope(message, *message.headers);
  command_.clear();
  append_array_header(command_, 5 + (max_length != 0 ? 3U : 0U) + (request ? 2U : 0U) + (timeout.empty() ? 0U : 2U));
  append_bulk(command_, "XADD");
  append_bulk(command_, key_);
  if (max_length != 0) {
    append_bulk(command_, "MAXLEN");
    append_bulk(command_, "~");
    append_bulk(command_, std::to_string(max_length));
  }
  append_bulk(command_, "*");
  if (request) {
    append_bulk(command_, "reply");
    append_bulk(command_, reply_channel_);
  }
  if (!timeout.empty()) {
    append_bulk(command_, "timeout");
    append_bulk(command_, timeout);
  }
  append_bulk(command_, "message");
  append_bulk_header(command_, envelope_size(payload));
  append(command_, payload);
}

void StreamClient::cancel(std::string_view id) {
  if (extensions() && connected()) send_cancel(id);
}

void StreamClient::on_reply(Connection& connection, const Expected& expected, const Value& reply) {
  if (expected.kind == subscribed) {
    if (!reply.is(Value::Type::error)) return ready();
    return connection.destroy(refusal("SUBSCRIBE " + reply_channel_, reply.text));
  }
  if (expected.kind != requested) return Client::on_reply(connection, expected, reply);
  const std::pmr::string id = std::move(requested_.front());
  requested_.pop_front();
  if (reply.is(Value::Type::error)) sink().on_request_failed(id, refusal("the request was refused", reply.text));
}

void StreamClient::on_published(Connection&, const Published& message) {
  spi::ReplyView reply;
  if (const char* why = serializer().read_reply(message.body, reply)) {
    return sink().on_error(Failure(errc::bad_message, "a message on the channel " + std::string(message.channel) +
                                                          " is no reply: " + why));
  }
  if (reply.id != extension::hello_id) sink().on_reply(reply);
}

}  // namespace ferry::redis
