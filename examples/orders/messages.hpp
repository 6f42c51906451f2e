#pragma once
// What travels between the gateway and the three services. The order's id is the key of everything: whoever sees it twice does
// its work once.

#include <string>

#include <ferry/define_type.hpp>

struct Order {
  std::string id;
  std::string item;
  int quantity = 1;
  int total = 0;   // in cents
};
FERRY_DEFINE_TYPE(Order, id, item, quantity, total)
