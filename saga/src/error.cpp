#include "ferry/saga/error.hpp"

#include <array>

namespace ferry {
namespace {

// In the order of `saga_errc`.
constexpr std::array messages{
    "the saga's definition is wrong",
    "no such saga is defined",
    "there is a saga with this id already",
    "there is no saga with this id",
    "another process runs the saga",
    "the saga was interrupted",
    "the log of sagas is locked",
    "the log of sagas is full",
    "the log of sagas cannot be read",
    "the log of sagas cannot be written",
    "the log of sagas is not this program's",
    "the log of sagas failed",
};

class SagaCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ferry.saga"; }
  std::string message(int value) const override {
    if (value < 1 || value > static_cast<int>(messages.size())) return "unknown saga error " + std::to_string(value);
    return messages[static_cast<std::size_t>(value - 1)];
  }
};

}  // namespace

const std::error_category& saga_category() noexcept {
  static const SagaCategory& category = *new SagaCategory;   // never destroyed, as `ferry_category`
  return category;
}

std::error_code make_error_code(saga_errc value) noexcept { return {static_cast<int>(value), saga_category()}; }

std::error_condition make_error_condition(saga_errc value) noexcept { return {static_cast<int>(value), saga_category()}; }

}  // namespace ferry
