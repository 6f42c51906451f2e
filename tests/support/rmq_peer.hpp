#pragma once
// Somebody else at a RabbitMQ broker, on rabbitmq-c's own blocking calls: what he publishes and finds is not ferry's doing.

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include <sys/time.h>

#include <amqp.h>
#include <amqp_tcp_socket.h>

namespace ferry::test {

/// Errors are `std::runtime_error`.
class RmqPeer {
 public:
  explicit RmqPeer(std::uint16_t port) : connection_(amqp_new_connection()) {
    amqp_socket_t* const socket = amqp_tcp_socket_new(connection_);
    if (amqp_socket_open(socket, "127.0.0.1", port) != AMQP_STATUS_OK) fail("connect");
    check(amqp_login(connection_, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"), "log in");
    amqp_channel_open(connection_, 1);
    check(amqp_get_rpc_reply(connection_), "open a channel");
  }
  ~RmqPeer() {
    amqp_connection_close(connection_, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(connection_);
  }
  RmqPeer(const RmqPeer&) = delete;
  RmqPeer& operator=(const RmqPeer&) = delete;

  void declare(const std::string& queue, bool durable = true) {
    amqp_queue_declare(connection_, 1, bytes(queue), 0, durable, 0, 0, amqp_empty_table);
    check(amqp_get_rpc_reply(connection_), "declare");
  }
  void declare_exchange(const std::string& name, const char* type, const std::string& queue) {
    amqp_exchange_declare(connection_, 1, bytes(name), amqp_cstring_bytes(type), 0, 1, 0, 0, amqp_empty_table);
    check(amqp_get_rpc_reply(connection_), "declare an exchange");
    amqp_queue_bind(connection_, 1, bytes(queue), bytes(name), amqp_empty_bytes, amqp_empty_table);
    check(amqp_get_rpc_reply(connection_), "bind");
  }
  void remove(const std::string& queue) {
    amqp_queue_delete(connection_, 1, bytes(queue), 0, 0);
    check(amqp_get_rpc_reply(connection_), "delete");
  }
  void publish(const std::string& queue, const std::string& body) {
    amqp_basic_publish(connection_, 1, amqp_empty_bytes, bytes(queue), 0, 0, nullptr, bytes(body));
  }
  /// How many messages wait in a queue, not counting those a consumer has.
  std::uint32_t count(const std::string& queue) {
    const auto* const ok = amqp_queue_declare(connection_, 1, bytes(queue), 1, 0, 0, 0, amqp_empty_table);
    check(amqp_get_rpc_reply(connection_), "look at");
    return ok->message_count;
  }

  struct Message {
    std::string body;
    std::string headers;   ///< "name=value\n" each, of those that are texts
  };
  /// The next message of a queue, which is waited for.
  Message take(const std::string& queue) {
    amqp_basic_consume(connection_, 1, bytes(queue), amqp_empty_bytes, 0, 1, 0, amqp_empty_table);
    check(amqp_get_rpc_reply(connection_), "consume");
    timeval limit{20, 0};
    amqp_envelope_t envelope;
    check(amqp_consume_message(connection_, &envelope, &limit, 0), "wait for a message in " + queue);
    Message message{text(envelope.message.body), ""};
    const amqp_table_t& headers = envelope.message.properties.headers;
    for (int i = 0; i < headers.num_entries; ++i) {
      if (headers.entries[i].value.kind != AMQP_FIELD_KIND_UTF8) continue;
      message.headers += text(headers.entries[i].key) + "=" + text(headers.entries[i].value.value.bytes) + "\n";
    }
    const std::string tag = text(envelope.consumer_tag);
    amqp_destroy_envelope(&envelope);
    amqp_basic_cancel(connection_, 1, bytes(tag));
    return message;
  }

 private:
  static amqp_bytes_t bytes(const std::string& text) { return {text.size(), const_cast<char*>(text.data())}; }
  static std::string text(const amqp_bytes_t& bytes) { return {static_cast<const char*>(bytes.bytes), bytes.len}; }
  [[noreturn]] static void fail(const std::string& what) { throw std::runtime_error("the other peer cannot " + what); }
  static void check(const amqp_rpc_reply_t& reply, const std::string& what) {
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) fail(what);
  }

  amqp_connection_state_t connection_;
};

}  // namespace ferry::test
