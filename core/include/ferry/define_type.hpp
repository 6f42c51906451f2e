#pragma once

#include <nlohmann/json.hpp>

#include "ferry/detail/codec.hpp"

/// Tells ferry, and nlohmann/json, how a struct travels: as an object with these members. Stands beside the struct, in its
/// namespace: `struct User { int id; std::string name; };  FERRY_DEFINE_TYPE(User, id, name)`
///
/// Text goes straight to the struct and back, without a tree in between, at a quarter of the time that a type takes which only
/// has nlohmann's `to_json` and `from_json` (bench/: arrays of records).
///
/// Members: public, at most 63, of any type that may be a payload, other such structs included. On the wire they stand in
/// this order. One that is missing is an error that names it, unless it is a `std::optional`; others are skipped.
#define FERRY_DEFINE_TYPE(Type, ...)                                                   \
  template <class FerryVisitor>                                                        \
  void ferry_visit_members(Type& value, FerryVisitor&& visit) {                        \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(FERRY_VISIT_MEMBER_, __VA_ARGS__))         \
  }                                                                                    \
  template <class FerryVisitor>                                                        \
  void ferry_visit_members(const Type& value, FerryVisitor&& visit) {                  \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(FERRY_VISIT_MEMBER_, __VA_ARGS__))         \
  }                                                                                    \
  inline void to_json(nlohmann::json& tree, const Type& value) { tree = ::ferry::detail::to_tree(value); } \
  inline void from_json(const nlohmann::json& tree, Type& value) { value = ::ferry::detail::from_tree<Type>(tree); }

#define FERRY_VISIT_MEMBER_(member) \
  visit(::ferry::detail::MemberText{",\"" #member "\":", "the member \"" #member "\" is missing"}, value.member);
