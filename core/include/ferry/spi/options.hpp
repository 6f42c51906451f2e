#pragma once
// Options: one table a plugin, read by the parser, the validation, the README and the JSON Schema.

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace ferry::spi {

enum class OptionKind : std::uint8_t {
  boolean,
  integer,
  number,
  string,
  duration,        ///< "250ms", "2s", "1.5m", "1h", or a number of milliseconds; see `parse_duration`
  size,            ///< "64KiB", "1MiB", "1GB", or a number of bytes; see `parse_size`
  strings,         ///< an array of strings, or one string standing for a list of one
  object,          ///< members as described by `members`
  map_of_strings,  ///< an object whose values are strings
  any,             ///< any JSON, passed on as it is
};

/// One option as a user writes it in `options` (or anywhere else in the config file).
///
/// Where a boolean, integer or number is expected, a string that holds exactly one is taken as well: `"${PORT:-3000}"`
/// expands to a string, and only the table knows that it should be a number. The reverse never happens: a password of
/// digits stays a string. `any` gets the string as it is.
struct Option {
  std::string_view name;
  OptionKind kind = OptionKind::any;
  std::string_view fallback = {};  ///< the default as JSON text (`"\"2s\""`, `30000`); empty: absent unless given
  std::string_view doc = {};       ///< one line, for README and schema
  std::int64_t min = std::numeric_limits<std::int64_t>::min();  ///< of integer, number, duration (ms), size (bytes)
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  std::string_view choices = {};   ///< "a|b|c" limits a string, or each of the strings, to these
  std::span<const Option> members = {};
  bool required = false;
};
using OptionTable = std::span<const Option>;

/// Where a value stands, for error texts: `math.json: /services/math/options/port`.
struct ConfigPlace {
  std::string file;     ///< "<code>" when the config was built in code
  std::string pointer;  ///< RFC 6901
  ConfigPlace member(std::string_view name) const;  ///< escapes `~` and `/`
  ConfigPlace element(std::size_t index) const;
  std::string text() const;
};

/// Values checked against a table, defaults filled in. Immutable and cheap to copy. Getters for a name that is not in
/// the table, or of another kind, are a programming error and throw `std::logic_error`; so does asking for a boolean,
/// integer, number, duration or size that has neither a value nor a default (ask `has` first).
///
/// Lifetime: the table outlives every Options parsed from it; tables are static.
/// Threads:  any, together.
class Options {
 public:
  Options() = default;
  /// Throws `ConfigError`: unknown key (with the nearest name), wrong type, out of range, missing required value. A
  /// null `value` is an empty object. A default in the table that breaks the table's own rules throws `std::logic_error`.
  static Options parse(const nlohmann::json& value, OptionTable table, ConfigPlace place);

  bool has(std::string_view name) const;  ///< given by the user, or has a default
  bool given(std::string_view name) const;  ///< given by the user
  bool boolean(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  double number(std::string_view name) const;
  std::string string(std::string_view name) const;  ///< empty if absent
  std::chrono::milliseconds duration(std::string_view name) const;
  std::size_t size(std::string_view name) const;
  std::vector<std::string> strings(std::string_view name) const;  ///< empty if absent
  std::map<std::string, std::string> map_of_strings(std::string_view name) const;  ///< empty if absent
  Options object(std::string_view name) const;  ///< if absent: the defaults of its members
  const nlohmann::json& any(std::string_view name) const;  ///< null if absent
  ConfigPlace place(std::string_view name) const;
  const ConfigPlace& place() const noexcept { return place_; }

 private:
  const Option& find(std::string_view name, OptionKind kind) const;
  const nlohmann::json* value(std::string_view name) const;

  OptionTable table_;
  std::shared_ptr<const nlohmann::json> values_;   // normalised: durations in ms, sizes in bytes, defaults present
  std::shared_ptr<const nlohmann::json> given_;
  ConfigPlace place_;
};

/// Throws a `ConfigError` that says where, what was found and what to do: "<place>: <found>; <advice>". `advice` may be
/// empty.
[[noreturn]] void config_error(const ConfigPlace& place, std::string_view found, std::string_view advice);

/// "250ms" or 250 → 250 ms; units ms, s, m, h, decimals allowed ("1.5s"), a fraction of a millisecond rounded up.
/// Throws `ConfigError` naming `place`, also for negative values and for more than 100 years (876000h), so that a
/// duration added to a clock's time never overflows.
std::chrono::milliseconds parse_duration(const nlohmann::json& value, const ConfigPlace& place);
/// "64KiB" or 65536 → bytes; units B, KiB, MiB, GiB (1024), KB, MB, GB (1000), decimals allowed, a fraction of a byte
/// rounded up. Throws `ConfigError` naming `place`, also for negative values and for more than fit.
std::size_t parse_size(const nlohmann::json& value, const ConfigPlace& place);
/// The candidate nearest to `word`; empty if none is near. Near is an edit distance of at most 2 and under half the
/// word's length, where swapped neighbours count once and case counts nothing ("prot" is near "port").
std::string_view nearest_name(std::string_view word, std::span<const std::string_view> candidates);
/// The table as a JSON Schema object (`properties`, `additionalProperties: false`, descriptions, defaults, limits). A
/// `"${NAME}"` is accepted wherever the parser takes one. Limits bind numbers only: JSON Schema cannot compare what stands
/// in a string (`"70000"`, `"2h"`).
nlohmann::json to_json_schema(OptionTable table);
/// The table as a Markdown table, for READMEs; members of objects follow as `object.member`.
std::string to_markdown(OptionTable table);

}  // namespace ferry::spi
