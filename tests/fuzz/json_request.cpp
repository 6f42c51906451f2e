// Requests as JSON: nothing read lies outside the body, and what was read, written again, reads the same.

#include <chrono>
#include <string>

#include "ferry/detail/json_reader.hpp"
#include "ferry/detail/utf.hpp"
#include "serializers/json/json_serializer.hpp"
#include "target.hpp"
#include "transports/common/extension.hpp"

namespace ferry::fuzz {
namespace {

using spi::RequestView;
using PatternForm = RequestView::PatternForm;

const serializers::JsonSerializer serializer;

bool is_plain(std::string_view text) { return text.find('\\') == text.npos && detail::is_valid_utf8(text); }

std::string_view unquoted(std::string_view token) { return token.substr(1, token.size() - 2); }

/// Values are bytes of the body, so that a hostile peer cannot make anything point elsewhere.
void check_view(std::string_view body, const RequestView& view) {
  for (const std::string_view part : {view.pattern, view.payload, view.id, view.headers}) FUZZ_CHECK(lies_in(part, body));
  FUZZ_CHECK(view.has_payload == !view.payload.empty() && view.has_id == !view.id.empty());
  for (const std::string_view json : {view.payload, view.id, view.headers}) {
    FUZZ_CHECK(json.empty() || detail::is_json(json));
  }
  if (view.pattern_form == PatternForm::json) FUZZ_CHECK(detail::is_json(view.pattern));
  if (view.pattern_form == PatternForm::text) FUZZ_CHECK(view.pattern.find('\\') == view.pattern.npos);
}

/// The short way to one header and the long way to all of them.
void check_headers(const Headers& headers, std::string_view raw) {
  for (const auto& [name, value] : headers) {
    FUZZ_CHECK(headers.get(name) == value);
    const auto found = extension::find_header(serializer, raw, name);
    if (found) FUZZ_CHECK(detail::is_json('"' + *found + '"'));
  }
}

/// What a client tells of its deadline is no deadline, or one that can be added to a clock's time.
void check_timeout(std::string_view raw) {
  using extension::TimeoutNotice;
  TimeoutNotice notice;
  notice.read(serializer, raw);
  const auto value = notice.value();
  FUZZ_CHECK(value == TimeoutNotice::none || (value.count() >= 0 && value <= std::chrono::hours(24 * 365)));
  if (value == TimeoutNotice::none) return;
  TimeoutNotice again;
  const std::string name(extension::timeout_header);
  again.read(serializer, "{\"" + name + "\":\"" + TimeoutNotice::text(value) + "\"}");
  FUZZ_CHECK(again.value() == value);
}

std::optional<Pattern> pattern_of(const RequestView& view) {
  try {
    if (view.pattern_form == PatternForm::text) return Pattern(view.pattern);
    if (view.pattern_form == PatternForm::json) return Pattern::from_json(view.pattern);
  } catch (const Error& error) {
    FUZZ_CHECK(error.code() == errc::bad_pattern);
  }
  return std::nullopt;
}

void check_round_trip(const RequestView& view, const Pattern& pattern, const Headers& headers, bool as_route) {
  spi::RequestEnvelope envelope;
  envelope.pattern = &pattern;
  envelope.pattern_as_route = as_route;
  envelope.has_payload = view.has_payload;
  envelope.headers = &headers;
  const bool plain_id = view.has_id && view.id.front() == '"' && view.id.size() > 2 && is_plain(view.id);
  if (plain_id) envelope.id = unquoted(view.id);
  std::string text;
  std::string tail;
  serializer.write_request(envelope, text, tail);
  text.append(view.payload).append(tail);

  RequestView again;
  FUZZ_CHECK(serializer.read_request(text, again) == nullptr);
  FUZZ_CHECK(again.has_payload == view.has_payload && again.payload == view.payload);
  FUZZ_CHECK(again.has_id == plain_id && (!plain_id || again.id == view.id));
  const std::optional<Pattern> read = pattern_of(again);
  FUZZ_CHECK(read.has_value() && *read == pattern);
  FUZZ_CHECK(serializer.read_headers(again.headers) == headers);
}

}  // namespace

void run(std::string_view input) {
  RequestView view;
  if (serializer.read_request(input, view) != nullptr) {
    FUZZ_CHECK(!detail::is_json(input));
    return;
  }
  check_view(input, view);
  if (!detail::is_valid_utf8(input)) return;   // what is written always is
  const Headers headers = serializer.read_headers(view.headers);
  check_headers(headers, view.headers);
  check_timeout(view.headers);
  const std::optional<Pattern> pattern = pattern_of(view);
  if (!pattern) return;
  for (const bool as_route : {true, false}) check_round_trip(view, *pattern, headers, as_route);
}

}  // namespace ferry::fuzz
