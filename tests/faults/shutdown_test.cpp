// SIGTERM under load: a service process answers what it has accepted, and ends within its shutdownTimeout.

#include <csignal>
#include <cstdlib>

#include "../support/await.hpp"
#include "../support/gate.hpp"
#include "../support/process.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "ferry_test_paths.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

TEST_CASE("SIGTERM under load: every call ends, and so does the process") {
  const std::uint16_t port = free_port();
  setenv("PORT", std::to_string(port).c_str(), 1);
  Process service({FERRY_BUILD_PROGRAM_DIR "/ferry_demo_service", FERRY_TESTS_DIR "/../examples/math/tcp.json"});
  service.line_of_stdout("READY");

  Application app(Config::from_json({{"threads", 1},
                                     {"clients", {{"C", {{"url", "tcp://127.0.0.1:" + std::to_string(port)},
                                                         {"timeout", "10s"}, {"reconnect", {{"attempts", 0}}}}}}}}));
  const Client client = app.client("C");
  Counter answered;
  std::atomic<int> refused{0};
  std::atomic<int> wrong{0};
  Counter ended;
  constexpr int callers = 128;
  for (int i = 0; i < callers; ++i) {
    asio::co_spawn(client.loop().executor(),
                   [&, i]() -> task<void> {
                     const std::vector<double> xs{1.0 * i, 1};
                     for (;;) {
                       try {
                         if ((co_await client.send<double>({{"cmd", "sum"}}, xs)) == i + 1) answered.add();
                         else ++wrong;
                       } catch (const ConnectionError&) {
                         ++refused;   // at once, not at the deadline
                         co_return;
                       } catch (const Error&) {
                         ++wrong;
                         co_return;
                       }
                     }
                   },
                   [&](std::exception_ptr error) {
                     if (error) ++wrong;
                     ended.add();
                   });
  }
  REQUIRE(answered.reaches(5000));
  const auto begin = std::chrono::steady_clock::now();
  service.signal(SIGTERM);
  REQUIRE(ended.reaches(callers));
  const Finished finished = service.wait();
  CHECK(finished.code == 0);
  CHECK_THAT(finished.out, Catch::Contains("drained"));
  CHECK(std::chrono::steady_clock::now() - begin < 8s);   // shutdownTimeout is 10 s, and nothing needs it
  CHECK(wrong == 0);
  CHECK(refused == callers);
}
