#pragma once
// The loads of the benchmark as Protobuf's messages.

#include <string>

#include <nlohmann/json.hpp>

#include "bench.pb.h"

namespace bench {

inline constexpr int flow = 10000;   // messages of a stream

inline benchproto::Numbers numbers() {
  benchproto::Numbers all;
  for (const double number : {1.0, 2.0, 3.0}) all.add_numbers(number);
  return all;
}

/// Of the JSON text that `orders_text` writes.
inline benchproto::Orders orders(const std::string& text) {
  benchproto::Orders all;
  for (const auto& from : nlohmann::json::parse(text)) {
    benchproto::Order& order = *all.add_orders();
    order.set_id(from.at("id").get<int>());
    order.set_customer(from.at("customer").get<std::string>());
    order.set_total(from.at("total").get<double>());
    order.set_paid(from.at("paid").get<bool>());
    for (const auto& item : from.at("items")) order.add_items(item.get<std::string>());
  }
  return all;
}

}  // namespace bench
