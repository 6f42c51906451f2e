#include <stdexcept>
#include <string>

#include "catch.hpp"
#include "ferry/error.hpp"
#include "ferry/json_schema.hpp"

using nlohmann::json;

namespace {

/// The body of the error that a payload is refused with; null if it is taken.
json refusal_of(const char* schema, const json& payload) {
  try {
    ferry::schema(json::parse(schema))(payload);
    return nullptr;
  } catch (const ferry::RpcError& error) {
    return error.body();
  }
}

std::string schema_error(const char* schema) {
  try {
    ferry::schema(json::parse(schema));
    return "none";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

constexpr const char* order = R"({
  "type": "object", "required": ["id"], "additionalProperties": false,
  "properties": {
    "id": { "type": "integer", "minimum": 1 },
    "user": { "type": "object", "properties": { "na/me": { "type": "string", "pattern": "^[a-z]+$" } } },
    "items": { "type": "array", "items": { "type": "string" } } } })";

}  // namespace

TEST_CASE("json schema: an error says where and what") {
  CHECK(refusal_of(order, {{"id", 1}, {"user", {{"na/me", "ada"}}}, {"items", {"a", "b"}}}) == nullptr);
  const json small = refusal_of(order, {{"id", 0}});
  CHECK(small.at("status") == "error");
  CHECK(small.at("errors").at(0).at("pointer") == "/id");
  CHECK(small.at("message").get<std::string>().rfind("/id: ", 0) == 0);
  CHECK(refusal_of(order, {{"id", 1}, {"items", {"a", 2}}}).at("errors").at(0).at("pointer") == "/items/1");
  CHECK(refusal_of(order, {{"id", 1}, {"user", {{"na/me", "Ada"}}}}).at("errors").at(0).at("pointer") == "/user/na~1me");
  const json without = refusal_of(order, json::object());
  CHECK(without.at("errors").at(0).at("pointer") == "");
  CHECK(without.at("message").get<std::string>().find("'id'") != std::string::npos);
  CHECK(refusal_of(order, "text") != nullptr);
  CHECK(refusal_of(order, {{"id", 1}, {"other", 1}}).at("message").get<std::string>().find("'other'") != std::string::npos);
  CHECK(refusal_of(order, {{"id", 0}, {"items", {1, 2}}}).at("errors").size() == 3);   // all of them
  CHECK(refusal_of(R"({"items": {"type": "string"}})", json(std::vector<int>(100, 1))).at("errors").size() == 20);
}

TEST_CASE("json schema: references, booleans and recursion") {
  constexpr const char* list = R"({"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"$ref": "#/definitions/n"}},
                                   "definitions": {"n": {"type": "number"}}})";
  CHECK(refusal_of(list, {{"next", {{"next", {{"n", 1}}}}}}) == nullptr);
  CHECK(refusal_of(list, {{"next", {{"next", {{"n", "1"}}}}}}).at("errors").at(0).at("pointer") == "/next/next/n");
  CHECK(refusal_of("true", 1) == nullptr);
  CHECK(refusal_of("false", 1) != nullptr);
}

TEST_CASE("json schema: what is no schema is refused at once") {
  CHECK(schema_error("7") != "none");
  CHECK(schema_error(R"({"type": "strin"})") != "none");
  CHECK(schema_error(R"({"type": 7})") != "none");
  CHECK(schema_error(R"({"minimum": "a"})") != "none");
  CHECK(schema_error(R"({"$ref": "http://127.0.0.1:1/order.json"})") != "none");   // nothing is fetched
  CHECK(schema_error(R"({"properties": {"a": {"pattern": "("}}})").find("/properties/a/pattern: \"(\"") != std::string::npos);
  CHECK(schema_error(R"({"patternProperties": {"(": true}})").find("no regular expression") != std::string::npos);
  CHECK(schema_error(R"({"$ref": "#/definitions/none"})").find("leads nowhere") != std::string::npos);
  CHECK(schema_error(R"({"$ref": "#"})").find("leads back to itself") != std::string::npos);
  CHECK(schema_error(R"({"allOf": [{"$ref": "#/definitions/a"}], "definitions": {"a": {"not": {"$ref": "#"}}}})")
            .find("leads back to itself") != std::string::npos);
  CHECK(schema_error(R"({"properties": {"pattern": {"type": "string"}}, "default": {"pattern": "("}})") == "none");
}

TEST_CASE("json schema: a long text against a pattern is an error, and not the end of the process") {
  constexpr const char* digits = R"({"properties": {"a": {"pattern": "^([0-9]|x|(a|b)+)*$"}}})";
  CHECK(refusal_of(digits, {{"a", std::string(4096, '1')}}) == nullptr);
  CHECK(refusal_of(digits, {{"a", std::string(10'000'000, '1')}}).at("errors").at(0).at("pointer") == "/a");
  CHECK(refusal_of(R"({"maxLength": 10000000})", std::string(10'000'000, '1')) == nullptr);
}
