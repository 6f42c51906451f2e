// Replies taken apart, however they come.

#include <string>
#include <vector>

#include "catch.hpp"
#include "transports/redis/command.hpp"
#include "transports/redis/resp.hpp"

namespace {

using namespace ferry::redis;
using Type = Value::Type;
using Step = RespReader::Step;

/// A reply as text: [a,[1,nil]]
std::string show(const Value& value) {
  switch (value.type) {
    case Type::string: return std::string(value.text);
    case Type::status: return "+" + std::string(value.text);
    case Type::error: return "-" + std::string(value.text);
    case Type::integer: return std::to_string(value.number);
    case Type::nil: return "nil";
    case Type::array: break;
  }
  std::string out = "[";
  for (const Value& element : value) out += (out.size() == 1 ? "" : ",") + show(element);
  return out + "]";
}

std::vector<std::string> read_all(const std::string& bytes, std::size_t piece) {
  RespReader reader;
  std::vector<std::string> replies;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    reader.feed(std::string_view(bytes).substr(at, piece));
    Step step;
    while ((step = reader.next()) == Step::reply) replies.push_back(show(reader.reply()));
    if (step == Step::broken) replies.push_back("broken");
  }
  return replies;
}

}  // namespace

TEST_CASE("redis: replies of every kind, in pieces of every size", "[redis]") {
  const std::string bytes =
      "+OK\r\n-ERR no\r\n:-12\r\n$5\r\nhe\r\no\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n"
      "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\n\0\xFF\n\r\n"
      "*2\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n$-1\r\n+last\r\n";
  // The literal ends at its first zero.
  std::string all = bytes;
  const std::string message = std::string("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\n") + '\0' + "\xFF\n\r\n";
  const std::size_t cut = all.find("*3\r\n");
  all = all.substr(0, cut) + message + "*2\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n$-1\r\n+last\r\n";
  const std::vector<std::string> expected{"+OK", "-ERR no", "-12", "he\r\no", "", "nil", "nil", "[]",
                                          std::string("[message,c,") + '\0' + "\xFF\n]", "[[1,[x]],nil]", "+last"};
  for (std::size_t piece = 1; piece <= all.size(); ++piece) {
    INFO(piece);
    CHECK(read_all(all, piece) == expected);
  }
}

TEST_CASE("redis: elements by index", "[redis]") {
  RespReader reader;
  reader.feed("*3\r\n*1\r\n$1\r\na\r\n:7\r\n$1\r\nb\r\n");
  REQUIRE(reader.next() == Step::reply);
  const Value& reply = reader.reply();
  CHECK(reply.size() == 3);
  CHECK(show(reply.at(0)) == "[a]");
  CHECK(reply.at(1).number == 7);
  CHECK(reply.at(2).text == "b");
  CHECK(reply.at(3).is(Type::nil));
  CHECK(reply.at(1).at(0).is(Type::nil));   // no array has no elements
}

TEST_CASE("redis: what is no reply is broken, and stays so", "[redis]") {
  for (const char* bytes : {"HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "*2\r\n?\r\n", ":abc\r\n"}) {
    INFO(bytes);
    RespReader reader;
    reader.feed(bytes);
    CHECK(reader.next() == Step::broken);
    CHECK_FALSE(reader.error().empty());
  }
}

TEST_CASE("redis: a message outlives the reader's next ones", "[redis]") {
  RespReader reader;
  std::vector<std::pair<ferry::net::ChunkPtr, std::string_view>> held;
  std::vector<std::string> bodies;
  for (int i = 0; i < 200; ++i) {
    bodies.push_back(std::string(static_cast<std::size_t>(i) * 37, static_cast<char>('a' + i % 26)));
    std::string bytes;
    append_command(bytes, {"message", "channel", bodies.back()});
    reader.feed(bytes);
    REQUIRE(reader.next() == Step::reply);
    held.emplace_back(reader.memory(), reader.reply().at(2).text);
  }
  for (std::size_t i = 0; i < held.size(); ++i) CHECK(held[i].second == bodies[i]);
}

TEST_CASE("redis: commands as they go out", "[redis]") {
  std::string out;
  append_command(out, {"SUBSCRIBE", "a\r\nb"});
  CHECK(out == "*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\na\r\nb\r\n");
  out.clear();
  append_publish(out, "sum", ".reply", 2);
  CHECK(out == "*3\r\n$7\r\nPUBLISH\r\n$9\r\nsum.reply\r\n$2\r\n");
  CHECK(Command().add("XADD").add(std::uint64_t{12}).text() == "*2\r\n$4\r\nXADD\r\n$2\r\n12\r\n");
}
