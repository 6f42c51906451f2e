#include "router.hpp"

#include "catch.hpp"

using namespace ferry;
using namespace ferry::detail;
using View = spi::RequestView;

namespace {

std::shared_ptr<Handler> handler() {
  const auto nothing = [] {};
  return std::make_shared<HandlerFor<decltype(nothing)>>(nothing);
}

const RouteEntry* find_json(const Router& router, std::string_view json) {
  View view;
  view.pattern_form = View::PatternForm::json;
  view.pattern = json;
  return router.find(view);
}

const RouteEntry* find_text(const Router& router, std::string_view text) {
  View view;
  view.pattern_form = View::PatternForm::text;
  view.pattern = text;
  return router.find(view);
}

}  // namespace

TEST_CASE("router: the same handler by every spelling of its pattern") {
  Router router;
  router.add({Pattern{{"b", 1}, {"a", 2}}, false, handler()});
  router.add({Pattern("sum"), false, handler()});
  router.add({Pattern(7), false, handler()});
  for (const char* json : {R"({"b":1,"a":2})", R"({"a":2,"b":1})", R"({ "a" : 2.0, "b" : 1e0 })",
                           R"("{\"b\":1,\"a\":2}")", R"({"\u0061":2,"b":1})"}) {
    CAPTURE(json);
    REQUIRE(find_json(router, json) != nullptr);
    CHECK(find_json(router, json)->route == R"({"a":2,"b":1})");
  }
  CHECK(find_text(router, R"({"b":1,"a":2})") != nullptr);
  CHECK(find_text(router, "sum") != nullptr);
  CHECK(find_text(router, "\"sum\"") != nullptr);   // text that is JSON counts as that JSON
  CHECK(find_json(router, R"("s\u0075m")") != nullptr);
  for (const char* seven : {"7", "7.0", " 7 "}) CHECK(find_text(router, seven) != nullptr);
  CHECK(find_json(router, "7") != nullptr);
  CHECK(find_json(router, "\"7\"") != nullptr);
  for (const char* nobody : {"{}", "{\"a\":2}", "true", "null", "8", "[\"a\"]", "\"nobody\""}) {
    CHECK(find_json(router, nobody) == nullptr);
  }
  CHECK(router.find(View{}) == nullptr);
}

TEST_CASE("router: the last message handler wins, and hides events") {
  Router router;
  const auto last = handler();
  router.add({Pattern("x"), false, handler()});
  router.add({Pattern("x"), true, handler()});
  router.add({Pattern("x"), true, handler()});
  router.add({Pattern("x"), false, last});
  REQUIRE(find_text(router, "x") != nullptr);
  CHECK(find_text(router, "x")->message == last);
  CHECK(find_text(router, "x")->events.size() == 2);
  CHECK(router.subscriptions().size() == 1);
  CHECK_FALSE(router.subscriptions().front().event);
}

TEST_CASE("router: routes that cannot be reached are told") {
  Router router;
  for (const char* pattern : {"ok", "true", "1.0", "{ \"a\":1 }", "{\"b\":1,\"a\":2}", "{\"a\":1}"}) {
    router.add({Pattern(pattern), true, handler()});
  }
  CHECK(router.unreachable() == std::vector<std::string>{"true", "1.0", "{ \"a\":1 }", "{\"b\":1,\"a\":2}"});
  CHECK(find_text(router, "{\"b\":1,\"a\":2}") == nullptr);
  CHECK(find_text(router, "true") == nullptr);
}
