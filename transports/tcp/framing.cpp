#include "transports/tcp/framing.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace ferry::tcp {
namespace {

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// Bytes of the white space character at the start, as JavaScript sees white space; 0 if there is none.
std::size_t space_at_start(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const char c = text[0];
  if (c == ' ' || (c >= '\t' && c <= '\r')) return 1;
  if (text.starts_with("\xC2\xA0")) return 2;   // no-break space
  constexpr std::string_view wide[] = {
      "\xEF\xBB\xBF", "\xE1\x9A\x80", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
  for (const std::string_view space : wide) {
    if (text.starts_with(space)) return space.size();
  }
  if (text.size() < 3 || !text.starts_with("\xE2\x80")) return 0;
  const auto last = static_cast<unsigned char>(text[2]);
  return last >= 0x80 && last <= 0x8A ? 3 : 0;   // U+2000 to U+200A
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

}  // namespace

std::optional<std::size_t> parse_length(std::string_view prefix) noexcept {
  if (!prefix.empty() && prefix.size() <= 9) {   // digits alone: what every peer sends
    std::size_t plain = 0;
    std::size_t digits = 0;
    while (digits < prefix.size() && is_digit(prefix[digits])) plain = 10 * plain + static_cast<std::size_t>(prefix[digits++] - '0');
    if (digits == prefix.size()) return plain;
  }
  while (const std::size_t space = space_at_start(prefix)) prefix.remove_prefix(space);
  const bool negative = prefix.starts_with('-');
  if (negative || prefix.starts_with('+')) prefix.remove_prefix(1);
  if (prefix.empty() || !is_digit(prefix[0])) return std::nullopt;
  if (negative) return 0;
  std::size_t length = 0;
  const auto parsed = std::from_chars(prefix.data(), prefix.data() + prefix.size(), length);
  return parsed.ec == std::errc::result_out_of_range ? no_limit : length;
}

bool FrameReader::fits(std::string_view unread) noexcept {
  if (unread.size() <= max_length_) return true;   // never more units than bytes
  if (!text_) return false;
  detail::scan_units(unread, no_limit, all_);
  return all_.units <= max_length_;
}

FrameReader::Step FrameReader::next(std::string_view unread) noexcept {
  Step step;
  if (!has_length_ && !read_prefix(unread, step)) return step;
  const std::string_view rest = unread.substr(step.taken);
  if (!text_) {
    if (rest.size() < length_) return step;
    body_.bytes = length_;
  } else {
    detail::scan_units(rest, length_, body_);
    if (body_.units < length_) {
      // One unit short although four bytes are there, enough to tell any character: they are a pair.
      const bool pair = body_.units + 1 == length_ && rest.size() - body_.bytes >= 4;
      if (!pair) return step;
      step.status = Status::cut_character;
      step.body = rest.substr(0, body_.bytes);
      step.ill_formed = body_.invalid;
      return step;
    }
  }
  step.status = Status::frame;
  step.body = rest.substr(0, body_.bytes);
  step.taken += body_.bytes;
  step.ill_formed = body_.invalid;
  has_length_ = false;
  all_ = {};
  return step;
}

bool FrameReader::read_prefix(std::string_view unread, Step& step) noexcept {
  if (searched_ == unread.size()) return false;
  const void* found = std::memchr(unread.data() + searched_, '#', unread.size() - searched_);
  if (found == nullptr) {
    searched_ = unread.size();
    return false;
  }
  const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - unread.data());
  searched_ = 0;
  const std::optional<std::size_t> length = parse_length(unread.substr(0, at));
  if (!length) {
    step = {Status::corrupt_length, at + 1, unread.substr(0, at), false};
    return false;
  }
  has_length_ = true;
  length_ = *length;
  body_ = {};
  all_ = {};   // counted from the first unread byte, which is another one now
  step.taken = at + 1;
  return true;
}

std::size_t FrameReader::length_of(std::string_view unread) const noexcept {
  if (!text_) return unread.size();
  detail::UnitScan scan = all_;
  detail::scan_units(unread, no_limit, scan);
  return scan.units;
}

LengthPrefix::LengthPrefix(std::string_view head, std::string_view payload, std::string_view tail, bool text) noexcept {
  const std::size_t length = text ? detail::utf16_units(head) + detail::utf16_units(payload) + detail::utf16_units(tail)
                                  : head.size() + payload.size() + tail.size();
  char* end = std::to_chars(digits_, digits_ + sizeof digits_ - 1, length).ptr;
  *end++ = '#';
  size_ = static_cast<std::size_t>(end - digits_);
}

void append_frame(net::OutQueue& out, std::string_view head, std::string& payload, std::string_view tail, bool text) {
  out.append(LengthPrefix(head, payload, tail, text), head, payload, tail);
}

}  // namespace ferry::tcp
