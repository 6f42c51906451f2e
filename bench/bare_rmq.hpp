#pragma once
// rabbitmq-c as its examples use it: one connection, one thread, blocking calls.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <amqp.h>
#include <amqp_tcp_socket.h>

namespace bench {

inline constexpr const char* rmq_queue = "bench";

class RmqLink {
 public:
  explicit RmqLink(std::uint16_t port) : connection_(amqp_new_connection()) {
    amqp_socket_t* const socket = amqp_tcp_socket_new(connection_);
    if (amqp_socket_open(socket, "127.0.0.1", port) != AMQP_STATUS_OK) throw std::runtime_error("no broker");
    check(amqp_login(connection_, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"));
    amqp_channel_open(connection_, 1);
    check(amqp_get_rpc_reply(connection_));
    amqp_queue_declare(connection_, 1, amqp_cstring_bytes(rmq_queue), 0, 1, 0, 0, amqp_empty_table);
    check(amqp_get_rpc_reply(connection_));
  }
  ~RmqLink() { amqp_destroy_connection(connection_); }
  RmqLink(const RmqLink&) = delete;
  RmqLink& operator=(const RmqLink&) = delete;

  amqp_connection_state_t raw() const noexcept { return connection_; }
  static amqp_bytes_t bytes(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }
  static std::string_view text(const amqp_bytes_t& bytes) { return {static_cast<const char*>(bytes.bytes), bytes.len}; }
  static void check(const amqp_rpc_reply_t& reply) {
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) throw std::runtime_error("RabbitMQ refused, or is gone");
  }

  void consume(const char* queue) {
    amqp_basic_consume(connection_, 1, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 1, 0, amqp_empty_table);
    check(amqp_get_rpc_reply(connection_));
  }
  void confirms() {
    amqp_confirm_select(connection_, 1);
    check(amqp_get_rpc_reply(connection_));
  }
  void publish(std::string_view queue, std::string_view body, amqp_bytes_t correlation, const char* reply_to) {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_HEADERS_FLAG;
    if (correlation.len != 0) properties._flags |= AMQP_BASIC_CORRELATION_ID_FLAG;
    properties.correlation_id = correlation;
    if (reply_to != nullptr) {
      properties._flags |= AMQP_BASIC_REPLY_TO_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG;
      properties.reply_to = amqp_cstring_bytes(reply_to);
      properties.delivery_mode = 1;
    }
    if (amqp_basic_publish(connection_, 1, amqp_empty_bytes, bytes(queue), 0, 0, &properties, bytes(body)) != AMQP_STATUS_OK) {
      throw std::runtime_error("RabbitMQ is gone");
    }
  }
  /// The next message, valid until `amqp_destroy_envelope`.
  void next(amqp_envelope_t& envelope) {
    amqp_maybe_release_buffers(connection_);
    check(amqp_consume_message(connection_, &envelope, nullptr, 0));
  }

 private:
  amqp_connection_state_t connection_;
};

}  // namespace bench
