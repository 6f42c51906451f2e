#include "transports/nats/subject.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace ferry::nats {
namespace {

constexpr std::string_view note_prefix = "ferry-";
constexpr std::string_view hello_word = "hi-";
constexpr std::string_view no_timeout = "none";

bool is_forbidden(char c) noexcept {
  const auto code = static_cast<unsigned char>(c);
  return code <= ' ' || code == 0x7F;
}

std::optional<std::uint64_t> number(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

bool is_publishable(std::string_view subject) noexcept {
  return !subject.empty() && std::none_of(subject.begin(), subject.end(), is_forbidden);
}

bool is_subscribable(std::string_view subject) noexcept {
  if (!is_publishable(subject)) return false;
  while (true) {
    const std::size_t dot = subject.find('.');
    const std::string_view token = subject.substr(0, dot);
    if (token.empty()) return false;
    if (dot == std::string_view::npos) return true;
    if (token == ">") return false;
    subject.remove_prefix(dot + 1);
  }
}

void ReplyNote::write(std::string& subject) const {
  subject += note_prefix;
  if (hello) subject += hello_word;
  if (!timeout) {
    subject += no_timeout;
    return;
  }
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), timeout->count());
  subject.append(digits.data(), end.ptr);
}

std::optional<ReplyNote> ReplyNote::read(std::string_view subject) noexcept {
  constexpr std::uint64_t longest = 365ull * 24 * 3600 * 1000;   // ms
  std::string_view token = subject.substr(subject.rfind('.') + 1);   // npos + 1 is 0
  if (!token.starts_with(note_prefix)) return std::nullopt;
  token.remove_prefix(note_prefix.size());
  ReplyNote note;
  note.hello = token.starts_with(hello_word);
  if (note.hello) token.remove_prefix(hello_word.size());
  if (token == no_timeout) return note;
  const auto value = number(token);
  if (!value) return std::nullopt;
  note.timeout = std::chrono::milliseconds(std::min(*value, longest));
  return note;
}

std::optional<AckSubject> AckSubject::read(std::string_view subject) noexcept {
  if (!subject.starts_with("$JS.ACK.")) return std::nullopt;
  std::array<std::string_view, 12> tokens;
  std::size_t count = 0;
  while (count < tokens.size()) {
    const std::size_t dot = subject.find('.');
    tokens[count++] = subject.substr(0, dot);
    if (dot == std::string_view::npos) break;
    subject.remove_prefix(dot + 1);
  }
  if (count < 9) return std::nullopt;
  const std::size_t skipped = count >= 11 ? 2 : 0;   // domain and account hash
  const auto deliveries = number(tokens[4 + skipped]);
  const auto sequence = number(tokens[5 + skipped]);
  if (!deliveries || !sequence) return std::nullopt;
  return AckSubject{tokens[2 + skipped], *deliveries, *sequence};
}

}  // namespace ferry::nats
