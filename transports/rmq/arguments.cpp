#include "transports/rmq/arguments.hpp"

#include "transports/rmq/frame.hpp"

namespace ferry::rmq {

amqp_table_t Arguments::make_table(const nlohmann::json& object) {
  std::vector<amqp_table_entry_t> entries;
  for (const auto& [name, value] : object.items()) {
    const std::string& kept = names_.emplace_back(name);
    entries.push_back({bytes_of(kept), make_value(value)});
  }
  std::vector<amqp_table_entry_t>& kept = tables_.emplace_back(std::move(entries));
  return {static_cast<int>(kept.size()), kept.data()};
}

amqp_field_value_t Arguments::make_value(const nlohmann::json& json) {
  amqp_field_value_t value{};
  switch (json.type()) {
    case nlohmann::json::value_t::boolean:
      value.kind = AMQP_FIELD_KIND_BOOLEAN;
      value.value.boolean = json.get<bool>();
      break;
    case nlohmann::json::value_t::number_integer:
    case nlohmann::json::value_t::number_unsigned:
      value.kind = AMQP_FIELD_KIND_I64;
      value.value.i64 = json.get<std::int64_t>();
      break;
    case nlohmann::json::value_t::number_float:
      value.kind = AMQP_FIELD_KIND_F64;
      value.value.f64 = json.get<double>();
      break;
    case nlohmann::json::value_t::string:
      value.kind = AMQP_FIELD_KIND_UTF8;
      value.value.bytes = bytes_of(json.get_ref<const std::string&>());
      break;
    case nlohmann::json::value_t::object:
      value.kind = AMQP_FIELD_KIND_TABLE;
      value.value.table = make_table(json);
      break;
    case nlohmann::json::value_t::array: {
      std::vector<amqp_field_value_t> items;
      for (const nlohmann::json& each : json) items.push_back(make_value(each));
      std::vector<amqp_field_value_t>& kept = arrays_.emplace_back(std::move(items));
      value.kind = AMQP_FIELD_KIND_ARRAY;
      value.value.array = {static_cast<int>(kept.size()), kept.data()};
      break;
    }
    default: value.kind = AMQP_FIELD_KIND_VOID; break;
  }
  return value;
}

}  // namespace ferry::rmq
