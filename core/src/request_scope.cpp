#include "request_scope.hpp"

#include "ferry/pipeline.hpp"

namespace ferry {
namespace {

thread_local Context* current = nullptr;

}  // namespace

Context* current_context() noexcept { return current; }

namespace detail {

ScopeGuard::ScopeGuard(Context* context) noexcept : before_(current) {
  if (context != nullptr) current = context;
}

ScopeGuard::~ScopeGuard() { current = before_; }

}  // namespace detail
}  // namespace ferry
