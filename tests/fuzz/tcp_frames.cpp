// The frames of a TCP connection: as NestJS finds them, however the bytes are split; and what is written reads back.

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "target.hpp"
#include "transports/common/net/buffers.hpp"
#include "transports/tcp/framing.hpp"
#include "utf16_reference.hpp"

namespace ferry::fuzz {
namespace {

using tcp::FrameReader;
using Status = FrameReader::Status;
using Random = std::minstd_rand;

struct Event {
  Status status;
  std::u16string body;   // of a binary body: one unit a byte
  bool operator==(const Event&) const = default;
};
using Events = std::vector<Event>;

std::u16string units_of(std::string_view bytes, bool text, bool more = false) {
  if (text) return to_utf16(bytes, more);
  std::u16string out;
  for (const char c : bytes) out += static_cast<char16_t>(static_cast<unsigned char>(c));
  return out;
}

/// JavaScript's parseInt(prefix, 10).
std::optional<std::size_t> parse_int(std::u16string_view prefix) {
  constexpr std::u16string_view space =
      u" \t\n\v\f\r\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F"
      u"\u3000\uFEFF";
  prefix.remove_prefix(std::min(prefix.find_first_not_of(space), prefix.size()));
  const bool negative = prefix.starts_with(u'-');
  if (negative || prefix.starts_with(u'+')) prefix.remove_prefix(1);
  const std::u16string_view digits = prefix.substr(0, prefix.find_first_not_of(u"0123456789"));
  if (digits.empty()) return std::nullopt;
  std::size_t value = 0;
  for (const char16_t digit : digits) {
    value = std::min<std::size_t>(value * 10 + static_cast<std::size_t>(digit - u'0'), std::size_t{1} << 40);
  }
  return negative ? 0 : value;
}

/// NestJS's loop over the decoded text of all that was received.
Events expected_events(std::string_view input, bool text) {
  Events events;
  const std::u16string all = units_of(input, text, true);
  std::u16string_view rest = all;
  for (;;) {
    const std::size_t mark = rest.find(u'#');
    if (mark == rest.npos) return events;
    // A prefix is text even where bodies are not.
    const std::u16string_view raw = rest.substr(0, mark);
    std::string bytes(raw.begin(), raw.end());
    const auto length = parse_int(text ? std::u16string(raw) : to_utf16(bytes));
    if (!length) {
      events.push_back({Status::corrupt_length, std::u16string(raw)});
      return events;
    }
    rest.remove_prefix(mark + 1);
    if (rest.size() < *length) return events;
    std::u16string body(rest.substr(0, *length));
    if (text && !body.empty() && body.back() >= 0xD800 && body.back() < 0xDC00) {
      body.pop_back();
      events.push_back({Status::cut_character, std::move(body)});
      return events;
    }
    events.push_back({Status::frame, std::move(body)});
    rest.remove_prefix(*length);
  }
}

/// A view that a message keeps while the connection goes on, and what it has to show.
struct Held {
  net::ChunkPtr chunk;
  std::string_view view;
  std::string copy;
};

class Receiver {
 public:
  Receiver(bool text, std::size_t max_length, std::uint64_t seed)
      : text_(text), max_length_(max_length), reader_(text, max_length), random_(static_cast<unsigned>(seed | 1)) {}

  /// As the connection does it, in reads of at most `most` bytes.
  void receive(std::string_view input, std::size_t most) {
    while (!input.empty() && !ended_) {
      const std::span<char> room = in_.prepare(reader_.expected_bytes());
      const std::size_t bytes = std::min({1 + random_() % most, room.size(), input.size()});
      FUZZ_CHECK(!room.empty());
      std::memcpy(room.data(), input.data(), bytes);
      input.remove_prefix(bytes);
      in_.commit(bytes);
      after_read();
    }
    for (const Held& held : held_) FUZZ_CHECK(held.view == held.copy);
  }

  const Events& events() const { return events_; }
  bool too_long() const { return too_long_; }

 private:
  void after_read() {
    const bool fits = reader_.fits(in_.unread());
    if (!fits || random_() % 8 == 0) {
      const std::size_t length = units_of(in_.unread(), text_, true).size();
      FUZZ_CHECK(fits == (length <= max_length_));
      FUZZ_CHECK(reader_.length_of(in_.unread()) == length);
    }
    if (!fits) {
      too_long_ = ended_ = true;
      return;
    }
    while (take_step(reader_.next(in_.unread()))) {}
  }

  bool take_step(const FrameReader::Step& step) {
    FUZZ_CHECK(step.taken <= in_.unread().size() && lies_in(step.body, in_.unread()));
    if (step.status != Status::need_more) {
      if (text_ && step.status != Status::corrupt_length) {
        FUZZ_CHECK(step.ill_formed == !detail::is_valid_utf8(step.body));
      }
      events_.push_back({step.status, units_of(step.body, text_)});
      if (random_() % 2 == 0) held_.push_back({in_.chunk(), step.body, std::string(step.body)});
    }
    ended_ = step.status == Status::corrupt_length || step.status == Status::cut_character;
    in_.consume(step.taken);
    return step.status == Status::frame;
  }

  bool text_;
  std::size_t max_length_;
  FrameReader reader_;
  Random random_;
  net::InBuffer in_;
  Events events_;
  std::vector<Held> held_;
  bool ended_ = false;
  bool too_long_ = false;
};

void check_reading(std::string_view input, bool text, std::uint64_t choice) {
  constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();
  const Events expected = expected_events(input, text);
  for (const std::size_t most : {std::size_t{1}, std::size_t{2}, 1 + choice % 64, std::size_t{1} << 20}) {
    Receiver receiver(text, no_limit, choice);
    receiver.receive(input, most);
    FUZZ_CHECK(receiver.events() == expected);
  }
  // With a limit the split counts, as in NestJS; but what is found before it trips is the same.
  Receiver limited(text, 1 + choice % 100, choice);
  limited.receive(input, 1 + choice % 16);
  const Events& found = limited.events();
  FUZZ_CHECK(found.size() <= expected.size() && std::equal(found.begin(), found.end(), expected.begin()));
  FUZZ_CHECK(limited.too_long() || found == expected);
}

std::string drain(net::OutQueue& queue, Random& random) {
  std::string sent;
  while (!queue.empty()) {
    std::array<iovec, 4> buffers{};
    const std::size_t count = queue.gather(std::span(buffers).first(1 + random() % buffers.size()));
    FUZZ_CHECK(count != 0);
    std::size_t left = 1 + random() % 40000;   // what the socket takes
    std::size_t taken = 0;
    for (std::size_t i = 0; i < count && left != 0; ++i) {
      const std::size_t bytes = std::min(left, buffers[i].iov_len);
      sent.append(static_cast<const char*>(buffers[i].iov_base), bytes);
      taken += bytes;
      left -= bytes;
    }
    queue.consume(taken);
  }
  FUZZ_CHECK(queue.sent() == sent.size() && queue.appended() == sent.size());
  return sent;
}

/// The input, cut into payloads, goes through the queue and comes out of the reader.
void check_writing(std::string_view input, bool text, std::uint64_t choice) {
  Random random(static_cast<unsigned>(choice | 1));
  net::OutQueue queue;
  net::OutQueue other;
  Events expected;
  Events spliced;
  while (!input.empty()) {
    std::string payload(input.substr(0, 1 + random() % 64));
    input.remove_prefix(std::min(input.size(), payload.size()));
    if (random() % 64 == 0) payload.resize(payload.size() + 16 * 1024, 'x');   // large enough to be taken over
    const bool direct = random() % 2 == 0;
    (direct ? expected : spliced).push_back({Status::frame, units_of('{' + payload + '}', text)});
    tcp::append_frame(direct ? queue : other, "{", payload, "}", text);   // bodies end in ASCII
  }
  queue.splice(other);
  FUZZ_CHECK(other.empty());
  expected.insert(expected.end(), spliced.begin(), spliced.end());
  Receiver receiver(text, std::numeric_limits<std::size_t>::max(), choice);
  receiver.receive(drain(queue, random), 1000 + choice % 5000);
  FUZZ_CHECK(receiver.events() == expected);
}

}  // namespace

void run(std::string_view input) {
  const std::uint64_t choice = hash_of(input) >> 8;
  for (const bool text : {true, false}) {
    check_reading(input, text, choice);
    check_writing(input, text, choice);
  }
}

}  // namespace ferry::fuzz
