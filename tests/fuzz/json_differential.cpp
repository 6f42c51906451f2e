// The scanner that finds the parts of an envelope in one pass, against nlohmann's full parse: the same bodies are valid,
// and pattern, id, headers and payload are the same, down to where the payload begins and ends.

#include <initializer_list>
#include <string>

#include "ferry/detail/utf.hpp"
#include "json_reference.hpp"
#include "serializers/json/json_serializer.hpp"
#include "target.hpp"

namespace ferry::fuzz {
namespace {

using nlohmann::json;
using PatternForm = spi::RequestView::PatternForm;

const serializers::JsonSerializer serializer;

class Body {
 public:
  Body(std::string_view text, const JsonReference& reference) : text_(text), reference_(reference) {}

  /// `span` is exactly the value of this member: with another in its place, that is what changes.
  void check_span(std::string_view member, std::string_view span) const {
    constexpr std::string_view other = R"("\u0001 none of the inputs \u0002")";
    const std::size_t offset = offset_of(span);
    FUZZ_CHECK(reference_.value_at(offset, span.size()) == tree().at(member));
    json expected = tree();
    expected[member] = JsonReference::parse(other);
    FUZZ_CHECK(reference_.with(offset, span.size(), other) == expected);
  }

  const json& tree() const { return reference_.tree(); }
  bool has(std::string_view member) const { return tree().is_object() && tree().contains(member); }
  json value_of(std::string_view span) const { return reference_.value_at(offset_of(span), span.size()); }

 private:
  std::size_t offset_of(std::string_view span) const {
    FUZZ_CHECK(!span.empty() && lies_in(span, text_));
    return static_cast<std::size_t>(span.data() - text_.data());
  }

  std::string_view text_;
  const JsonReference& reference_;
};

void check_request(const Body& body, const spi::RequestView& view) {
  const bool foreign = !body.has("pattern") && !body.has("data");
  FUZZ_CHECK(view.has_payload == (!foreign && body.has("data")));
  FUZZ_CHECK(view.has_id == (!foreign && body.has("id")));
  FUZZ_CHECK((view.pattern_form == PatternForm::absent) == (foreign || !body.has("pattern")));
  FUZZ_CHECK(view.headers.empty() == (foreign || !body.has("metadata") || !body.tree().at("metadata").is_object()));
  if (view.has_payload) body.check_span("data", view.payload);
  if (view.has_id) body.check_span("id", view.id);
  if (!view.headers.empty()) body.check_span("metadata", view.headers);
  if (view.pattern_form == PatternForm::json) body.check_span("pattern", view.pattern);
  if (view.pattern_form == PatternForm::text) FUZZ_CHECK(body.tree().at("pattern") == view.pattern);
}

bool is_truthy(const json& value) {
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  if (value.is_number()) return value.get<double>() != 0;
  return value.is_structured() || value == true;
}

void check_reply(const Body& body, std::string_view text, const spi::ReplyView& view) {
  bool foreign = !body.tree().is_object() || body.tree().empty();
  for (const auto& item : body.tree().items()) {
    bool known = false;
    for (const char* name : {"id", "err", "response", "isDisposed", "status"}) known = known || item.key() == name;
    foreign = foreign || !known;
  }
  const bool failed = !foreign && body.has("err") && is_truthy(body.tree().at("err"));
  const bool disposed = body.has("isDisposed") && is_truthy(body.tree().at("isDisposed"));
  FUZZ_CHECK(view.failed == failed);
  FUZZ_CHECK(view.last == (foreign || failed || disposed));
  FUZZ_CHECK(view.has_value == (foreign || (!failed && (body.has("response") || !disposed))));
  FUZZ_CHECK(view.error.empty() == !failed);
  if (failed) body.check_span("err", view.error);
  if (foreign) {
    FUZZ_CHECK(view.value == text);
  } else if (view.has_value && body.has("response")) {
    body.check_span("response", view.value);
  } else {
    FUZZ_CHECK(view.value.empty());
  }
  if (!body.has("id")) {
    FUZZ_CHECK(view.id.empty());
  } else if (!body.tree().at("id").is_string()) {
    body.check_span("id", view.id);
  } else if (view.id.find('\\') == view.id.npos) {   // ids are compared as they stand
    FUZZ_CHECK(body.tree().at("id") == view.id);
  }
}

}  // namespace

void run(std::string_view input) {
  const std::string text = detail::replace_invalid_utf8(input);   // as the TCP transport does
  spi::RequestView request;
  spi::ReplyView reply;
  const bool valid = serializer.read_request(text, request) == nullptr;
  FUZZ_CHECK(valid == (serializer.read_reply(text, reply) == nullptr));
  FUZZ_CHECK(valid == detail::is_json(text));
  const JsonReference reference(text);
  if (!reference.comparable()) return;
  FUZZ_CHECK(valid == reference.valid());
  if (!valid) return;
  const Body body(text, reference);
  check_request(body, request);
  check_reply(body, text, reply);
}

}  // namespace ferry::fuzz
