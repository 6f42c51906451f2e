#pragma once
// Where handlers are registered: what all of a scope have in common.

#include <memory>
#include <string>
#include <vector>

#include "ferry/handler_scope.hpp"
#include "ferry/pipeline.hpp"
#include "router.hpp"

namespace ferry::detail {

struct Scope {
  std::shared_ptr<const Scope> parent;   // null: the whole application
  std::string service;                   // empty: the parent's, in the end all
  std::string prefix;
  Pipeline pipeline;
};

/// The service the handlers of a scope are for; empty: all.
std::string service_of(const Scope& scope);
/// Throws `std::invalid_argument` for a pattern that cannot have the prefixes of its scope.
Pattern prefixed(const Scope& scope, Pattern pattern);

struct ScopedRegistration {
  std::shared_ptr<const Scope> scope;
  Registration registration;
  HandlerOptions options;
};

/// All stages around a handler, outermost first: the application's, the service's, those of its groups, its own.
Stages stages_of(const ScopedRegistration& registration, const Scope& service);

}  // namespace ferry::detail
