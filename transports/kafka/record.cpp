#include "transports/kafka/record.hpp"

#include <utility>

#include "ferry/detail/json_reader.hpp"
#include "ferry/detail/json_writer.hpp"
#include "ferry/detail/utf.hpp"
#include "transports/common/extension.hpp"

namespace ferry::kafka {
namespace {

using detail::JsonReader;

bool is_json(std::string_view text) {
  JsonReader reader(text);
  return reader.skip_value() && reader.at_end();
}

/// What a NestJS reader would not leave as text.
bool reads_as_more_than_text(std::string_view text) noexcept {
  return !text.empty() && (text.front() == '{' || text.front() == '[' || text.front() == '\0');
}

std::string_view without_space(std::string_view text) noexcept {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(space);
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

}  // namespace

std::string_view name_of(ValueForm form) noexcept {
  return form == ValueForm::json ? "json" : form == ValueForm::text ? "text" : "";
}

Value write_value(std::string_view payload, std::string& scratch) {
  const std::string_view text = without_space(payload);
  if (text.empty()) return {{}, true, ValueForm::plain};
  switch (text.front()) {
    case '{':
    case '[': return {text, false, ValueForm::plain};
    case 'n': return {{}, true, ValueForm::json};
    case '"': break;
    default: return {text, false, ValueForm::json};
  }
  const std::string_view raw = text.substr(1, text.size() - 2);
  std::string_view plain = raw;
  if (raw.find('\\') != std::string_view::npos) {
    scratch.clear();
    detail::unescape_json(raw, scratch);
    plain = scratch;
  }
  // A surrogate on its own has no UTF-8: it can only go as JSON has it.
  if (plain.data() == scratch.data() && !detail::is_valid_utf8(plain)) return {text, false, ValueForm::json};
  return {plain, false, reads_as_more_than_text(plain) ? ValueForm::text : ValueForm::plain};
}

std::string_view read_value(std::string_view bytes, ValueForm form, std::string& scratch) {
  if (form == ValueForm::json && is_json(bytes)) return bytes;
  if (form != ValueForm::text && !bytes.empty()) {
    if (bytes.front() == '\0') {
      scratch.clear();
      detail::append_json_buffer(scratch, bytes);
      return scratch;
    }
    if ((bytes.front() == '{' || bytes.front() == '[') && is_json(bytes)) return bytes;
  }
  std::string mended;
  if (!detail::is_valid_utf8(bytes)) {
    mended = detail::replace_invalid_utf8(bytes);
    bytes = mended;
  }
  scratch.clear();
  detail::append_json_string(scratch, bytes);
  return scratch;
}

// --- headers --------------------------------------------------------------------------------------------------------

template <class F>
void RecordHeaders::for_each(F visit) const {
  if (headers_ == nullptr) return;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers_, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    visit(std::string_view(name), std::string_view(static_cast<const char*>(value), value == nullptr ? 0 : size));
  }
}

RecordHeaders::RecordHeaders(const rd_kafka_message_t* record) noexcept {
  if (rd_kafka_message_headers(record, &headers_) != RD_KAFKA_RESP_ERR_NO_ERROR) headers_ = nullptr;
  std::optional<std::string_view> form;
  const std::pair<std::string_view, std::optional<std::string_view>*> wanted[]{
      {correlation_header, &known_.id}, {reply_topic_header, &known_.reply_topic}, {reply_partition_header, &known_.reply_partition},
      {error_header, &known_.error}, {disposed_header, &known_.disposed}, {extension::timeout_header, &known_.timeout}, {value_header, &form}};
  for_each([&](std::string_view name, std::string_view value) {
    for (const auto& [each, place] : wanted) {
      if (name != each) continue;
      if (!*place) *place = value;
      return;
    }
  });
  if (form == "json") known_.form = ValueForm::json;
  if (form == "text") known_.form = ValueForm::text;
}

Headers RecordHeaders::application() const {
  Headers headers;
  for_each([&](std::string_view name, std::string_view value) {
    const bool own = name == correlation_header || name == reply_topic_header || name == reply_partition_header ||
                     name == error_header || name == disposed_header || name.starts_with(extension::own_prefix);
    if (!own) headers.set(name, value);
  });
  return headers;
}

void HeaderList::add(std::string_view name, std::string_view value) {
  rd_kafka_vu_t field{};
  field.vtype = RD_KAFKA_VTYPE_HEADER;
  field.u.header.name = name.data();   // names are literals or std::strings: they end with NUL
  field.u.header.val = value.data();
  field.u.header.size = static_cast<ssize_t>(value.size());
  fields_.push_back(field);
}

void HeaderList::add(ValueForm form) {
  if (form != ValueForm::plain) add(value_header, name_of(form));
}

void HeaderList::add(const Headers& headers) {
  for (const auto& [name, value] : headers) add(name, value);
}

}  // namespace ferry::kafka
