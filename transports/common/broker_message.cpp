#include "transports/common/broker_message.hpp"

#include <nlohmann/json.hpp>

#include "ferry/detail/utf.hpp"

namespace ferry::transports {

using Form = spi::RequestView::PatternForm;

const char* read_envelope(const spi::Serializer& serializer, std::string_view body, Unreadable unreadable,
                          spi::RequestView& view, std::string& scratch) {
  if (serializer.text() && !detail::is_valid_utf8(body)) {   // NestJS sees it with every ill-formed part replaced
    scratch = detail::replace_invalid_utf8(body);
    body = scratch;
  }
  const char* const fault = serializer.read_request(body, view);
  if (fault != nullptr) {
    if (unreadable == Unreadable::is_an_error || !serializer.text()) return fault;
    const std::string text(body);
    scratch.clear();
    serializer.encode(nlohmann::json(text), scratch);
    body = scratch;
    view = {};
  }
  if (view.pattern_form == Form::absent && !view.has_payload) {
    view = {};
    view.payload = body;
    view.has_payload = true;
  }
  return nullptr;
}

const char* read_broker_message(const spi::Serializer& serializer, std::string_view body, std::string_view route,
                                Unreadable unreadable, spi::RequestView& view, std::string& scratch) {
  if (const char* const fault = read_envelope(serializer, body, unreadable, view, scratch)) return fault;
  view.pattern_form = Form::text;
  view.pattern = route;
  return nullptr;
}

}  // namespace ferry::transports
