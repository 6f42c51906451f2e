// transports/tcp/framing.hpp, and the buffers beneath it.

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "ferry/detail/json_reader.hpp"
#include "ferry/detail/utf.hpp"
#include "transports/common/net/buffers.hpp"
#include "transports/tcp/error.hpp"
#include "transports/tcp/framing.hpp"

namespace {

using namespace ferry::net;
using namespace ferry::tcp;
using Status = FrameReader::Status;

constexpr std::size_t usual_limit = 134217728;

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

/// What a connection does with a reader: bodies as they would be handed on, and the error that ended it.
struct Receiver {
  explicit Receiver(bool text = true, std::size_t limit = usual_limit) : reader(text, limit) {}

  void feed(std::string_view bytes) {
    if (!error.empty()) return;
    unread.append(bytes);
    if (!reader.fits(unread)) {
      error = too_long_text(reader.length_of(unread));
      return;
    }
    while (error.empty()) {
      const FrameReader::Step step = reader.next(unread);
      if (step.status == Status::frame) {
        bodies.push_back(step.ill_formed ? ferry::detail::replace_invalid_utf8(step.body) : std::string(step.body));
        if (must_be_json && !ferry::detail::is_json(bodies.back())) error = bad_body_text("no JSON", bodies.back());
      }
      if (step.status == Status::corrupt_length) error = corrupt_length_text(step.body);
      if (step.status == Status::cut_character) error = bad_body_text("cut", step.body);
      unread.erase(0, step.taken);
      if (step.status == Status::need_more) break;
    }
  }
  bool waits() const { return error.empty() && reader.in_packet(unread); }

  FrameReader reader;
  std::string unread;
  std::vector<std::string> bodies;
  std::string error;
  bool must_be_json = true;
};

nlohmann::json vectors() {
  std::ifstream file(std::string(FERRY_VECTOR_DIR) + "/tcp-framing.json");
  return nlohmann::json::parse(file).at("vectors");
}

std::vector<std::string> bodies_of(const std::string& frames) {
  Receiver receiver;
  receiver.feed(frames);
  REQUIRE(receiver.error.empty());
  return receiver.bodies;
}

/// "echo" over everything that came.
std::vector<std::string> echoes(const std::vector<std::string>& bodies) {
  std::vector<std::string> replies;
  for (const std::string& body : bodies) {
    ferry::detail::JsonReader reader(body);
    std::string_view key;
    std::string_view data;
    std::string_view id;
    bool first = true;
    bool escaped = false;
    REQUIRE(reader.begin_object());
    while (reader.next_member(first, key, escaped)) {
      std::string_view value;
      REQUIRE(reader.skip_value(value));
      if (key == "data") data = value;
      if (key == "id") id = value;
    }
    replies.push_back("{\"response\":" + std::string(data) + ",\"isDisposed\":true,\"id\":" + std::string(id) + '}');
  }
  return replies;
}

TEST_CASE("tcp framing: what NestJS receives, it receives", "[tcp]") {
  for (const auto& vector : vectors()) {
    const std::string name = vector.at("name");
    INFO(name);
    const bool limited = name.starts_with("max_") || name.starts_with("incomplete");
    Receiver receiver(true, limited ? 64 : usual_limit);
    for (const auto& part : vector.at("sendHex")) receiver.feed(from_hex(part));
    // NestJS ends the connection for a packet that stays incomplete as well: that takes a clock, not a reader.
    const bool ends = !receiver.error.empty() || (name.starts_with("incomplete") && receiver.waits());
    CHECK(ends == vector.at("serverSendsFin").get<bool>());
    if (receiver.error.empty()) {
      const bool same = name == "escaped pair"   // the echo would have to decode and encode
                            ? receiver.bodies.size() == 1
                            : echoes(receiver.bodies) == bodies_of(from_hex(vector.at("replyHex")));
      CHECK(same);
    }
    if (vector.contains("serverLogs") && !receiver.error.empty()) {
      const bool corrupt = vector.at("serverLogs").dump().find("Corrupted") != std::string::npos;
      CHECK(receiver.error.starts_with("Corrupted length value \"") == corrupt);
    }
  }
}

TEST_CASE("tcp framing: packets may be cut anywhere", "[tcp]") {
  for (const auto& vector : vectors()) {
    const std::string name = vector.at("name");
    if (name.starts_with("max_buffer")) continue;   // there it matters, also to NestJS
    INFO(name);
    std::string all;
    for (const auto& part : vector.at("sendHex")) all += from_hex(part);
    Receiver whole;
    whole.feed(all);
    Receiver bytewise;
    for (const char c : all) bytewise.feed({&c, 1});
    CHECK(bytewise.bodies == whole.bodies);
    CHECK(bytewise.error.substr(0, 20) == whole.error.substr(0, 20));
    for (std::size_t cut = 0; cut <= all.size(); ++cut) {
      Receiver halves;
      halves.feed(std::string_view(all).substr(0, cut));
      halves.feed(std::string_view(all).substr(cut));
      REQUIRE(halves.bodies == whole.bodies);
      REQUIRE(halves.error == whole.error);
    }
  }
}

TEST_CASE("tcp framing: lengths are read as parseInt reads them", "[tcp]") {
  CHECK(parse_length("37") == 37U);
  CHECK(parse_length(" \t\n\v\f\r37") == 37U);
  CHECK(parse_length("\xEF\xBB\xBF\xC2\xA0\xE2\x80\x83\xE2\x80\xA8\xE3\x80\x80" "37 ") == 37U);
  CHECK(parse_length("+37") == 37U);
  CHECK(parse_length("37.9") == 37U);
  CHECK(parse_length("37abc") == 37U);
  CHECK(parse_length("007") == 7U);
  CHECK(parse_length("0x10") == 0U);
  CHECK(parse_length("1e3") == 1U);
  CHECK(parse_length("-5") == 0U);
  CHECK(parse_length("-0") == 0U);
  CHECK(parse_length("99999999999999999999999") == std::numeric_limits<std::size_t>::max());
  for (const char* corrupt : {"", " ", "abc", "+", "-", "+-5", "- 5", "Infinity", "\xE2\x80\x8B" "5", "\xC2\x85" "5",
                              "\xE2\x80" "15", "\xE2\x80 5"}) {
    INFO(corrupt);
    CHECK_FALSE(parse_length(corrupt).has_value());
  }
}

TEST_CASE("tcp framing: the limit counts units of all that is unread", "[tcp]") {
  Receiver receiver(true, 8);
  receiver.must_be_json = false;
  receiver.feed("6#\xE2\x82\xAC\xE2\x82\xAC");   // 10 bytes, 4 units
  CHECK(receiver.error.empty());
  receiver.feed("\xE2\x82\xAC\xE2\x82\xAC\xE2\x82");   // the last character is not there yet
  receiver.feed("\xAC");
  CHECK(receiver.error.empty());
  receiver.feed("\xE2\x82\xAC");
  CHECK(receiver.bodies.size() == 1);
  receiver.feed("123456789");
  CHECK(receiver.error == "The packet length (9) exceeds the maximum allowed length");
}

TEST_CASE("tcp framing: the error texts are NestJS's", "[tcp]") {
  Receiver receiver;
  receiver.feed("abc#{}");
  CHECK(receiver.error == "Corrupted length value \"abc\" supplied in a packet");
  CHECK(stalled_text(3, std::chrono::milliseconds(300)) ==
        "The remote peer stopped sending in the middle of a packet (3 character(s) buffered) and did not send anything "
        "for 300ms");
  CHECK(not_reading_text(9, 8) ==
        "The remote peer is not reading its responses: 9 byte(s) are queued for it, which exceeds the maximum allowed 8");
  CHECK(bad_body_text("why", "3") == "Could not parse JSON: why\nRequest data: 3");
  CHECK(bad_body_text("why", std::string(5000, 'x')).size() < 1200);
}

TEST_CASE("tcp framing: a serializer that writes no text counts bytes", "[tcp]") {
  Receiver receiver(false);
  receiver.must_be_json = false;
  receiver.feed(std::string_view("4#\xFF\x00\xE2#2#ab", 10));
  CHECK(receiver.bodies == std::vector<std::string>{std::string("\xFF\x00\xE2#", 4), "ab"});
}

TEST_CASE("tcp framing: what is written can be read", "[tcp]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  constexpr std::array<const char*, 5> characters{"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "#"};
  std::string stream;
  std::vector<std::string> sent;
  for (int i = 0; i < 200; ++i) {
    std::string body;
    for (auto left = random() % 40; left > 0; --left) body += characters[random() % characters.size()];
    stream.append(LengthPrefix("\"", body, "\"", true)).append('"' + body + '"');
    sent.push_back('"' + body + '"');
  }
  Receiver receiver;
  for (std::size_t at = 0; at < stream.size();) {
    const std::size_t some = 1 + random() % 50;
    receiver.feed(std::string_view(stream).substr(at, some));
    at += some;
  }
  CHECK(receiver.error.empty());
  CHECK(receiver.bodies == sent);
}

TEST_CASE("tcp buffers: input stays where somebody looks at it", "[tcp]") {
  InBuffer in;
  const auto put = [&in](std::string_view bytes) {
    while (!bytes.empty()) {
      const std::span<char> room = in.prepare(0);
      const std::size_t some = std::min(room.size(), bytes.size());
      std::memcpy(room.data(), bytes.data(), some);
      in.commit(some);
      bytes.remove_prefix(some);
    }
  };
  put("first");
  const ChunkPtr pinned = in.chunk();
  const std::string_view first = in.unread();
  in.consume(5);
  const std::string large(200 * 1024, 'x');
  put(large);
  put("tail");
  CHECK(first == "first");
  CHECK(in.unread() == large + "tail");
  in.consume(large.size());
  CHECK(in.unread() == "tail");
}

TEST_CASE("tcp buffers: output keeps its order whatever its size", "[tcp]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  OutQueue out;
  OutQueue other;
  std::string expected;
  std::string got;
  const auto add = [&random](OutQueue& queue, std::string& all) {
    std::string payload(random() % 8 == 0 ? 16384 + random() % 60000 : random() % 300,
                        static_cast<char>('a' + random() % 26));
    all.append(LengthPrefix("h", payload, "t", true)).append('h' + payload + 't');
    append_frame(queue, "h", payload, "t", true);
  };
  for (int round = 0; round < 400; ++round) {
    for (auto i = random() % 5; i > 0; --i) add(out, expected);
    std::string spliced;
    for (auto i = random() % 3; i > 0; --i) add(other, spliced);
    out.splice(other);
    expected += spliced;
    REQUIRE(other.empty());
    REQUIRE(out.bytes() == expected.size() - got.size());
    std::array<iovec, 64> buffers;
    const std::size_t count = out.gather(buffers);
    std::size_t quota = random() % 100000;
    std::size_t taken = 0;
    for (std::size_t i = 0; i < count && quota > 0; ++i) {
      const std::size_t some = std::min(quota, buffers[i].iov_len);
      got.append(static_cast<const char*>(buffers[i].iov_base), some);
      quota -= some;
      taken += some;
    }
    out.consume(taken);
    REQUIRE(out.sent() == got.size());
    REQUIRE(out.appended() == expected.size());
  }
  REQUIRE(expected.compare(0, got.size(), got) == 0);
}

}  // namespace
