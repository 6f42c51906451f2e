#pragma once
// The records that the larger payloads consist of.

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace bench {

struct Order {
  int id = 0;
  std::string customer;
  double total = 0;
  bool paid = false;
  std::vector<std::string> items;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Order, id, customer, total, paid, items)
};

}  // namespace bench
