// A Kafka broker that dies, members of a group that die or take long, events that always fail.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "../support/await.hpp"
#include "../support/broker.hpp"
#include "../support/process.hpp"
#include "../support/scratch.hpp"
#include "catch.hpp"
#include "ferry_test_paths.hpp"
#include "ferry/ferry.hpp"
#include "kafka_support.hpp"
#include "kills.hpp"
#include "keyed_ledger.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr int most_again = 20000;   // events that may be heard twice: what was under way at two kills

void report(const std::string& what, int events, const KeyedLedger& ledger, const KeyedEmitters& emitters) {
  std::cout << "ledger, " << what << ": " << events << " confirmed, " << ledger.lost() << " lost, " << ledger.duplicates()
            << " duplicates, " << ledger.disorder() << " out of order, " << emitters.again() << " emitted again" << std::endl;
}

/// Lines that processes write to a FIFO.
class Lines {
 public:
  Lines(std::string path, std::function<void(int)> take) : path_(std::move(path)) {
    REQUIRE(mkfifo(path_.c_str(), 0600) == 0);
    descriptor_ = open(path_.c_str(), O_RDWR | O_CLOEXEC);   // for writing too: so it never ends by itself
    REQUIRE(descriptor_ >= 0);
    reader_ = std::thread([this, take = std::move(take)] {
      std::string rest;
      char buffer[65536];
      for (ssize_t size = 0; (size = read(descriptor_, buffer, sizeof buffer)) > 0;) {
        rest.append(buffer, static_cast<std::size_t>(size));
        std::size_t begin = 0;
        for (std::size_t end = 0; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1) {
          if (end == begin) return;   // an empty line: the end
          take(std::stoi(rest.substr(begin, end - begin)));
        }
        rest.erase(0, begin);
      }
    });
  }
  ~Lines() {
    static_cast<void>(!write(descriptor_, "\n", 1));
    reader_.join();
    close(descriptor_);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_ = -1;
  std::thread reader_;
};

}  // namespace

TEST_CASE("kafka: killed under load, no request is stuck") {
  const Quiet quiet;
  EchoLoad load;
  Application app(Config::from_json(service("load")));
  app.on_message("echo", [](int n) { return n; });
  app.start();
  Application calls(caller());
  kill_under_load(load, calls.client("C"), broker(), 2, 90s);
}

TEST_CASE("kafka: of all confirmed events none is lost when the broker is killed twice, and each key keeps its order") {
  const Quiet quiet;
  const int events = ledger_events(200000);
  constexpr int keys = 250;
  KeyedLedger ledger(events, keys);
  KeyedEmitters emitters("broker-killed", events, keys);
  Application app(Config::from_json(service("broker-killed")));
  app.on_event("broker-killed", [&](int n) { ledger.handled(n); });
  app.start();
  Application calls(caller());
  emitters.start(calls.client("C"));
  for (const int when : {events / 4, events / 2}) {
    REQUIRE(emitters.confirmed(when, 120s));
    broker().kill();
    broker().start();
  }
  REQUIRE(emitters.over(120s));
  const bool all = ledger.reaches(events, 60s);
  report("broker killed twice", events, ledger, emitters);
  CHECK(all);
  CHECK(ledger.lost() == 0);
  CHECK(ledger.disorder() == 0);
  CHECK(ledger.duplicates() <= most_again);
}

TEST_CASE("kafka: of all confirmed events none is lost when members of a group are killed, and each key keeps its order") {
  const Quiet quiet;
  const int events = ledger_events(200000);
  constexpr int keys = 250;
  const ScratchDirectory directory;
  KeyedLedger ledger(events, keys);
  KeyedEmitters emitters("members-killed", events, keys);
  const Lines lines(directory.path() + "/handled", [&](int n) { ledger.handled(n); });
  // A dead member is missed after a session's silence.
  directory.write("member.json", service("members-killed", {{"sessionTimeout", "1s"}, {"heartbeatInterval", "200ms"}},
                                         {{"run", {{"autoCommitInterval", "200ms"}}}}).dump());
  const auto member = [&] {
    auto process = std::make_unique<Process>(std::vector<std::string>{FERRY_BUILD_PROGRAM_DIR "/ferry_ledger_service",
                                                                       directory.path() + "/member.json", "members-killed", "fifo", lines.path()});
    process->line_of_stdout("READY");
    return process;
  };
  std::vector<std::unique_ptr<Process>> members;
  for (int i = 0; i < 3; ++i) members.push_back(member());
  Application calls(caller());
  emitters.start(calls.client("C"));
  for (const int when : {events / 4, events / 2}) {
    REQUIRE(emitters.confirmed(when, 120s));
    members.front()->signal(SIGKILL);
    members.erase(members.begin());
    members.push_back(member());
  }
  REQUIRE(emitters.over(120s));
  const bool all = ledger.reaches(events, 60s);
  report("members killed", events, ledger, emitters);
  CHECK(all);
  CHECK(ledger.lost() == 0);
  CHECK(ledger.disorder() == 0);
  CHECK(ledger.duplicates() <= most_again);
}

TEST_CASE("kafka: a handler that takes longer than the session keeps its partition, and holds no other up") {
  const Quiet quiet;
  Counter runs;
  Counter ended;
  Counter quick;
  Application app(Config::from_json(service("slow", {{"sessionTimeout", "1s"}, {"rebalanceTimeout", "1s"}, {"heartbeatInterval", "200ms"}})));
  app.on_event("slow", [&](int) -> task<void> {
    runs.add();
    asio::steady_timer timer(co_await asio::this_coro::executor, 4s);
    co_await timer.async_wait(asio::use_awaitable);
    ended.add();
  });
  app.on_event("quick", [&](int) { quick.add(); });
  app.start();
  Application calls(caller());
  const Client client = calls.client("C");
  client.emit("slow", 1).get();
  REQUIRE(runs.reaches(1));
  for (int i = 0; i < 100; ++i) client.emit("quick", i).get();
  CHECK(quick.reaches(100));
  CHECK(ended.get() == 0);
  REQUIRE(ended.reaches(1));
  // Whoever began again where the group was would handle it twice.
  CHECK(app.stop());
  Application next(Config::from_json(service("slow")));
  next.on_event("slow", [&](int) { runs.add(); });
  next.on_event("quick", [&](int n) { quick.add(n == -1 ? 1000 : 0); });
  next.start();
  client.emit("quick", -1).get();
  CHECK(quick.reaches(1100));
  CHECK(runs.get() == 1);
}

TEST_CASE("kafka: a member that has no partition starts, too, and takes over") {
  const Quiet quiet;
  Counter first;
  Counter second;
  const json one_partition{{"topics", {{"partitions", 1}}}};
  auto has_it = std::make_unique<Application>(Config::from_json(service("waiting", {{"heartbeatInterval", "200ms"}}, one_partition)));
  has_it->on_event("job", [&](int) { first.add(); });
  has_it->start();
  Application waits(Config::from_json(service("waiting", {{"heartbeatInterval", "200ms"}}, one_partition)));
  waits.on_event("job", [&](int) { second.add(); });
  waits.start();
  Application calls(caller());
  const Client client = calls.client("C");
  for (int i = 0; i < 10; ++i) client.emit("job", i).get();
  const bool either = first.reaches(10, 2s) || second.reaches(10);   // the group decides who has it
  CHECK(either);
  CHECK(has_it->stop());
  has_it.reset();
  const int before = second.get();
  for (int i = 0; i < 10; ++i) client.emit("job", i).get();
  CHECK(second.reaches(before + 10));
}

TEST_CASE("kafka: an event that always fails is kept with its cause, and its partition goes on") {
  const Quiet quiet;
  Counter tried;
  Counter good;
  Watched<json> dead;
  Application app(Config::from_json(service("poison", json::object(), {{"maxDeliver", 3}, {"topics", {{"partitions", 1}}}})));
  app.on_event("poison", [&](int n) {
    if (n == 13) {
      tried.add();
      throw std::runtime_error("never");
    }
    good.add();
  });
  app.start();
  Application graves(Config::from_json(service("graves", json::object(), {{"subscribe", {{"fromBeginning", true}}}})));
  graves.on_event("poison.dead", [&](int n, Context& context) {
    const auto* kafka = context.as<KafkaContext>();
    json found{{"value", n}, {"key", kafka->key().value_or("none")}};
    for (const auto& [name, value] : context.headers()) found[name] = value;
    dead.change([&](json& value) { value = found; });
  });
  graves.start();
  Application calls(caller());
  const Client client = calls.client("C");
  client.emit("poison", 13, SendOptions().record({{"key", "k"}}).header("tenant", "acme")).get();
  for (int i = 0; i < 10; ++i) client.emit("poison", i, SendOptions().record({{"key", "k"}})).get();
  CHECK(good.reaches(10));
  CHECK(tried.get() == 3);
  REQUIRE(dead.wait([](const json& value) { return !value.is_null(); }));
  CHECK(dead.get() == json{{"value", 13}, {"key", "k"}, {"tenant", "acme"}, {"dead-letter-cause", "its handler failed too often"},
                           {"dead-letter-attempts", "3"}, {"dead-letter-origin", "poison/0/0"}});
}
