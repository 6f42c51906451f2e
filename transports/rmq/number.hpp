#pragma once
// AMQP's numbers on the wire: big-endian.

#include <cstddef>
#include <string>

namespace ferry::rmq {

template <class T>
void append_number(std::string& out, T value) {
  for (std::size_t i = sizeof(T); i-- > 0;) out += static_cast<char>(value >> (8 * i));
}

}  // namespace ferry::rmq
