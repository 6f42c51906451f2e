#pragma once
// A serializer whose envelopes are maps of a binary format, with the member names of the JSON ones.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "binary_envelope.hpp"
#include "ferry/detail/json_value.hpp"
#include "ferry/spi/serializer.hpp"

namespace ferry::serializers {

/// `Format` has, all static:
///   const char* name
///   const char* read_head(Cursor&, Head&)                            of one item; null, or what is wrong
///   void append_map(std::string&, std::size_t pairs)                 the head of a map
///   void append_text / append_bytes(std::string&, std::string_view)
///   void append_true(std::string&)
///   void append_json(std::string&, const nlohmann::json&)
///   nlohmann::json parse(std::string_view)                           of an item that was walked; discarded if it fails
///
/// The pattern is always the route, as text. What NestJS's rules say of JSON envelopes holds for these; a `RequestView` of
/// a foreign packet is empty, and JavaScript's undefined in a reply is `has_value` with an empty `value`.
/// Threads: stateless; any.
template <class Format>
class BinarySerializer : public spi::Serializer {
 public:
  std::string_view name() const noexcept override { return Format::name; }
  bool json_text() const noexcept override { return false; }
  bool text() const noexcept override { return false; }

  void encode(const nlohmann::json& value, std::string& out) const override { Format::append_json(out, value); }

  Result<nlohmann::json> decode(std::string_view payload) const override {
    Cursor cursor(payload);
    Head head;
    if (const char* fault = skip_item<Format::read_head>(cursor, head)) return bad_payload(fault);
    if (cursor.left() != 0) return bad_payload("there are bytes behind the value");
    nlohmann::json value = Format::parse(payload);
    if (value.is_discarded()) return bad_payload("JSON has no counterpart for something in it");
    return value;
  }

  void encode_bytes(std::string_view bytes, std::string& out) const override { Format::append_bytes(out, bytes); }

  /// Takes bytes, or text, whose UTF-8 it gives.
  Result<std::string> decode_bytes(std::string_view payload) const override {
    Result<nlohmann::json> value = decode(payload);
    if (!value) return value.failure();
    if (value->is_string()) return std::move(value->get_ref<std::string&>());
    if (!value->is_binary()) return bad_payload("bytes or text were expected");
    const auto& bytes = value->get_binary();
    return std::string(bytes.begin(), bytes.end());
  }

  Result<std::string> to_json_text(std::string_view payload) const override {
    Result<nlohmann::json> value = decode(payload);
    if (!value) return value.failure();
    std::string text;
    detail::write_dom(text, *value);
    return text;
  }

  void write_request(const spi::RequestEnvelope& envelope, std::string& head, std::string& tail) const override {
    const bool has_headers = envelope.headers != nullptr && !envelope.headers->empty();
    const bool has_id = !envelope.id.empty();
    Format::append_map(head, 1U + envelope.has_payload + has_headers + has_id);
    append_member(head, "pattern", envelope.pattern->route());
    if (envelope.has_payload) Format::append_text(head, "data");
    if (has_headers) {
      Format::append_text(tail, "metadata");
      Format::append_map(tail, envelope.headers->size());
      for (const auto& [name, value] : *envelope.headers) append_member(tail, name, value);
    }
    if (has_id) append_member(tail, "id", envelope.id);
  }

  void write_reply(const spi::ReplyEnvelope& envelope, std::string& head, std::string& tail) const override {
    using Kind = spi::ReplyKind;
    const Kind kind = envelope.kind;
    const bool no_handler = kind == Kind::no_handler;
    const bool has_payload = kind == Kind::item || kind == Kind::last_item || kind == Kind::error;
    const bool disposed = kind != Kind::item && !no_handler;
    const bool has_id = !envelope.id.empty();
    Format::append_map(head, (no_handler ? 2U : 0U) + has_payload + disposed + has_id);
    if (has_payload) Format::append_text(head, kind == Kind::error ? "err" : "response");
    if (disposed) {
      Format::append_text(tail, "isDisposed");
      Format::append_true(tail);
    }
    if (has_id) {
      Format::append_text(tail, "id");
      tail += envelope.id;
    }
    if (no_handler) {
      append_member(tail, "status", "error");
      append_member(tail, "err", "There is no matching message handler defined in the remote service.");
    }
  }

  const char* read_request(std::string_view body, spi::RequestView& out) const override {
    out = {};
    bool is_map = false;
    bool odd_pattern = false;
    const auto each = [&](std::string_view name, std::string_view value, const Head& head) {
      if (name == "pattern") {
        odd_pattern = head.kind != Head::Kind::text;
        out.pattern_form = spi::RequestView::PatternForm::text;
        out.pattern = head.bytes;
      } else if (name == "data") {
        out.has_payload = true;
        out.payload = value;
      } else if (name == "id") {
        out.has_id = true;
        out.id = value;
      } else if (name == "metadata") {
        out.headers = head.kind == Head::Kind::map ? value : std::string_view();
      }
    };
    if (const char* fault = walk_members<Format::read_head>(body, is_map, each)) return fault;
    if (odd_pattern) return "the pattern is not text";
    const bool foreign = out.pattern_form == spi::RequestView::PatternForm::absent && !out.has_payload;
    if (foreign) out = {};
    return nullptr;
  }

  const char* read_reply(std::string_view body, spi::ReplyView& out) const override {
    out = {};
    bool is_map = false;
    bool known = true;      // every member is one of a reply
    bool any = false;
    bool has_response = false;
    bool disposed = false;
    std::string_view response;
    const auto each = [&](std::string_view name, std::string_view value, const Head& head) {
      any = true;
      if (name == "id") {
        out.id = head.kind == Head::Kind::text ? head.bytes : value;
      } else if (name == "err") {
        out.failed = head.truthy;
        out.error = value;
      } else if (name == "response") {
        has_response = true;
        response = value;
      } else if (name == "isDisposed") {
        disposed = head.truthy;
      } else if (name != "status") {
        known = false;
      }
    };
    if (const char* fault = walk_members<Format::read_head>(body, is_map, each)) return fault;
    const bool foreign = !any || !known;
    out.failed = out.failed && !foreign;
    if (!out.failed) out.error = {};
    out.last = foreign || out.failed || disposed;
    out.has_value = foreign || (!out.failed && (has_response || !out.last));
    if (out.has_value) out.value = foreign ? body : response;
    return nullptr;
  }

  Headers read_headers(std::string_view raw) const override {
    std::vector<Headers::Entry> headers;
    bool is_map = false;
    walk_members<Format::read_head>(raw, is_map, [&](std::string_view name, std::string_view value, const Head& head) {
      if (head.kind == Head::Kind::text) {
        headers.emplace_back(name, head.bytes);
      } else if (auto text = to_json_text(value)) {
        headers.emplace_back(name, std::move(*text));
      }
    });
    return Headers::of(std::move(headers));
  }

 private:
  static Failure bad_payload(const char* what) {
    std::string text = "the payload is not the ";
    text.append(Format::name).append(" that was expected: ").append(what);
    return Failure(errc::bad_payload, std::move(text));
  }

  static void append_member(std::string& out, std::string_view name, std::string_view value) {
    Format::append_text(out, name);
    Format::append_text(out, value);
  }
};

}  // namespace ferry::serializers
