#pragma once
// A pipe that holds payloads against a JSON Schema. Links ferry::json_schema.

#include <functional>

#include <nlohmann/json.hpp>

namespace ferry {

/// What a payload must be, as a JSON Schema of draft 7: `Pipeline().pipe(schema(order_schema))`. `$ref` may point within the
/// schema; nothing is fetched.
///
/// The caller of a message that is not gets an `RpcError` with the body `{"status": "error", "message": "/user/age: ...",
/// "errors": [{"pointer": "/user/age", "message": "..."}, ...]}`: at most 20 errors, and the first of them as the message.
/// Where the schema has `pattern`, `patternProperties` or `format`, texts of more than 4096 bytes are an error as well: the
/// standard library's regular expressions need stack for every character.
///
/// Threads: what it returns may be called by several at once.
/// Throws `std::invalid_argument` for what is no schema, with the reason: also for a regular expression that is none, and for a
/// `$ref` that leads back to itself.
std::function<void(const nlohmann::json&)> schema(const nlohmann::json& json_schema);

}  // namespace ferry
