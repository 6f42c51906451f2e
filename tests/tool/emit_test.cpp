// ferry emit.

#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;

TEST_CASE("emit sends an event and prints nothing") {
  Service service;
  const Finished run = ferry_tool({"emit", service.url, "happened", R"({"id":7})", "--header", "tenant=acme"});
  CHECK(run.out.empty());
  CHECK(run.err.empty());
  CHECK(run.code == 0);
  CHECK(ferry_tool({"emit", service.url, "happened"}).code == 0);
  REQUIRE(service.seen.wait([](const auto& all) { return all.size() == 2; }));
  const auto all = service.seen.get();
  CHECK(all[0].first == R"({"id":7})");
  CHECK(all[0].second == Headers().set("tenant", "acme"));
  CHECK(all[1].first.empty());
  CHECK(all[1].second.empty());
}

TEST_CASE("emit --json says the outcome") {
  Service service;
  const Finished run = ferry_tool({"emit", "--json", service.url, "happened", "1"});
  CHECK(run.out == "{\"outcome\":\"accepted\"}\n");
  CHECK(run.code == 0);
  const Finished refused = ferry_tool({"emit", "--json", free_url(), "happened", "1"});
  CHECK(has(refused.out, R"({"error":{"kind":"not_connected",)"));
  CHECK(has(refused.out, R"("fate":"not_sent")"));
  CHECK(refused.err.empty());
  CHECK(refused.code == 3);
}
