// What cannot be stored, or not at once: outputs, dead letters, streams of answers.

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "../support/await.hpp"
#include "catch.hpp"
#include "kafka_support.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

/// With one partition, so that one event may hold up another.
json storing(const std::string& group, bool transactional, const json& producer, const json& more = json::object()) {
  json options{{"producer", producer}, {"topics", {{"partitions", 1}}}};
  if (transactional) {
    options["producer"]["transactionalId"] = group;
    options["run"] = {{"autoCommitInterval", 50}};
  }
  options.update(more);
  return service(group, json::object(), options);
}

/// Numbers that arrive on a topic, in their order.
class Numbers {
 public:
  explicit Numbers(const std::string& pattern)
      : app_(Config::from_json(service("numbers-" + pattern, json::object(), {{"subscribe", {{"fromBeginning", true}}}, {"topics", {{"partitions", 1}}}}))) {
    app_.on_event(pattern, [this](int n) { all_.change([n](auto& all) { all.push_back(n); }); });
    app_.start();
  }
  bool reaches(std::size_t count) const {
    return all_.wait([count](const auto& all) { return all.size() >= count; });
  }
  std::vector<int> get() const { return all_.get(); }

 private:
  Watched<std::vector<int>> all_;
  Application app_;
};

std::vector<int> up_to(int count) {
  std::vector<int> all;
  for (int i = 0; i < count; ++i) all.push_back(i);
  return all;
}

}  // namespace

TEST_CASE("kafka: a dead letter that can never be stored is given up with an error, and its partition goes on") {
  const Quiet quiet;
  const bool transactional = GENERATE(false, true);
  CAPTURE(transactional);
  const std::string name = transactional ? "unstorable-tx" : "unstorable";
  Counter good;
  Watched<std::string> given_up;
  Application app(Config::from_json(storing(name, transactional, {{"maxMessageBytes", 1000}}, {{"maxDeliver", 1}})));
  app.on_event(name, [&](const std::string& text) {
    if (text.size() > 10) throw std::runtime_error("never");
    good.add();
  });
  app.on_error([&](std::string_view, const Failure& failure) {
    if (failure.detail.find("is given up") != std::string::npos) given_up.change([&](std::string& words) { words = failure.detail; });
  });
  app.start();
  Application calls(caller());
  const Client client = calls.client("C");
  client.emit(name, std::string(100000, 'x')).get();
  client.emit(name, "good").get();
  CHECK(good.reaches(1));
  REQUIRE(given_up.wait([](const std::string& words) { return !words.empty(); }));
  CHECK_THAT(given_up.get(), Catch::Contains(name + "/0/0"));
  CHECK(app.stop());
}

TEST_CASE("kafka: the largest event there may be has room as a dead letter") {
  const Quiet quiet;
  const std::string text(999900, 'x');
  Watched<std::size_t> buried{0};
  Application app(Config::from_json(storing("large", false, json::object(), {{"maxDeliver", 1}})));
  app.on_event("large", [](const std::string&) { throw std::runtime_error("never"); });
  app.start();
  Application graves(Config::from_json(storing("large-graves", false, json::object(), {{"subscribe", {{"fromBeginning", true}}}})));
  graves.on_event("large.dead", [&](const std::string& found) { buried.change([&](std::size_t& size) { size = found.size(); }); });
  graves.start();
  Application calls(caller());
  calls.client("C").emit("large", text).get();
  CHECK(buried.wait([&](std::size_t size) { return size == text.size(); }));
}

TEST_CASE("kafka: outputs that the driver has no room for follow when it has, each once") {
  const Quiet quiet;
  const bool transactional = GENERATE(false, true);
  CAPTURE(transactional);
  const std::string name = transactional ? "crowded-tx" : "crowded";
  constexpr int events = 40;
  constexpr int outputs = 7;
  Counter handled;
  const Numbers numbers(name + "-out");
  Application app(Config::from_json(storing(name, transactional, {{"maxBufferedMessages", 5}}, {{"maxDeliver", 2}})));
  app.on_event(name, [&](int n, KafkaContext& context) {
    for (int i = 0; i < outputs; ++i) context.emit(name + "-out", n * outputs + i);
    handled.add();
  });
  app.start();
  Application calls(caller());
  const Client client = calls.client("C");
  for (int i = 0; i < events; ++i) client.emit(name, i, SendOptions().record({{"partition", 0}}));
  REQUIRE(numbers.reaches(events * outputs));
  CHECK(app.stop());
  CHECK(handled.get() == events);
  std::vector<int> all = numbers.get();
  if (!transactional) std::sort(all.begin(), all.end());   // the next event does not wait for them
  CHECK(all == up_to(events * outputs));
}

TEST_CASE("kafka: a stream of answers waits for room with the driver") {
  const Quiet quiet;
  constexpr int items = 3000;
  Application app(Config::from_json(storing("flood", false, {{"maxBufferedMessages", 100}})));
  app.on_message("flood", [](int count, ReplyWriter<int>& out) -> task<void> {
    for (int i = 0; i < count; ++i) co_await out.write(i);
  });
  app.start();
  Application calls(caller());
  auto stream = calls.client("C").stream<int>("flood", items);
  std::vector<int> all;
  while (const auto value = stream.next().get()) all.push_back(*value);
  CHECK(all == up_to(items));
}
