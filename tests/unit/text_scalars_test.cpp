// Payloads of peers that send 5 as the text "5".

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ferry/detail/codec.hpp"
#include "serializers/json/json_serializer.hpp"

using namespace ferry;

namespace {

class TextScalars : public serializers::JsonSerializer {
 public:
  bool text_scalars() const noexcept override { return true; }
};

const TextScalars lenient;
const serializers::JsonSerializer strict;

}  // namespace

TEST_CASE("a scalar that came as text is read as what was asked for") {
  CHECK(detail::decode<int>(lenient, R"("5")") == 5);
  CHECK(detail::decode<double>(lenient, R"("-2.5")") == -2.5);
  CHECK(detail::decode<bool>(lenient, R"("true")"));
  CHECK(detail::decode<std::optional<int>>(lenient, R"("5")") == 5);
  CHECK(detail::decode<std::optional<int>>(lenient, R"("null")") == std::nullopt);
  CHECK(detail::decode<int>(lenient, "5") == 5);
}

TEST_CASE("text stays text for who asks for text") {
  CHECK(detail::decode<std::string>(lenient, R"("5")") == "5");
  CHECK(detail::decode<nlohmann::json>(lenient, R"("5")") == "5");
}

TEST_CASE("text that is no such scalar is refused in the words for text") {
  for (const char* payload : {R"("five")", R"("")", R"("5 6")", R"("1.5")", R"(["5"])"}) {
    CAPTURE(payload);
    std::string of_lenient;
    std::string of_strict;
    try {
      detail::decode<int>(lenient, payload);
    } catch (const SerializationError& error) {
      of_lenient = error.what();
    }
    try {
      detail::decode<int>(strict, payload);
    } catch (const SerializationError& error) {
      of_strict = error.what();
    }
    CHECK_FALSE(of_strict.empty());
    CHECK(of_lenient == of_strict);
  }
  CHECK_THROWS_AS(detail::decode<int>(strict, R"("5")"), SerializationError);
}
