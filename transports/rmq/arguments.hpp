#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <amqp.h>
#include <nlohmann/json.hpp>

namespace ferry::rmq {

/// A JSON object as a table of rabbitmq-c's: the arguments of queues and exchanges.
/// Lifetime: the table points into this, and into the JSON.
class Arguments {
 public:
  explicit Arguments(const nlohmann::json& object) { table_ = make_table(object); }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  const amqp_table_t& table() const noexcept { return table_; }

 private:
  amqp_table_t make_table(const nlohmann::json& object);
  amqp_field_value_t make_value(const nlohmann::json& value);

  std::deque<std::vector<amqp_table_entry_t>> tables_;
  std::deque<std::vector<amqp_field_value_t>> arrays_;
  std::deque<std::string> names_;
  amqp_table_t table_{};
};

}  // namespace ferry::rmq
