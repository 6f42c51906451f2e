#include "target.hpp"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <stdexcept>

#include <asio/steady_timer.hpp>

#include "ferry_test_paths.hpp"

namespace ferry::test {

using namespace std::chrono_literals;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

// --- Target ---------------------------------------------------------------------------------------------------------

Target::Target(const json& options, int max_descriptors) {
  json all{{"host", "127.0.0.1"}, {"port", 0}};
  all.update(options);
  directory_.write("config.json",
                   json{{"threads", 2}, {"services", {{"target", {{"transport", "tcp"}, {"options", all}}}}}}.dump());
  process_ = std::make_unique<Process>(std::vector<std::string>{
      "/bin/sh", "-c", R"(ulimit -n "$1" && exec "$0" "$2/config.json" 2> "$2/log")",
      FERRY_BUILD_PROGRAM_DIR "/ferry_echo_service", std::to_string(max_descriptors), directory_.path()});
  const std::string ready = process_->line_of_stdout("READY");
  port_ = static_cast<std::uint16_t>(std::stoi(ready.substr(ready.rfind(':') + 1)));
}

std::size_t Target::logged(const std::string& text) const {
  std::size_t count = 0;
  std::ifstream log(directory_.path() + "/log");
  for (std::string line; std::getline(log, line);) count += line.find(text) != std::string::npos ? 1 : 0;
  return count;
}

int Target::stop() {
  process_->signal(SIGTERM);
  return process_->wait().code;
}

// --- Latency --------------------------------------------------------------------------------------------------------

Latency::Latency(std::vector<double> samples) : count(samples.size()) {
  if (samples.empty()) return;
  std::sort(samples.begin(), samples.end());
  p50 = samples[count / 2];
  p99 = samples[count * 99 / 100];
  max = samples.back();
}

// --- GoodPeer -------------------------------------------------------------------------------------------------------

GoodPeer::GoodPeer(std::uint16_t port)
    : app_(Config::from_json({{"threads", 1}, {"clients", {{"C", {{"url", "tcp://127.0.0.1:" + std::to_string(port)}}}}}})),
      client_(app_.client("C")) {
  asio::co_spawn(client_.loop().executor(), call(), [this](std::exception_ptr) { ended_.add(); });
}

GoodPeer::~GoodPeer() {
  going_ = false;
  ended_.reaches(1);
}

task<void> GoodPeer::call() {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (going_) {
    const auto begin = Clock::now();
    try {
      const int got = co_await client_.send<int>("echo", 7);
      if (got != 7) ++failures_;
    } catch (const std::exception&) {
      ++failures_;
    }
    const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
    samples_.change([&](auto& samples) { samples.push_back(took.count()); });
    timer.expires_after(500us);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

Latency GoodPeer::latency(std::size_t count) {
  samples_.wait([count](const auto& samples) { return samples.size() >= count; });
  std::vector<double> taken;
  samples_.change([&](auto& samples) { taken.swap(samples); });
  return Latency(std::move(taken));
}

}  // namespace ferry::test
