#pragma once
// What has to hold for envelopes and values in msgpack and cbor, against nlohmann's full parse of the same bytes.

#include <string>

#include <nlohmann/json.hpp>

#include "ferry/detail/json_value.hpp"
#include "ferry/spi/serializer.hpp"
#include "serializers/common/binary_serializer.hpp"
#include "target.hpp"

namespace ferry::fuzz {

template <class Format>
class BinaryEnvelope {
 public:
  void run(std::string_view input) {
    tree_ = parse(input);
    check_value(input);
    check_request(input);
    check_reply(input);
    check_bytes(input);
  }

 private:
  using json = nlohmann::json;

  static std::string text_of(const json& value) {   // NaN equals itself as text
    std::string text;
    detail::write_dom(text, value);
    return text;
  }

  static json parse(std::string_view bytes) {
    try {
      return Format::parse(bytes);
    } catch (const json::exception&) {   // a count beyond all memory; ours are checked before
      return json(json::value_t::discarded);
    }
  }

  /// Null, or why our walk over one item does not take it.
  static const char* fault_of(std::string_view bytes) {
    serializers::Cursor cursor(bytes);
    serializers::Head head;
    if (const char* fault = serializers::skip_item<Format::read_head>(cursor, head)) return fault;
    return cursor.left() == 0 ? nullptr : "bytes behind it";
  }

  /// Ours walks what nlohmann parses, but for two things that a tree cannot hold, and two of CBOR that nlohmann takes though
  /// they are not well-formed: chunks of chunks, and a count of 2^64 - 1, which it holds for an indefinite one.
  void check_value(std::string_view input) {
    const char* const fault = fault_of(input);
    if (!tree_.is_discarded() && fault != nullptr) {
      const std::string_view why = fault;
      FUZZ_CHECK(why == "nested too deep" || why == "a negative integer of more than 64 bits" ||
                 why == "a chunk of another type" ||
                 (why == serializers::ends_too_early && input.find(std::string(8, '\xFF')) != input.npos));
    }
    const auto value = serializer_.decode(input);
    FUZZ_CHECK(static_cast<bool>(value) == (fault == nullptr && !tree_.is_discarded()));
    const auto text = serializer_.to_json_text(input);
    FUZZ_CHECK(static_cast<bool>(text) == static_cast<bool>(value));
    if (!value) return;
    FUZZ_CHECK(detail::is_json(*text) && *text == text_of(*value));
    std::string encoded;
    serializer_.encode(*value, encoded);
    const auto again = serializer_.decode(encoded);
    FUZZ_CHECK(again && text_of(*again) == *text);
  }

  /// The member as nlohmann reads it is in `bytes`, which are all of it and nothing else.
  void check_member(const char* name, std::string_view bytes) {
    if (tree_.is_object() && tree_.contains(name)) FUZZ_CHECK(text_of(parse(bytes)) == text_of(tree_.at(name)));
  }

  /// What no envelope of ours has, and what makes it none to us: a CBOR tag in front of it, or names in chunks.
  static bool is_odd(std::string_view input) {
    const bool tagged = (static_cast<unsigned char>(input.front()) >> 5) == 6;
    return Format::name == std::string_view("cbor") && (tagged || input.find('\x7F') != input.npos);
  }

  void check_request(std::string_view input) {
    spi::RequestView view;
    const char* const fault = serializer_.read_request(input, view);
    if (fault_of(input) != nullptr) {
      FUZZ_CHECK(fault != nullptr);
      return;
    }
    FUZZ_CHECK(fault == nullptr || fault == std::string_view("the pattern is not text"));
    if (fault != nullptr) return;
    for (const std::string_view part : {view.pattern, view.payload, view.id, view.headers}) {
      FUZZ_CHECK(lies_in(part, input));
    }
    for (const std::string_view item : {view.payload, view.id, view.headers}) {
      FUZZ_CHECK(item.empty() || fault_of(item) == nullptr);
    }
    const bool has_pattern = view.pattern_form != spi::RequestView::PatternForm::absent;
    if (tree_.is_object() && !is_odd(input)) {
      const bool foreign = !tree_.contains("pattern") && !tree_.contains("data");
      FUZZ_CHECK(has_pattern == tree_.contains("pattern") && view.has_payload == tree_.contains("data"));
      FUZZ_CHECK(view.has_id == (!foreign && tree_.contains("id")));
      if (has_pattern) FUZZ_CHECK(tree_.at("pattern") == view.pattern);
      if (view.has_payload) check_member("data", view.payload);
      if (view.has_id) check_member("id", view.id);
      if (!view.headers.empty()) check_member("metadata", view.headers);
    }
    if (has_pattern) check_request_round_trip(view);
  }

  void check_request_round_trip(const spi::RequestView& view) {
    const Pattern pattern(view.pattern);
    const Headers headers = serializer_.read_headers(view.headers);
    const spi::RequestEnvelope envelope{&pattern, true, view.has_payload, &headers, view.has_id ? "an id" : ""};
    std::string bytes;
    std::string tail;
    serializer_.write_request(envelope, bytes, tail);
    bytes.append(view.payload).append(tail);
    spi::RequestView again;
    FUZZ_CHECK(serializer_.read_request(bytes, again) == nullptr);
    FUZZ_CHECK(again.pattern == view.pattern && again.payload == view.payload && again.has_payload == view.has_payload);
    FUZZ_CHECK(again.has_id == view.has_id && serializer_.read_headers(again.headers) == headers);
    check_reply_round_trip(again.id, view.has_payload ? view.payload : again.id);
  }

  void check_reply(std::string_view input) {
    spi::ReplyView view;
    const bool read = serializer_.read_reply(input, view) == nullptr;
    FUZZ_CHECK(read == (fault_of(input) == nullptr));
    if (!read) return;
    for (const std::string_view part : {view.id, view.value, view.error}) FUZZ_CHECK(lies_in(part, input));
    for (const std::string_view item : {view.value, view.error}) FUZZ_CHECK(item.empty() || fault_of(item) == nullptr);
    FUZZ_CHECK(!(view.failed && view.has_value) && (view.last || view.has_value));
    if (view.value == input || is_odd(input)) return;   // foreign
    if (view.has_value && !view.value.empty()) check_member("response", view.value);
    if (view.failed) check_member("err", view.error);
  }

  void check_reply_round_trip(std::string_view raw_id, std::string_view payload) {
    using Kind = spi::ReplyKind;
    if (payload.empty()) return;
    for (const Kind kind : {Kind::item, Kind::last_item, Kind::end, Kind::error, Kind::no_handler}) {
      std::string bytes;
      std::string tail;
      serializer_.write_reply({kind, raw_id}, bytes, tail);
      const bool value = kind == Kind::item || kind == Kind::last_item;
      if (value || kind == Kind::error) bytes += payload;
      bytes += tail;
      spi::ReplyView view;
      FUZZ_CHECK(serializer_.read_reply(bytes, view) == nullptr);
      FUZZ_CHECK(view.id == (raw_id.empty() ? "" : "an id"));
      FUZZ_CHECK(view.has_value == value && view.value == (value ? payload : std::string_view()));
      FUZZ_CHECK(view.last == (kind != Kind::item));
      FUZZ_CHECK(kind == Kind::error || view.failed == (kind == Kind::no_handler));
      FUZZ_CHECK(!view.failed || kind != Kind::error || view.error == payload);
    }
  }

  void check_bytes(std::string_view input) {
    std::string encoded;
    serializer_.encode_bytes(input, encoded);
    const auto decoded = serializer_.decode_bytes(encoded);
    FUZZ_CHECK(decoded && *decoded == input);
    static_cast<void>(serializer_.decode_bytes(input));
  }

  serializers::BinarySerializer<Format> serializer_;
  json tree_;
};

}  // namespace ferry::fuzz
