// transports/mqtt: bytes, properties and packets, as the standard's text has them.

#include "catch.hpp"
#include "transports/mqtt/bytes.hpp"
#include "transports/mqtt/packet.hpp"
#include "transports/mqtt/properties.hpp"

namespace {

using namespace ferry;
using namespace ferry::mqtt;
using namespace std::literals;

Packet whole(const std::string& bytes) {
  Packet packet;
  std::size_t size = 0;
  REQUIRE(next_packet(bytes, packet, size) == Framing::whole);
  REQUIRE(size == bytes.size());
  return packet;
}

std::string publish(const PublishHead& head, const std::string& payload, Version version) {
  std::string bytes;
  append_publish_head(bytes, version, head, payload.size());
  bytes += payload;
  CHECK(bytes.size() == publish_size(version, head, payload.size()));
  return bytes;
}

TEST_CASE("mqtt: integers of variable length", "[mqtt]") {
  const std::pair<std::uint32_t, std::string> all[] = {
      {0, "\0"s}, {127, "\x7f"}, {128, "\x80\x01"}, {16383, "\xff\x7f"}, {16384, "\x80\x80\x01"},
      {2097151, "\xff\xff\x7f"}, {2097152, "\x80\x80\x80\x01"}, {268435455, "\xff\xff\xff\x7f"}};
  for (const auto& [value, bytes] : all) {
    std::string out;
    append_varint(out, value);
    CHECK(out == bytes);
    CHECK(varint_size(value) == bytes.size());
    ByteReader reader{bytes};
    CHECK(reader.varint() == value);
    CHECK(reader.ok);
    CHECK(reader.rest.empty());
  }
  for (const std::string& bad : {""s, "\x80"s, "\xff\xff\xff\xff\x01"s}) {
    ByteReader reader{bad};
    CHECK(reader.varint() == 0);
    CHECK_FALSE(reader.ok);
  }
}

TEST_CASE("mqtt: texts", "[mqtt]") {
  CHECK(is_text("é€😀"));
  CHECK(is_text(std::string(65535, 'x')));
  CHECK_FALSE(is_text(std::string(65536, 'x')));
  CHECK_FALSE(is_text("a\0b"s));
  CHECK_FALSE(is_text("\xff"));
  ByteReader cut{"\0\5abc"sv};
  CHECK(cut.text().empty());
  CHECK_FALSE(cut.ok);
}

TEST_CASE("mqtt: packets are found in the bytes that came", "[mqtt]") {
  const std::string bytes = "\x20\x02\x00\x00"s + "\xd0\x00"s;
  Packet packet;
  std::size_t size = 0;
  for (std::size_t have = 0; have < 4; ++have) {
    CHECK(next_packet(std::string_view(bytes).substr(0, have), packet, size) == Framing::partial);
    CHECK(size == (have < 2 ? 0U : 4U));
  }
  CHECK(next_packet(bytes, packet, size) == Framing::whole);
  CHECK(size == 4);
  CHECK(packet.type == PacketType::connack);
  CHECK(packet.body == "\0\0"s);
  for (const std::string& bad : {"\x00\x00"s, "\x21\x00"s, "\x36\x00"s, "\x60\x00"s, "\x20\xff\xff\xff\xff\x01"s}) {
    CHECK(next_packet(bad, packet, size) == Framing::broken);
  }
}

TEST_CASE("mqtt: CONNECT", "[mqtt]") {
  Connect connect;
  connect.client_id = "id";
  std::string bytes;
  append_connect(bytes, connect);
  CHECK(bytes == "\x10\x0e\0\4MQTT\4\2\0\x3c\0\2id"s);
  connect.version = Version::v5;
  connect.clean = false;
  connect.username = "u";
  connect.password = "p";
  connect.will = Will{"w", "gone", "", 1, true};
  append_number(connect.properties, PropertyId::session_expiry, 10);
  bytes.clear();
  append_connect(bytes, connect);
  CHECK(bytes == "\x10\x24\0\4MQTT\5\xec\0\x3c\5\x11\0\0\0\x0a\0\2id\0\0\1w\0\4gone\0\1u\0\1p"s);
}

TEST_CASE("mqtt: CONNACK", "[mqtt]") {
  const auto plain = read_connack(whole("\x20\x02\x01\x00"s), Version::v3_1_1);
  REQUIRE(plain);
  CHECK(plain->session_present);
  CHECK(plain->code == 0);
  CHECK(read_connack(whole("\x20\x02\x00\x05"s), Version::v3_1_1)->code == 5);
  const auto full = read_connack(whole("\x20\x15\x00\x00\x12\x21\x00\x14\x24\x01\x25\x00\x13\x00\x05\x12\x00\x03"s + "abc\x2a\x00"s),
                                 Version::v5);
  REQUIRE(full);
  CHECK(full->receive_maximum == 20);
  CHECK(full->maximum_qos == 1);
  CHECK_FALSE(full->retain_available);
  CHECK(full->keep_alive == 5);
  CHECK(full->client_id == "abc");
  CHECK_FALSE(full->shared_available);
  CHECK(full->wildcard_available);
  // A server of 3.1.1 refuses version 5 in its own manner.
  CHECK(read_connack(whole("\x20\x02\x00\x01"s), Version::v5)->code == 1);
  for (const std::string& bad : {"\x20\x00"s, "\x20\x01\x00"s, "\x20\x02\x02\x00"s, "\x20\x03\x00\x00\x00"s}) {
    CHECK_FALSE(read_connack(whole(bad), Version::v3_1_1));
  }
  for (const std::string& bad : {"\x20\x02\x00\x00"s, "\x20\x06\x00\x00\x03\x21\x00\x00"s, "\x20\x05\x00\x00\x02\x24\x03"s}) {
    CHECK_FALSE(read_connack(whole(bad), Version::v5));
  }
}

TEST_CASE("mqtt: PUBLISH is read as it was written", "[mqtt]") {
  std::string properties;
  append_user_property(properties, "tenant", "acme");
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    for (const std::uint8_t qos : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}}) {
      PublishHead head;
      head.topic = "a/é";
      head.qos = qos;
      head.id = qos == 0 ? 0 : 7;
      head.retain = qos == 1;
      if (version == Version::v5) head.properties = properties;
      for (const std::string& payload : {""s, "\0\xff"s, std::string(200, 'x')}) {
        std::string bytes = publish(head, payload, version);
        auto read = read_publish(whole(bytes), version);
        REQUIRE(read);
        CHECK(read->topic == head.topic);
        CHECK(read->payload == payload);
        CHECK(read->id == head.id);
        CHECK(read->qos == qos);
        CHECK(read->retain == head.retain);
        CHECK(read->properties == head.properties);
        CHECK_FALSE(read->duplicate);
        if (qos == 0) continue;
        mark_duplicate(bytes);
        CHECK(read_publish(whole(bytes), version)->duplicate);
      }
    }
  }
  CHECK(publish({"a", {}, 0, 0, false, false}, "x", Version::v3_1_1) == "\x30\x04\0\1ax"s);
  CHECK(publish({"a", {}, 258, 2, true, false}, "x", Version::v5) == "\x35\x07\0\1a\1\2\0x"s);
}

TEST_CASE("mqtt: a PUBLISH that no server may send", "[mqtt]") {
  for (const std::string& bad : {"\x30\x00"s, "\x30\x02\0\0"s, "\x30\x03\0\1+"s, "\x30\x03\0\2a"s, "\x32\x03\0\1a"s, "\x32\x05\0\1a\0\0"s,
                                 "\x30\x03\0\1\xff"s, "\x30\x03\0\1\0"s}) {
    CHECK_FALSE(read_publish(whole(bad), Version::v3_1_1));
  }
  for (const std::string& bad : {"\x30\x03\0\1a"s, "\x30\x05\0\1a\1\1"s, "\x30\x06\0\1a\2\x7f\0"s}) {
    CHECK_FALSE(read_publish(whole(bad), Version::v5));
  }
}

TEST_CASE("mqtt: acknowledgements", "[mqtt]") {
  std::string bytes;
  append_acknowledgement(bytes, PacketType::puback, 258, Version::v3_1_1);
  append_acknowledgement(bytes, PacketType::pubrel, 1, Version::v5);
  append_acknowledgement(bytes, PacketType::pubrel, 1, Version::v5, 0x92);
  CHECK(bytes == "\x40\2\1\2\x62\2\0\1\x62\3\0\1\x92"s);
  const std::string refusal = "\x40\x09\0\1\x97\5\x1f\0\2no"s;   // what is read of it are views
  const auto refused = read_acknowledgement(whole(refusal), Version::v5);
  REQUIRE(refused);
  CHECK(refused->code == 0x97);
  CHECK(refused->reason == "no");
  CHECK_FALSE(read_acknowledgement(whole("\x40\2\0\0"s), Version::v5));
  CHECK_FALSE(read_acknowledgement(whole("\x40\3\0\1\x97"s), Version::v3_1_1));
  CHECK_FALSE(read_acknowledgement(whole("\x40\1\1"s), Version::v3_1_1));
}

TEST_CASE("mqtt: subscriptions", "[mqtt]") {
  const std::vector<TopicFilter> filters{{"a/+", {1, true, true, 2}}, {"#", {0, false, false, 0}}};
  std::string bytes;
  append_subscribe(bytes, Version::v3_1_1, 3, filters);
  CHECK(bytes == "\x82\x0c\0\3\0\3a/+\1\0\1#\0"s);
  bytes.clear();
  append_subscribe(bytes, Version::v5, 3, filters);
  CHECK(bytes == "\x82\x0d\0\3\0\0\3a/+\x2d\0\1#\0"s);
  bytes.clear();
  append_unsubscribe(bytes, Version::v5, 4, {"a"});
  CHECK(bytes == "\xa2\x06\0\4\0\0\1a"s);
  CHECK(read_codes(whole("\x90\4\0\3\1\x80"s), Version::v3_1_1)->codes == "\1\x80");
  CHECK(read_codes(whole("\x90\x09\0\3\5\x1f\0\2no\x87"s), Version::v5)->reason == "no");
  CHECK_FALSE(read_codes(whole("\x90\1\0"s), Version::v3_1_1));
}

TEST_CASE("mqtt: DISCONNECT of a server", "[mqtt]") {
  CHECK(read_disconnect(whole("\xe0\0"s))->code == 0);
  const std::string elsewhere = "\xe0\x08\x9d\6\x1c\0\3b:1"s;
  const auto moved = read_disconnect(whole(elsewhere));
  REQUIRE(moved);
  CHECK(moved->code == 0x9d);
  CHECK(moved->server_reference == "b:1");
  CHECK_FALSE(read_disconnect(whole("\xe0\3\x9d\1\x1c"s)));
}

TEST_CASE("mqtt: properties", "[mqtt]") {
  std::string bytes;
  append_user_property(bytes, "a", "1");
  append_user_property(bytes, "a", "2");
  append_user_property(bytes, "b", "");
  append_text(bytes, PropertyId::response_topic, "x/y");
  append_number(bytes, PropertyId::message_expiry, 70000);
  append_number(bytes, PropertyId::payload_format, 1);
  CHECK(are_properties(bytes));
  CHECK(user_properties(bytes) == Headers().set("a", "1, 2").set("b", ""));
  Property found;
  REQUIRE(find_property(bytes, PropertyId::message_expiry, found));
  CHECK(found.number == 70000);
  REQUIRE(find_property(bytes, PropertyId::response_topic, found));
  CHECK(found.text == "x/y");
  CHECK_FALSE(find_property(bytes, PropertyId::content_type, found));
  append_number(bytes, PropertyId::payload_format, 1);
  CHECK_FALSE(are_properties(bytes));   // twice what may stand once
  for (const std::string& bad : {"\x7f\0"s, "\0\0"s, "\x04\0"s, "\x26\0\1a"s, "\x02\0\0\0"s, "\x40\0"s, "\x80\x80\x80\x80\1"s}) {
    CHECK_FALSE(are_properties(bad));
  }
}

}  // namespace
