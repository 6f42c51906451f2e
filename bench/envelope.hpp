#pragma once
// What the bare programs of brokers share: envelopes as ferry and NestJS exchange them, written by hand and never parsed.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "load.hpp"

namespace bench {

/// The client's side. What a function returns is valid until the next one is called.
class Requests {
 public:
  explicit Requests(const Job& job)
      : job_(job),
        route_(job.event() ? "event" : job.name == "raw" ? "echo" : job.name),
        head_(R"({"pattern":")" + route_ + R"(","data":)" + job.payload),
        reply_size_(std::string_view(R"({"response":,"isDisposed":true,"id":"012345678901234567890"})").size() +
                    job.reply().size()) {}

  const std::string& route() const { return route_; }
  std::string_view request() { return with_id(head_); }
  std::string_view event() {
    ++emitted_;
    text_.assign(head_).push_back('}');
    return text_;
  }
  /// How many events have come?
  std::string_view count() { return with_id(R"({"pattern":"count","data":0)"); }

  void check(std::string_view reply) const {
    if (reply.size() != reply_size_) throw std::runtime_error("not the reply that was expected: " + std::string(reply));
  }
  void check_count(std::string_view reply) const {
    if (reply.find("\"response\":" + std::to_string(emitted_) + ',') == reply.npos) {
      throw std::runtime_error("not all of " + std::to_string(emitted_) + " events came: " + std::string(reply));
    }
  }

 private:
  std::string_view with_id(std::string_view head) {
    char id[] = R"(,"id":"aaaaaaaaaa00000000000"})";
    char* const digits = id + sizeof(R"(,"id":"aaaaaaaaaa)") - 1;
    std::uint64_t key = ++last_id_;
    for (int i = 10; i >= 0; --i, key >>= 4) digits[i] = "0123456789abcdef"[key & 15];
    text_.assign(head).append(id, sizeof(id) - 1);
    return text_;
  }

  const Job& job_;
  const std::string route_;
  const std::string head_;
  const std::size_t reply_size_;
  std::string text_;
  std::uint64_t last_id_ = 0;
  std::uint64_t emitted_ = 0;
};

/// The service's side.
class Answers {
 public:
  /// The reply to a request, valid until the next one; nothing for an event, which is counted.
  std::string_view to(std::string_view body) {
    constexpr std::size_t id_length = sizeof(R"(,"id":"012345678901234567890"})") - 1;
    const std::string_view id = body.substr(body.size() - id_length);
    if (id.substr(0, 6) != R"(,"id":)") {
      ++events_;
      return {};
    }
    text_ = R"({"response":)";
    switch (body[sizeof(R"({"pattern":")") - 1]) {   // sum, echo or count
      case 'e': {
        constexpr std::size_t data = sizeof(R"({"pattern":"echo","data":)") - 1;
        text_.append(body.substr(data, body.size() - data - id_length));
        break;
      }
      case 'c': text_.append(std::to_string(std::exchange(events_, 0))); break;
      default: text_.push_back('6');
    }
    text_.append(R"(,"isDisposed":true)").append(id);
    return text_;
  }

 private:
  std::string text_;
  std::uint64_t events_ = 0;
};

}  // namespace bench
