#include "transports/rmq/setup.hpp"

#include <utility>

#include "transports/rmq/arguments.hpp"

namespace ferry::rmq {

void Setup::open(std::uint16_t channel) {
  steps_.push_back({channel, AMQP_CHANNEL_OPEN_OK_METHOD, "opening a channel", [this, channel] {
    connection_->send(channel, AMQP_CHANNEL_OPEN_METHOD, amqp_channel_open_t{});
  }});
}

void Setup::confirms(std::uint16_t channel) {
  steps_.push_back({channel, AMQP_CONFIRM_SELECT_OK_METHOD, "asking for confirms", [this, channel] {
    connection_->send(channel, AMQP_CONFIRM_SELECT_METHOD, amqp_confirm_select_t{});
  }});
}

void Setup::declare_queue(std::uint16_t channel, const std::string& name, bool durable, bool exclusive, bool auto_delete,
                          const nlohmann::json& arguments) {
  steps_.push_back({channel, AMQP_QUEUE_DECLARE_OK_METHOD, "declaring the queue \"" + name + "\"", [=, this] {
    const Arguments table(arguments);
    connection_->send(channel, AMQP_QUEUE_DECLARE_METHOD,
                      amqp_queue_declare_t{0, bytes_of(name), 0, durable, exclusive, auto_delete, 0, table.table()});
  }});
}

void Setup::declare_exchange(std::uint16_t channel, const std::string& name, std::string_view type,
                             const nlohmann::json& arguments) {
  steps_.push_back({channel, AMQP_EXCHANGE_DECLARE_OK_METHOD, "declaring the exchange \"" + name + "\"",
                    [=, this, type = std::string(type)] {
    const Arguments table(arguments);
    connection_->send(channel, AMQP_EXCHANGE_DECLARE_METHOD,
                      amqp_exchange_declare_t{0, bytes_of(name), bytes_of(type), 0, 1, 0, 0, 0, table.table()});
  }});
}

void Setup::bind(std::uint16_t channel, const std::string& queue, const std::string& exchange, const std::string& key,
                 const nlohmann::json& arguments) {
  steps_.push_back({channel, AMQP_QUEUE_BIND_OK_METHOD, "binding to the exchange \"" + exchange + "\" with the key \"" + key + "\"",
                    [=, this] {
    const Arguments table(arguments);
    const std::string& name = queue.empty() ? queue_ : queue;
    connection_->send(channel, AMQP_QUEUE_BIND_METHOD,
                      amqp_queue_bind_t{0, bytes_of(name), bytes_of(exchange), bytes_of(key), 0, table.table()});
  }});
}

void Setup::qos(std::uint16_t channel, std::uint16_t prefetch, bool global) {
  steps_.push_back({channel, AMQP_BASIC_QOS_OK_METHOD, "setting the prefetch count", [=, this] {
    connection_->send(channel, AMQP_BASIC_QOS_METHOD, amqp_basic_qos_t{0, prefetch, global});
  }});
}

void Setup::consume(std::uint16_t channel, const std::string& queue, const std::string& tag, bool no_ack) {
  steps_.push_back({channel, AMQP_BASIC_CONSUME_OK_METHOD, "consuming from the queue \"" + queue + "\"", [=, this] {
    const std::string& name = queue.empty() ? queue_ : queue;
    connection_->send(channel, AMQP_BASIC_CONSUME_METHOD,
                      amqp_basic_consume_t{0, bytes_of(name), bytes_of(tag), 0, no_ack, 0, 0, amqp_table_t{}});
  }});
}

void Setup::run(std::function<void()> done) {
  done_ = std::move(done);
  next();
}

void Setup::next() {
  if (!steps_.empty()) return steps_.front().send();
  if (done_) std::exchange(done_, nullptr)();
}

bool Setup::take(const Method& method) {
  if (steps_.empty() || steps_.front().channel != method.channel || steps_.front().answer != method.id) return false;
  if (method.id == AMQP_QUEUE_DECLARE_OK_METHOD) queue_ = text_of(method.as<amqp_queue_declare_ok_t>().queue);
  if (method.id == AMQP_BASIC_CONSUME_OK_METHOD) consumer_tag_ = text_of(method.as<amqp_basic_consume_ok_t>().consumer_tag);
  steps_.pop_front();
  next();
  return true;
}

}  // namespace ferry::rmq
