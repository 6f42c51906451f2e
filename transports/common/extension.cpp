#include "transports/common/extension.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_reader.hpp"

namespace ferry::extension {
namespace {

std::optional<std::string_view> find_in_json(std::string_view raw, std::string_view name) {
  detail::JsonReader reader(raw);
  if (reader.peek() != detail::JsonReader::Type::object || !reader.begin_object()) return std::nullopt;
  bool first = true;
  bool escaped = false;
  std::string_view key;
  while (reader.next_member(first, key, escaped)) {
    std::string_view value;
    if (!reader.skip_value(value)) return std::nullopt;
    if (key == name && !escaped && value.size() >= 2 && value.front() == '"') return value.substr(1, value.size() - 2);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_header(const spi::Serializer& serializer, std::string_view raw, std::string_view name) {
  if (raw.empty()) return std::nullopt;
  if (serializer.json_text()) {
    const auto found = find_in_json(raw, name);
    return found ? std::optional<std::string>(*found) : std::nullopt;
  }
  const Headers headers = serializer.read_headers(raw);
  const auto found = headers.get(name);
  return found ? std::optional<std::string>(*found) : std::nullopt;
}

/// A little less than was told is the time it took to get here: the service would cancel a handler that much too late,
/// which harms nobody.
TimeoutNotice::Milliseconds TimeoutNotice::left(TimePoint deadline, TimePoint now) noexcept {
  if (deadline == TimePoint() || deadline == TimePoint::max()) return none;
  return std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(deadline - now));
}

bool TimeoutNotice::must_tell(Milliseconds left) noexcept {
  if (left == value_) return false;
  const bool close = left != none && value_ != none && left <= value_ + Milliseconds(1) && left >= value_ - value_ / 64;
  if (close) return false;
  value_ = left;
  return true;
}

std::string TimeoutNotice::text(Milliseconds left) { return left == none ? "none" : std::to_string(left.count()); }

std::optional<TimeoutNotice::Milliseconds> TimeoutNotice::parse(std::string_view text) {
  constexpr Milliseconds longest = std::chrono::hours(24 * 365);
  Milliseconds::rep value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < 0) return std::nullopt;
  return std::min(Milliseconds(value), longest);
}

void TimeoutNotice::read(const spi::Serializer& serializer, std::string_view raw_headers) {
  const auto text = find_header(serializer, raw_headers, timeout_header);
  if (!text) return;
  value_ = parse(*text).value_or(none);
}

void strip_own_headers(Headers& headers) {
  std::vector<std::string> own;
  for (const auto& [name, value] : headers) {
    if (name.starts_with(own_prefix)) own.push_back(name);
  }
  for (const std::string& name : own) headers.erase(name);
}

std::string raw_id(const spi::Serializer& serializer, std::string_view id) {
  std::string raw;
  serializer.encode(nlohmann::json(id), raw);
  return raw;
}

}  // namespace ferry::extension
