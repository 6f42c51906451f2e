#pragma once
// What both bare programs share: packets as ferry and NestJS exchange them, found by their lengths and never parsed.

#include <charconv>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/buffer.hpp>

namespace bench {

/// Takes the next whole packet's body out of `unread`; its length counts ASCII characters.
inline std::optional<std::string_view> next_packet(std::string_view& unread) {
  const void* found = std::memchr(unread.data(), '#', unread.size());
  if (found == nullptr) return std::nullopt;
  const auto prefix = static_cast<std::size_t>(static_cast<const char*>(found) - unread.data());
  std::size_t length = 0;
  std::from_chars(unread.data(), unread.data() + prefix, length);
  if (unread.size() - prefix - 1 < length) return std::nullopt;
  const std::string_view body = unread.substr(prefix + 1, length);
  unread.remove_prefix(prefix + 1 + length);
  return body;
}

/// What one gathered write sends: small parts copied together, large ones where they are.
class Gather {
 public:
  static constexpr std::size_t large = 4096;

  void append_length(std::size_t length) {
    char digits[24];
    char* end = std::to_chars(digits, digits + 20, length).ptr;
    *end++ = '#';
    text_.append(digits, end);
  }
  void append(std::string_view part) { text_.append(part); }
  /// `part` has to stay where it is until the write has ended.
  void append_large(std::string_view part) {
    if (part.size() < large) return append(part);
    cuts_.push_back({text_.size(), part});
  }
  bool empty() const { return text_.empty(); }
  /// Valid until the next change.
  const std::vector<asio::const_buffer>& buffers() {
    buffers_.clear();
    std::size_t from = 0;
    for (const Cut& cut : cuts_) {
      buffers_.emplace_back(text_.data() + from, cut.at - from);
      buffers_.emplace_back(cut.part.data(), cut.part.size());
      from = cut.at;
    }
    buffers_.emplace_back(text_.data() + from, text_.size() - from);
    return buffers_;
  }
  void clear() {
    text_.clear();
    cuts_.clear();
  }

 private:
  struct Cut {
    std::size_t at;
    std::string_view part;
  };
  std::string text_;
  std::vector<Cut> cuts_;
  std::vector<asio::const_buffer> buffers_;
};

/// Bytes read and not yet taken. Grows to what one packet needs.
class Inbox {
 public:
  asio::mutable_buffer room() {
    if (begin_ == end_) begin_ = end_ = 0;
    if (begin_ > 0 && data_.size() - end_ < data_.size() / 4) {
      std::memmove(data_.data(), data_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (data_.size() == end_) data_.resize(2 * data_.size());
    return asio::buffer(data_.data() + end_, data_.size() - end_);
  }
  void commit(std::size_t bytes) { end_ += bytes; }
  std::string_view unread() const { return {data_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes) { begin_ += bytes; }

 private:
  std::vector<char> data_ = std::vector<char>(512 * 1024);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace bench
