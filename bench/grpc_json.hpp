#pragma once
// The same loads for handlers and callers that know nothing of Protobuf.

#include <vector>

#include "orders.hpp"

namespace bench::plain {

struct Numbers {
  std::vector<double> numbers;
};
FERRY_DEFINE_TYPE(Numbers, numbers)

struct Total {
  double value = 0;
};
FERRY_DEFINE_TYPE(Total, value)

struct Orders {
  std::vector<Order> orders;
};
FERRY_DEFINE_TYPE(Orders, orders)

}  // namespace bench::plain
