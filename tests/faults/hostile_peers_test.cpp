// Peers that mean no good, or are broken: the service keeps to its memory budget, and good peers do not notice.

#include <cstdio>
#include <string>

#include "bad_peers.hpp"
#include "catch.hpp"
#include "target.hpp"

using namespace ferry::test;
using nlohmann::json;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;
constexpr std::size_t budget = 64 * mib;
// Beside the budget: a connection's objects and small buffers, and what malloc keeps of what was freed.
constexpr std::size_t per_connection = 24 * 1024;
constexpr std::size_t slack = 32 * mib;

json limits() {
  return {{"maxTotalBufferSize", budget},
          {"maxBufferSize", "1MiB"},
          {"maxSendBufferSize", "16MiB"},
          {"incompleteMessageTimeout", "3s"},
          {"maxConnections", 2000}};
}

/// A service, a good peer, and the figures before and during what is done to them.
class Trial {
 public:
  explicit Trial(const char* name, const json& options = limits(), int max_descriptors = 8192)
      : name_(name), service(options, max_descriptors), good(service.port()) {
    good.latency(200);   // warm
    before_ = good.latency();
    service.reset_peak();
    base_ = service.usage().resident_bytes;
  }

  /// Judges memory and latency since the construction.
  void judge(std::size_t connections, std::size_t allowed = budget) {
    const Latency during = good.latency();
    const Usage usage = service.usage();
    const std::size_t grown = usage.peak_bytes - std::min(usage.peak_bytes, base_);
    std::printf(
        "%s: memory +%.1f MiB at most (budget %zu MiB); latency before p50 %.2f p99 %.2f ms, during p50 %.2f p99 %.2f max "
        "%.2f ms (%zu calls)\n",
        name_, static_cast<double>(grown) / static_cast<double>(mib), allowed / mib, before_.p50, before_.p99, during.p50,
        during.p99, during.max, during.count);
    if (!sanitized) CHECK(grown <= 2 * allowed + connections * per_connection + slack);
    // Good peers wait for the processor with the others, on a busy machine longer; they must not wait for bad peers.
    if (!sanitized) CHECK(during.p50 <= 10 * before_.p50 + 5);
    if (!sanitized) CHECK(during.p99 <= 10 * before_.p99 + 250);
    CHECK(good.failures() == 0);
  }

 private:
  const char* name_;

 public:
  Target service;
  GoodPeer good;

 private:
  Latency before_{{}};
  std::size_t base_ = 0;
};

/// Someone new is served.
void check_service(const Target& service) {
  BadPeers polite(service.port());
  polite.connect(1);
  CHECK(polite.trickle(request_frame("echo", "1"), 1));
}

}  // namespace

TEST_CASE("1,000 connections that send half a frame and stall") {
  SECTION("a short one") {
    Trial trial("half a short frame");
    BadPeers bad(trial.service.port());
    bad.connect(1000);
    bad.send_all(R"(1000#{"pattern":"echo",)");
    trial.judge(1000, 0);
    CHECK(bad.open() == 1000);
    REQUIRE(bad.wait_closed(1000));   // incompleteMessageTimeout
    CHECK(trial.service.logged("stopped sending in the middle of a packet") == 1000);
    check_service(trial.service);
    CHECK(trial.service.stop() == 0);
  }
  SECTION("a long one: more than the budget together") {
    Trial trial("half a long frame");
    BadPeers bad(trial.service.port());
    bad.connect(1000);
    bad.send_all("600000#" + std::string(300000, 'x'));   // 286 MiB
    trial.judge(1000);
    CHECK(bad.wait_closed(1000 - budget / 300000));
    CHECK(trial.service.logged("maxTotalBufferSize") > 0);
    REQUIRE(bad.wait_closed(1000));
    check_service(trial.service);
    CHECK(trial.service.stop() == 0);
  }
}

TEST_CASE("peers that never read their replies") {
  SECTION("large requests, as large replies") {
    Trial trial("never reads: 64 KiB echoed");
    BadPeers bad(trial.service.port());
    bad.connect(32);   // each may have 16 MiB queued, all together 64
    bad.send_until_closed(request_frame("echo", '"' + std::string(65536, 'x') + '"'));
    trial.judge(32);
    CHECK(trial.service.logged("maxTotalBufferSize") + trial.service.logged("is not reading its responses") > 0);
    check_service(trial.service);
    CHECK(trial.service.stop() == 0);
  }
  SECTION("small requests for large replies") {
    Trial trial("never reads: 40 bytes ask for 1 MiB");
    BadPeers bad(trial.service.port());
    bad.connect(32);
    bad.send_until_closed(request_frame("make", "1048576"));   // one read may bring a thousand of them
    trial.judge(32);
    check_service(trial.service);
    CHECK(trial.service.stop() == 0);
  }
  SECTION("streams") {
    Trial trial("never reads: endless streams");
    BadPeers bad(trial.service.port());
    bad.connect(32);
    bad.send_all(request_frame("pages", "0"));
    trial.judge(32);
    CHECK(bad.size() == 32);
    bad.close_all();
    check_service(trial.service);
    CHECK(trial.service.stop() == 0);
  }
}

TEST_CASE("peers that send one byte a packet") {
  Trial trial("one byte a packet");
  BadPeers bad(trial.service.port());
  bad.connect(64);
  const std::string text = "é€";   // two units, as NestJS counts, of five bytes
  const std::string body = R"({"pattern":"echo","data":")" + text + R"(","id":"A"})";
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += std::to_string(body.size() - 3) + "#" + body;
  const std::string reply = R"(45#{"response":")" + text + R"(","isDisposed":true,"id":"A"})";
  CHECK(bad.trickle(requests, 20 * reply.size()));
  trial.judge(64, 0);
  CHECK(trial.service.stop() == 0);
}

TEST_CASE("more connections than allowed") {
  json options = limits();
  options["maxConnections"] = 200;
  Trial trial("flood: 5,000 connections, 200 allowed", options);
  BadPeers bad(trial.service.port());
  for (int i = 0; i < 5; ++i) {
    bad.connect(1000);
    REQUIRE(bad.wait_closed(bad.size() - 199));   // the good peer has one
  }
  CHECK(bad.open() == 199);
  trial.judge(200, 0);
  CHECK(trial.service.usage().descriptors < 300);
  CHECK(trial.service.logged("maxConnections") < 20);   // not one line each
  bad.close_all();
  check_service(trial.service);
  CHECK(trial.service.stop() == 0);
}

TEST_CASE("no descriptors left") {
  if (sanitized) return;   // UBSan needs one to look at an object
  constexpr int descriptors = 64;
  Trial trial("no descriptors left: 200 connections, 64 descriptors", limits(), descriptors);
  BadPeers bad(trial.service.port());
  bad.connect(200);
  trial.judge(200, 0);
  CHECK(trial.service.usage().descriptors >= descriptors);
  CHECK(bad.open() == 200);   // those that are not accepted wait
  CHECK(trial.service.logged("too many open files") == 1);
  bad.close_all();
  check_service(trial.service);
  CHECK(trial.service.stop() == 0);
}
