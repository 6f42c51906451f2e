#pragma once
// Commands as Redis reads them: an array of bulk strings. Written straight to where they are sent from; hiredis's
// formatter would make and copy a string of its own for each.

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace ferry::redis {

inline void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

/// The header of a bulk string; its bytes and "\r\n" follow.
inline void append_bulk_header(std::string& out, std::size_t size) {
  out += '$';
  append_number(out, size);
  out += "\r\n";
}

inline void append_bulk(std::string& out, std::string_view bytes) {
  append_bulk_header(out, bytes.size());
  out.append(bytes).append("\r\n");
}

/// "*3\r\n": as many bulk strings must follow.
inline void append_array_header(std::string& out, std::size_t count) {
  out += '*';
  append_number(out, count);
  out += "\r\n";
}

inline void append_command(std::string& out, std::initializer_list<std::string_view> words) {
  append_array_header(out, words.size());
  for (const std::string_view word : words) append_bulk(out, word);
}

/// PUBLISH to `<channel><suffix>`, up to the body's first byte; its bytes and "\r\n" follow.
inline void append_publish(std::string& out, std::string_view channel, std::string_view suffix, std::size_t body_size) {
  out += "*3\r\n$7\r\nPUBLISH\r\n";
  append_bulk_header(out, channel.size() + suffix.size());
  out.append(channel).append(suffix).append("\r\n");
  append_bulk_header(out, body_size);
}

/// A command of one line.
class Command {
 public:
  Command& add(std::string_view word) {
    append_bulk(body_, word);
    ++words_;
    return *this;
  }
  Command& add(std::uint64_t number) { return add(std::to_string(number)); }
  std::string text() const {
    std::string out;
    append_array_header(out, words_);
    return out.append(body_);
  }
  std::size_t words() const noexcept { return words_; }

 private:
  std::string body_;
  std::size_t words_ = 0;
};

}  // namespace ferry::redis
