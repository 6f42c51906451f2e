#pragma once

#include <string>

#include "ferry/error.hpp"

namespace ferry::test {

/// What a config is refused with; empty if it is not.
template <class F>
std::string refusal(F make) {
  try {
    static_cast<void>(make());
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace ferry::test
