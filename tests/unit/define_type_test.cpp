// Structs that are read and written without a tree, and their agreement with the way through one.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ferry/define_type.hpp"
#include "ferry/error.hpp"
#include "serializers/json/json_serializer.hpp"
#include "serializers/msgpack/msgpack_serializer.hpp"

namespace shop {

struct Tag {   // known to nlohmann alone
  std::string text;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Tag, text)
  bool operator==(const Tag&) const = default;
};

struct Item {
  std::string name;
  unsigned char count = 0;
  bool operator==(const Item&) const = default;
};
FERRY_DEFINE_TYPE(Item, name, count)

struct Order {
  int id = 0;
  std::optional<std::string> note;
  std::vector<Item> items;
  std::map<std::string, double> prices;
  Tag tag;
  bool operator==(const Order&) const = default;
};
FERRY_DEFINE_TYPE(Order, id, note, items, prices, tag)

}  // namespace shop

namespace {

using shop::Item;
using shop::Order;

const Order full{7, "no \"rush\"", {{"pen", 2}, {"ink", 255}}, {{"eur", 1.5}}, {"x"}};
const std::string full_text =
    R"({"id":7,"note":"no \"rush\"","items":[{"name":"pen","count":2},{"name":"ink","count":255}],)"
    R"("prices":{"eur":1.5},"tag":{"text":"x"}})";

std::string refusal(std::string_view text) {
  try {
    ferry::detail::decode_json<Order>(text);
  } catch (const ferry::SerializationError& error) {
    return error.what();
  } catch (const nlohmann::json::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("struct: written in the order of its definition, and read back") {
  std::string text;
  ferry::detail::write_json(text, full);
  CHECK(text == full_text);
  CHECK(ferry::detail::decode_json<Order>(full_text) == full);
  CHECK(ferry::detail::decode_json<std::vector<Order>>('[' + full_text + ',' + full_text + ']') == std::vector{full, full});
}

TEST_CASE("struct: any order, unknown members, escaped keys, the last of two") {
  const Order order = ferry::detail::decode_json<Order>(
      R"( { "tag":{"text":"t"}, "more":[{}], "items":[] , "\u0069d":1, "prices":{}, "id":3 } )");
  CHECK(order == Order{3, std::nullopt, {}, {}, {"t"}});
  CHECK(ferry::detail::decode_json<Order>(R"({"note":null,"id":1,"items":[],"prices":{},"tag":{"text":""}})").note == std::nullopt);
}

TEST_CASE("struct: of a member that is there twice, the last one counts, whatever the first one was") {
  using ferry::detail::decode_json;
  CHECK(decode_json<Item>(R"({"name":5,"name":"pen","count":"x","count":2})") == Item{"pen", 2});
  CHECK_THROWS_AS(decode_json<Item>(R"({"name":"pen","name":5,"count":2})"), ferry::SerializationError);
  using Map = std::map<std::string, double>;
  CHECK(decode_json<Map>(R"({"m":"Z","m":3})") == Map{{"m", 3}});
  CHECK(decode_json<std::vector<Map>>(R"([{"m":null,"m":3},{}])") == std::vector<Map>{{{"m", 3}}, {}});
}

TEST_CASE("struct: what is missing or of another type is named") {
  CHECK(refusal(R"({"note":"x","items":[],"prices":{},"tag":{"text":""}})").find(R"(the member "id" is missing)") != std::string::npos);
  CHECK(refusal(R"({"id":1,"items":[{"name":"pen"}],"prices":{},"tag":{"text":""}})").find(R"("count")") != std::string::npos);
  CHECK_FALSE(refusal(R"({"id":1.5,"items":[],"prices":{},"tag":{"text":""}})").empty());
  CHECK_FALSE(refusal(R"({"id":1,"items":[{"name":"pen","count":256}],"prices":{},"tag":{"text":""}})").empty());
  CHECK_FALSE(refusal(R"({"id":1,"items":[],"prices":{},"tag":{}})").empty());
  CHECK_FALSE(refusal("[]").empty());
  CHECK_FALSE(refusal(R"({"id":1)").empty());
}

TEST_CASE("struct: nlohmann and the binary serializers know it as well") {
  const nlohmann::json tree = full;
  CHECK(tree == nlohmann::json::parse(full_text));
  CHECK(tree.get<Order>() == full);
  CHECK_THROWS_AS(nlohmann::json::object().get<Item>(), ferry::SerializationError);

  const ferry::serializers::MsgpackSerializer msgpack;
  std::string bytes;
  ferry::detail::encode(msgpack, full, bytes);
  CHECK(ferry::detail::decode<Order>(msgpack, bytes) == full);
  const ferry::serializers::JsonSerializer json;
  std::string text;
  ferry::detail::encode(json, full, text);
  CHECK(ferry::detail::decode<Order>(json, text) == full);
}
