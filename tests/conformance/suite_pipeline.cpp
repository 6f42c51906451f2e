// What stands around handlers: guards, pipes, interceptors, filters; on every transport alike.

#include <asio/experimental/awaitable_operators.hpp>

#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

/// The stages of one place (application, group, handler), which say that they were there.
class Places {
 public:
  Pipeline plain(const std::string& where) {
    return Pipeline()
        .guard([this, where](Context&) { return said(where + " guard"); })
        .interceptor([this, where](Context&, Next& next) {
          said(where + " in");
          next.on_end([this, where](const std::exception_ptr&) { said(where + " out"); });
        })
        .pipe([this, where](int n) { return said(where + " pipe") ? n + 1 : 0; })
        .filter([this, where](const RpcError& error) { return said(where + " filter") ? error.body() : json(); });
  }
  Pipeline coroutine(const std::string& where) {
    return Pipeline()
        .guard([this, where](Context&) -> task<bool> { co_return said(where + " guard"); })
        .interceptor([this, where](Context&, Next& next) -> task<void> {
          said(where + " in");
          std::exception_ptr error;
          try {
            co_await next();
          } catch (...) {
            error = std::current_exception();
          }
          said(where + " out");
          if (error) std::rethrow_exception(error);
        })
        .pipe([this, where](int n) -> task<int> { co_return said(where + " pipe") ? n + 1 : 0; })
        .filter([this, where](const RpcError& error) -> task<json> { co_return said(where + " filter") ? error.body() : json(); });
  }
  bool said(const std::string& what) {
    all_.change([&](auto& all) { all.push_back(what); });
    return true;
  }
  std::vector<std::string> take() {
    std::vector<std::string> taken;
    all_.change([&](auto& all) { taken.swap(all); });
    return taken;
  }

 private:
  Watched<std::vector<std::string>> all_;
};

template <class F>
std::string error_of(F call) {
  try {
    call();
  } catch (const RpcError& error) {
    return error.body_text();
  }
  return "none";
}

}  // namespace

TEST_CASE("guards, interceptors, pipes, handler, interceptors, filters: in NestJS's order") {
  const bool coroutines = GENERATE(false, true);
  CAPTURE(coroutines);
  Places places;
  const auto stages = [&](const char* where) { return coroutines ? places.coroutine(where) : places.plain(where); };
  World world;
  world.serve([&](Application& app) {
    app.use(stages("global"));
    auto group = app.group().use(stages("group"));
    group.on_message("add", [&](int n) { return places.said("handler") ? n : 0; }, stages("own"));
    group.on_message("add_later", [&](int n) -> task<int> { co_return places.said("handler") ? n : 0; }, stages("own"));
    group.on_message("fails", [&](int) -> int {
      places.said("handler");
      throw RpcError(json{{"code", 7}});
    }, stages("own"));
  });
  const Client client = world.client();
  const std::vector<std::string> way_in{"global guard", "group guard", "own guard", "global in", "group in", "own in",
                                        "global pipe", "group pipe", "own pipe", "handler"};
  std::vector<std::string> expected = way_in;
  for (const char* out : {"own out", "group out", "global out"}) expected.emplace_back(out);
  CHECK(client.send<int>("add", 1).get() == 4);
  CHECK(places.take() == expected);
  CHECK(client.send<int>("add_later", 2).get() == 5);
  CHECK(places.take() == expected);
  CHECK(error_of([&] { client.send<int>("fails", 1).get(); }) == R"({"code":7})");
  expected.emplace_back("own filter");   // the closest one
  CHECK(places.take() == expected);
}

TEST_CASE("what a filter makes of an exception is what the caller sees") {
  struct NotFound : std::runtime_error { using std::runtime_error::runtime_error; };
  World world;
  world.serve([&](Application& app) {
    app.use(Pipeline()
                .filter([](const std::exception_ptr&) { return json("anything else"); })
                .filter([](const NotFound& error) { return json{{"status", "error"}, {"missing", error.what()}}; }));
    const auto group = [&](auto filter) { return app.group().use(Pipeline().filter(filter)); };
    const auto missing = [](const std::string& what) -> int { throw NotFound(what); };
    app.on_message("missing", missing);
    app.on_message("odd", [](int) -> int { throw 7; });
    group([](const NotFound&) { return Filtered::value(Payload::from_json("42")); }).on_message("recovers", missing);
    group([](const NotFound&) { return Filtered::value(Payload()); }).on_message("ends", missing);
    group([](const NotFound& error) -> task<Filtered> { throw RpcError(json{{"again", error.what()}}); co_return Filtered::value({}); })
        .on_message("throws", missing);
    group([](const std::bad_alloc&) { return json(); }).on_message("not_its_own", missing);
    group([](const RpcError& error, Context& context) { return json{{"was", error.body()}, {"of", context.pattern()}}; })
        .on_message("refused", [](int n) { return n; }, Pipeline().guard([](Context&) { return false; }));
  });
  const Client client = world.client();
  const auto error = [&](const char* pattern) { return error_of([&] { client.send<json>(pattern, "x").get(); }); };
  CHECK(error("missing") == R"({"missing":"x","status":"error"})");
  CHECK(error_of([&] { client.send<json>("odd", 1).get(); }) == R"("anything else")");
  CHECK(client.send<int>("recovers", "x").get() == 42);
  CHECK_NOTHROW(client.send<void>("ends", "x").get());
  CHECK(error("throws") == R"({"again":"x"})");
  CHECK(error("not_its_own") == R"({"missing":"x","status":"error"})");
  CHECK(error("refused") == R"({"of":"refused","was":"Forbidden resource"})");
}

TEST_CASE("what stops a message before its handler is told to the caller, in NestJS's words") {
  Counter handled;
  World world;
  world.serve([&](Application& app) {
    const auto count = [&](int n) { return handled.add(), n; };
    app.on_message("guarded", count, Pipeline().guard([](Context& context) { return context.payload().as<int>() > 0; }));
    app.on_message("guarded_later", count, Pipeline().guard([](Context&) -> task<bool> { co_return false; }));
    app.on_message("checked", count, Pipeline().pipe([](int n) {
      if (n < 0) throw RpcError("must not be negative");
    }));
    app.on_message("broken", count, Pipeline().pipe([](int) -> int { throw std::runtime_error("a secret"); }));
    app.on_message("typed", count, Pipeline().pipe([](const std::string& text) { return text; }));
  });
  const Client client = world.client();
  CHECK(client.send<int>("guarded", 1).get() == 1);
  CHECK(client.send<int>("checked", 2).get() == 2);
  const auto error = [&](const char* pattern) { return error_of([&] { client.send<int>(pattern, -1).get(); }); };
  CHECK(error("guarded") == R"({"message":"Forbidden resource","status":"error"})");
  CHECK(error("guarded_later") == R"({"message":"Forbidden resource","status":"error"})");
  CHECK(error("checked") == R"({"message":"must not be negative","status":"error"})");
  CHECK(error("broken") == R"({"message":"Internal server error","status":"error"})");
  CHECK(error("typed").find("bad payload") != std::string::npos);
  CHECK(handled.get() == 2);
}

TEST_CASE("an interceptor sees every value, answers in the handler's place, and asks it again") {
  Counter asked;
  Counter values;
  World world;
  FERRY_NEEDS(world, reply_streams);
  world.serve([&](Application& app) {
    app.use(Pipeline().interceptor([&](Context&, Next& next) {
      next.on_value([&](Payload value) { return values.add(), value; });
    }));
    app.on_message("even", [](ReplyWriter<int>& out) -> task<void> {
      for (int i = 1; i <= 6; ++i) co_await out.write(i);
    }, Pipeline().interceptor([](Context&, Next& next) {
      next.on_value([](Payload value) { return value.as<int>() % 2 == 0 ? value : Payload(); });
    }));
    app.on_message("spoilt", [](ReplyWriter<int>& out) -> task<void> {
      for (int i = 0;; ++i) co_await out.write(i);
    }, Pipeline().interceptor([](Context&, Next& next) {
      next.on_value([](Payload value) { return value.as<int>() < 3 ? value : throw RpcError("too many"); });
    }));
    app.on_message("cached", [&](int n) { return asked.add(), n; }, Pipeline().interceptor([](Context& context, Next& next) {
      if (context.payload().as<int>() < 0) next.answer(Payload::from_json("0"));
    }));
    app.on_message("again", [&](int n) -> int { return asked.add(), asked.get() < n ? throw std::runtime_error("no") : asked.get(); },
                   Pipeline().interceptor([](Context&, Next& next) -> task<void> {
      for (int attempt = 1;; ++attempt) {
        try {
          co_await next();
          co_return;
        } catch (const std::runtime_error&) {
          if (attempt == 5) throw;
        }
      }
    }));
  });
  const Client client = world.client();
  std::vector<int> even;
  auto stream = client.stream<int>("even");
  while (const auto value = stream.next().get()) even.push_back(*value);
  CHECK(even == std::vector<int>{2, 4, 6});
  CHECK(values.get() == 3);   // those that the inner one let through
  auto spoilt = client.stream<int>("spoilt");
  std::vector<int> before;
  CHECK(error_of([&] { while (const auto value = spoilt.next().get()) before.push_back(*value); }) ==
        R"({"message":"too many","status":"error"})");
  CHECK(before == std::vector<int>{0, 1, 2});
  CHECK(client.send<int>("cached", -5).get() == 0);
  CHECK(asked.get() == 0);
  CHECK(client.send<int>("cached", 5).get() == 5);
  CHECK(client.send<int>("again", 4).get() == 4);
}

TEST_CASE("an event passes the same stages; one that is refused or fails is counted, one that a filter saves is not") {
  Counter handled;
  Counter refused;
  World world;
  Application& service = world.serve([&](Application& app) {
    app.on_event("kept_out", [&](int) { handled.add(); }, Pipeline().guard([&](Context&) {
      refused.add();
      return refused.get() > 1;   // where it comes again, it may
    }));
    app.on_event("saved", [](int) { throw RpcError("no"); },
                 Pipeline().filter([](const RpcError&) { return Filtered::value(Payload()); }));
    app.on_event("piped", [&](int n) { handled.add(n); }, Pipeline().pipe([](int n) { return 100 * n; }));
  });
  const Client client = world.client();
  client.emit("kept_out", 1);
  client.emit("saved", 1);
  client.emit("piped", 1).get();
  CHECK(refused.reaches(1));
  CHECK(handled.reaches(world.redelivers() ? 101 : 100));
  CHECK(service.stop());
  CHECK(service.services().front().failed == 1);
  CHECK(handled.get() == (world.redelivers() ? 101 : 100));
}

TEST_CASE("the context of a message is at hand wherever its handler goes, with storage of its own") {
  struct User { std::string name; };
  World world;
  const auto deep = []() -> task<std::string> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    co_await timer.async_wait(asio::use_awaitable);
    co_return current_context()->storage<User>().name;
  };
  world.serve([&](Application& app) {
    app.use(Pipeline().request_scope().guard([](Context& context) {
      context.storage<User>().name = context.payload().as<std::string>();
      return current_context() == &context;
    }));
    app.on_message("who", [&](const std::string&) -> task<std::string> {
      const std::string before = current_context()->storage<User>().name;
      co_return before + "/" + co_await deep();
    });
    app.on_message("who_now", [](const std::string&) { return current_context()->storage<User>().name; });
  });
  const Client client = world.client();
  run_on(world.client_application(), [&]() -> task<void> {
    using namespace asio::experimental::awaitable_operators;
    for (int round = 0; round < 20; ++round) {
      const auto [a, b, c] = co_await (client.send<std::string>("who", "a") && client.send<std::string>("who", "b") &&
                                       client.send<std::string>("who_now", "c"));
      if (a != "a/a" || b != "b/b" || c != "c") throw std::runtime_error("mixed up: " + a + ' ' + b + ' ' + c);
    }
  }());
  CHECK(current_context() == nullptr);
}

TEST_CASE("an interceptor that gives up cancels the handler") {
  Counter cancelled;
  World world;
  world.serve([&](Application& app) {
    app.on_message("slow", [&](int) -> task<int> {
      asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
      try {
        co_await timer.async_wait(asio::use_awaitable);
      } catch (...) {
        cancelled.add();
        throw;
      }
      co_return 1;
    }, Pipeline().interceptor([](Context&, Next& next) -> task<void> {
      using namespace asio::experimental::awaitable_operators;
      asio::steady_timer timer(co_await asio::this_coro::executor, 20ms);
      const auto first = co_await (next() || timer.async_wait(asio::use_awaitable));
      if (first.index() == 1) throw RpcError("it took too long");
    }));
  });
  CHECK(error_of([&] { world.client().send<int>("slow", 1).get(); }) == R"({"message":"it took too long","status":"error"})");
  CHECK(cancelled.reaches(1));
}

TEST_CASE("each event of a batch passes the stages on its own") {
  Watched<std::vector<int>> taken;
  Counter filtered;
  World world;
  world.serve([&](Application& app) {
    app.on_batch("some", {2, 1h}, [&](std::vector<int> values) {
      taken.change([&](auto& all) { all.insert(all.end(), values.begin(), values.end()); });
    }, HandlerOptions()
           .use(Pipeline().guard([](Context& context) { return context.payload().as<int>() != 2; }))
           .use(Pipeline().pipe([](int n) -> task<int> { co_return 10 * n; }))
           .use(Pipeline().filter([&](const RpcError&) { return filtered.add(), Filtered::value(Payload()); })));
  });
  const Client client = world.client();
  for (const int n : {1, 2, 3}) client.emit("some", n).get();
  REQUIRE(taken.wait([](const auto& all) { return all.size() == 2; }));
  std::vector<int> values = taken.get();
  std::sort(values.begin(), values.end());   // on worker threads they may overtake each other
  CHECK(values == std::vector<int>{10, 30});
  CHECK(filtered.reaches(1));
}
