#include "ferry/json_schema.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#define VALIJSON_USE_EXCEPTIONS 1   // else it ends the process where it should refuse a schema
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "ferry/error.hpp"
#include "schema_check.hpp"

namespace ferry {
namespace {

using nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;
using Pointer = json::json_pointer;

constexpr std::size_t most_errors = 20;
constexpr std::size_t longest_text = 4096;   // of those that regular expressions see

/// The library says "<root>", "[user]", "[0]".
std::string pointer_of(const std::vector<std::string>& context) {
  Pointer pointer;
  for (std::size_t i = 1; i < context.size(); ++i) {
    const std::string_view step = context[i];
    pointer /= std::string(step.starts_with('[') && step.ends_with(']') ? step.substr(1, step.size() - 2) : step);
  }
  return pointer.to_string();
}

/// It says of each value around the wrong one that something in it is wrong.
bool says_more(std::string_view description) {
  return !description.starts_with("Failed to validate item #") && !description.starts_with("Failed to validate against schema associated") &&
         !description.starts_with("Failed to validate against additional properties");
}

json error_at(const std::string& pointer, const std::string& what) { return {{"pointer", pointer}, {"message", what}}; }

/// The first text, or name of a member, that is too long; its pointer is in `place` then.
bool has_long_text(const json& value, Pointer& place) {
  if (value.is_string()) return value.get_ref<const std::string&>().size() > longest_text;
  if (!value.is_structured()) return false;
  for (const auto& [key, member] : value.items()) {
    if (key.size() > longest_text) return true;
    place.push_back(key);
    if (has_long_text(member, place)) return true;
    place.pop_back();
  }
  return false;
}

/// Of one schema: as many of the library's validators as there are threads that need one, for each keeps what it has compiled.
class Schema {
 public:
  explicit Schema(const json& text) : short_texts_(detail::uses_regular_expressions(text)) {
    detail::check_schema(text);
    try {
      valijson::SchemaParser().populateSchema(Adapter(text), schema_);
    } catch (const std::exception& error) {
      throw std::invalid_argument(std::string("ferry: the JSON schema: ") + error.what());
    }
  }

  void hold(const json& payload) const {
    Pointer place;
    if (short_texts_ && has_long_text(payload, place)) {
      refuse(json::array({error_at(place.to_string(), "longer than the " + std::to_string(longest_text) +
                                                          " bytes that are held against a pattern")}));
    }
    valijson::ValidationResults results;
    auto validator = take();
    const bool good = validator->validate(schema_, Adapter(payload), &results);
    give_back(std::move(validator));
    if (good) return;
    json errors = json::array();
    for (const auto& error : results) {
      if (errors.size() < most_errors && says_more(error.description)) {
        errors.push_back(error_at(pointer_of(error.context), error.description));
      }
    }
    if (errors.empty()) errors.push_back(error_at("", "it does not match the schema"));
    refuse(errors);
  }

 private:
  using Validator = std::unique_ptr<valijson::Validator>;

  [[noreturn]] static void refuse(const json& errors) {
    const std::string where = errors.front().at("pointer").get<std::string>();
    const std::string what = errors.front().at("message").get<std::string>();
    throw RpcError(json{{"status", "error"}, {"message", where.empty() ? what : where + ": " + what}, {"errors", errors}});
  }

  Validator take() const {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<valijson::Validator>();
    Validator validator = std::move(idle_.back());
    idle_.pop_back();
    return validator;
  }
  void give_back(Validator validator) const {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(validator));
  }

  const bool short_texts_;
  valijson::Schema schema_;
  mutable std::mutex mutex_;
  mutable std::vector<Validator> idle_;
};

}  // namespace

std::function<void(const json&)> schema(const json& json_schema) {
  return [held = std::make_shared<const Schema>(json_schema)](const json& payload) { held->hold(payload); };
}

}  // namespace ferry
