#pragma once
// JetStream's answers to what it is asked by "$JS.API....": JSON, with an "error" where something went wrong.

#include <string>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"

namespace ferry::nats::api {

/// The member "error" of an answer; null if there is none.
nlohmann::json error_of(const nlohmann::json& answer);
/// A number in it: `code`, `err_code`; 0 if it is not there.
int number_of(const nlohmann::json& error, const char* name);
std::string text_of(const nlohmann::json& error);
/// Nobody answered.
Failure no_jetstream(const std::string& what);

}  // namespace ferry::nats::api
