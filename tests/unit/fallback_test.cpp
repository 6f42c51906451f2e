// What stands in for an answer that does not come, and for which errors.

#include <string>

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

/// A call that ends as `error` says, on the loop of nobody's client.
struct Calls {
  Application app{Config::from_text(R"({"threads": 1, "clients": {"C": {"transport": "memory", "options": {"name": "nobody"}}}})")};
  Client client = app.client("C");

  static task<std::string> failing(errc code) {
    throw_failure(Failure(code, "as the test wants it"));
    co_return "";
  }
  Call<std::string> fails(errc code) { return {failing(code), client.loop()}; }
  Call<std::string> answers() { return {answer(), client.loop()}; }
  static task<std::string> answer() { co_return "answer"; }
};

task<std::string> later(const Error& error) { co_return "later: " + error.code().message(); }

}  // namespace

TEST_CASE("fallback: for calls without an answer, and for no others") {
  Calls calls;
  for (const errc code : {errc::timed_out, errc::not_connected, errc::connection_lost, errc::overloaded, errc::circuit_open,
                          errc::no_handler}) {
    CHECK(with_fallback(calls.fails(code), "instead").get() == "instead");
  }
  for (const errc code : {errc::cancelled, errc::closed, errc::rejected, errc::bad_payload, errc::unsupported}) {
    try {
      with_fallback(calls.fails(code), "instead").get();
      FAIL("no error");
    } catch (const Error& error) {
      CHECK(error.code() == code);
    }
  }
  CHECK(with_fallback(calls.answers(), "instead").get() == "answer");
}

TEST_CASE("fallback: a value, a function, a coroutine, another call; and it may throw") {
  Calls calls;
  int asked = 0;
  const auto count = [&asked](const Error& error) { return ++asked, std::string(error.what()); };
  CHECK(with_fallback(calls.answers(), count).get() == "answer");
  CHECK(asked == 0);
  CHECK(with_fallback(calls.fails(errc::timed_out), count).get() == "as the test wants it");
  CHECK(asked == 1);
  CHECK(with_fallback(calls.fails(errc::timed_out), later).get() == "later: the deadline passed");
  const auto other = [&calls](const Error&) { return calls.answers(); };
  CHECK(with_fallback(calls.fails(errc::timed_out), other).get() == "answer");
  const auto throws = [](const Error& error) -> std::string { throw RpcError(error.what()); };
  CHECK_THROWS_AS(with_fallback(calls.fails(errc::timed_out), throws).get(), RpcError);
}

TEST_CASE("fallback: of a call that gives nothing, and awaited") {
  Calls calls;
  int asked = 0;
  const auto note = [&asked](const Error&) { ++asked; };
  with_fallback(calls.client.send<void>("x", 1), note).get();   // nobody listens
  CHECK(asked == 1);
  Watched<std::optional<std::string>> got;
  const auto ask = [&]() -> task<void> {
    const std::string text = co_await with_fallback(calls.client.send<std::string>("x", 1), std::string("instead"));
    got.change([&](auto& value) { value = text; });
  };
  asio::co_spawn(calls.client.loop().executor(), ask(), asio::detached);
  REQUIRE(got.wait([](const auto& value) { return value.has_value(); }));
  CHECK(got.get() == "instead");
}
