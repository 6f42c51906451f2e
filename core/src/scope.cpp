#include "scope.hpp"

#include <stdexcept>
#include <utility>

namespace ferry::detail {

std::string service_of(const Scope& scope) {
  const Scope* each = &scope;
  while (each->service.empty() && each->parent) each = each->parent.get();
  return each->service;
}

Pattern prefixed(const Scope& scope, Pattern pattern) {
  std::string prefix;
  for (const Scope* each = &scope; each != nullptr; each = each->parent.get()) prefix.insert(0, each->prefix);
  if (prefix.empty()) return pattern;
  if (pattern.json().front() != '"') {
    throw std::invalid_argument("ferry: the pattern " + pattern.route() + " stands in a group with the prefix \"" + prefix +
                                "\", which only strings can have");
  }
  return Pattern(prefix + pattern.route());
}

Stages stages_of(const ScopedRegistration& registration, const Scope& service) {
  std::vector<const Scope*> outermost_last;
  for (const Scope* each = registration.scope.get(); each->parent; each = each->parent.get()) {
    if (each != &service) outermost_last.push_back(each);
  }
  Stages stages;
  stages.append(service.parent->pipeline.stages());
  stages.append(service.pipeline.stages());
  for (auto scope = outermost_last.rbegin(); scope != outermost_last.rend(); ++scope) stages.append((*scope)->pipeline.stages());
  stages.append(registration.options.pipeline().stages());
  return stages;
}

}  // namespace ferry::detail
