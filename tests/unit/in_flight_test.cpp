#include "in_flight.hpp"

#include <map>
#include <random>

#include "catch.hpp"
#include "request_id.hpp"

using ferry::detail::InFlight;
using ferry::detail::Operation;
using ferry::detail::RequestIds;
using Time = InFlight::Time;
using std::chrono::milliseconds;

namespace {

Operation* fake(std::uintptr_t n) { return reinterpret_cast<Operation*>(n << 4); }   // never looked into
Time at(int ms) { return Time(milliseconds(ms)); }

}  // namespace

TEST_CASE("in flight: an old key finds nothing") {
  InFlight table(2);
  const auto a = table.add(fake(1), at(10));
  const auto b = table.add(fake(2), at(5));
  REQUIRE(a);
  REQUIRE(b);
  CHECK_FALSE(table.add(fake(3), at(1)));
  CHECK(table.find(*a) == fake(1));
  CHECK(table.remove(*a) == fake(1));
  CHECK(table.remove(*a) == nullptr);
  const auto c = table.add(fake(4), at(1));
  REQUIRE(c);
  CHECK(table.find(*a) == nullptr);
  CHECK(table.find(*c) == fake(4));
  CHECK(table.find(0) == nullptr);
  CHECK(table.find(~0ULL) == nullptr);
}

TEST_CASE("in flight: deadlines come in order, however they are added and moved") {
  const auto seed = Catch::rngSeed();
  CAPTURE(seed);
  std::mt19937 random(seed);
  InFlight table(500);
  std::map<std::uint64_t, int> model;
  std::uintptr_t next = 1;
  for (int step = 0; step < 20000; ++step) {
    const int choice = static_cast<int>(random() % 10);
    if (choice < 5) {
      const int deadline = static_cast<int>(random() % 1000);
      if (const auto key = table.add(fake(next++), at(deadline))) model[*key] = deadline;
    } else if (!model.empty()) {
      auto which = model.begin();
      std::advance(which, static_cast<long>(random() % model.size()));
      if (choice < 8) {
        CHECK(table.remove(which->first) != nullptr);
        model.erase(which);
      } else {
        which->second = static_cast<int>(random() % 1000);
        table.set_deadline(which->first, at(which->second));
      }
    }
    REQUIRE(table.size() == model.size());
    const auto least = std::min_element(model.begin(), model.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
    REQUIRE(table.next_deadline().has_value() == !model.empty());
    if (!model.empty()) {
      REQUIRE(*table.next_deadline() == at(least->second));
      REQUIRE(table.expired(at(least->second)) != nullptr);
      REQUIRE(table.expired(at(least->second - 1)) == nullptr);
    }
  }
}

TEST_CASE("request ids: 21 hex characters that lead back to their key") {
  const RequestIds ids(0x123456789abcdef0);
  const RequestIds others(0x0fedcba987654321);
  InFlight table(100);
  for (int i = 0; i < 300; ++i) {
    const auto key = table.add(fake(7), at(0));
    if (!key) break;
    const auto text = ids.text(*key);
    const std::string_view view(text.data(), text.size());
    CHECK(view.size() == 21);
    CHECK(view.find_first_not_of("0123456789abcdef") == std::string_view::npos);
    CHECK(ids.key(view) == *key);
    CHECK(others.key(view) == 0);
    if (i % 2 == 0) table.remove(*key);
  }
  for (const char* text : {"", "x", "0fedcba987", "0fedcba98 0000000000000", "zzzzzzzzzzzzzzzzzzzzz"}) CHECK(ids.key(text) == 0);
}
