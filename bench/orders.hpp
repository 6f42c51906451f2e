#pragma once
// The records that the larger payloads consist of.

#include <string>
#include <vector>

#include <ferry/define_type.hpp>

namespace bench {

struct Order {
  int id = 0;
  std::string customer;
  double total = 0;
  bool paid = false;
  std::vector<std::string> items;
};

FERRY_DEFINE_TYPE(Order, id, customer, total, paid, items)

}  // namespace bench
