// Replies as JSON: nothing read lies outside the body, and every kind of reply made of its parts reads as what it is.

#include <string>

#include "ferry/detail/json_reader.hpp"
#include "serializers/json/json_serializer.hpp"
#include "target.hpp"

namespace ferry::fuzz {
namespace {

using spi::ReplyKind;
using spi::ReplyView;

const serializers::JsonSerializer serializer;

void check_kind(ReplyKind kind, std::string_view raw_id, std::string_view payload) {
  std::string text;
  std::string tail;
  serializer.write_reply({kind, raw_id}, text, tail);
  const bool has_payload = kind == ReplyKind::item || kind == ReplyKind::last_item || kind == ReplyKind::error;
  if (has_payload) text += payload;
  text += tail;

  ReplyView view;
  FUZZ_CHECK(serializer.read_reply(text, view) == nullptr);
  const bool quoted = raw_id.starts_with('"');
  FUZZ_CHECK(view.id == (quoted ? raw_id.substr(1, raw_id.size() - 2) : raw_id));
  const bool value = kind == ReplyKind::item || kind == ReplyKind::last_item;
  const bool failed = kind == ReplyKind::no_handler || (kind == ReplyKind::error && detail::is_truthy_json(payload));
  FUZZ_CHECK(view.has_value == value && view.value == (value ? payload : std::string_view()));
  FUZZ_CHECK(view.failed == failed && view.last == (kind != ReplyKind::item));
  if (kind == ReplyKind::error && failed) FUZZ_CHECK(view.error == payload);
}

}  // namespace

void run(std::string_view input) {
  ReplyView view;
  if (serializer.read_reply(input, view) != nullptr) {
    FUZZ_CHECK(!detail::is_json(input));
    return;
  }
  for (const std::string_view part : {view.id, view.value, view.error}) FUZZ_CHECK(lies_in(part, input));
  for (const std::string_view json : {view.value, view.error}) FUZZ_CHECK(json.empty() || detail::is_json(json));
  FUZZ_CHECK(!(view.failed && view.has_value));
  FUZZ_CHECK(view.last || view.has_value);

  std::string_view payload = "null";
  detail::JsonReader value(!view.value.empty() ? view.value : view.error);   // a foreign one may have space around it
  if (value.peek() != detail::JsonReader::Type::invalid) FUZZ_CHECK(value.skip_value(payload));
  spi::RequestView request;   // whose id is echoed as it came
  FUZZ_CHECK(serializer.read_request(input, request) == nullptr);
  for (const ReplyKind kind : {ReplyKind::item, ReplyKind::last_item, ReplyKind::end, ReplyKind::error, ReplyKind::no_handler}) {
    check_kind(kind, request.id, payload);
  }
}

}  // namespace ferry::fuzz
