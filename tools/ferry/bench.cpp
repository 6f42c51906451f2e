// ferry bench: how fast a service answers.

#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include <ferry/spi/options.hpp>

#include "bench_report.hpp"
#include "commands.hpp"
#include "ending.hpp"
#include "load.hpp"
#include "output.hpp"

namespace ferry::tool {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t closed_in_flight = 16;
constexpr std::size_t open_in_flight = 1024;

struct BenchArguments {
  MessageArguments message;
  std::size_t in_flight = 0;   // 0: not given
  std::string duration = "10s";
  double rate = 0;
  bool events = false;
  bool json = false;

  LoadPlan plan() const {
    LoadPlan plan;
    plan.duration = spi::parse_duration(duration, {"--duration", ""});
    if (plan.duration.count() == 0) throw UsageError("--duration 0 leaves no time to send anything");
    if (std::isnan(rate)) throw UsageError("--rate is a number of messages a second");
    plan.rate = rate;
    plan.in_flight = in_flight != 0 ? in_flight : rate > 0 ? open_in_flight : closed_in_flight;
    plan.events = events;
    return plan;
  }
};

/// One line on a terminal, written over and over. Its numbers are taken on the client's loop, and it is written by the
/// thread that waits: a slow terminal slows no message.
///
/// Lifetime: outlives the client's loop, which may have been asked for numbers.
class Progress {
 public:
  Progress(asio::io_context& here, const Client& client, const Load& load) : client_(client), load_(load), timer_(here) {
    if (isatty(STDERR_FILENO) != 0) next();
  }
  void clear() {
    if (std::exchange(shown_, false)) write("");
  }

 private:
  void next() {
    timer_.expires_after(std::chrono::milliseconds(250));
    timer_.async_wait([this](std::error_code error) {
      if (!error) client_.loop().post([this] { take_numbers(); });
    });
  }
  void take_numbers() {
    const LoadResult& so_far = load_.result();
    const auto now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - std::exchange(last_, now)).count();
    const std::uint64_t done = so_far.latency.count();
    std::string text = number_text(std::chrono::duration<double>(now - begin_).count()) + " s   " +
                       number_text(static_cast<double>(done - std::exchange(done_, done)) / seconds) + "/s   " +
                       latency_text(so_far.latency) + "   failed " + std::to_string(so_far.failed);
    asio::post(timer_.get_executor(), [this, text = std::move(text)] {
      shown_ = true;
      write(text);
      next();
    });
  }
  static void write(const std::string& text) {
    const std::string line = "\r\x1b[K" + text;
    std::fwrite(line.data(), 1, line.size(), stderr);
  }

  const Client& client_;
  const Load& load_;
  asio::steady_timer timer_;
  const Clock::time_point begin_ = Clock::now();
  Clock::time_point last_ = begin_;
  std::uint64_t done_ = 0;
  bool shown_ = false;
};

/// The exit code of what failed most often.
ExitCode code_of(const LoadResult& result) {
  ExitCode code = ExitCode::ok;
  std::uint64_t most = 0;
  for (const auto& [kind, failures] : result.failures) {
    if (failures.count <= most) continue;
    most = failures.count;
    code = failures.first.code;
  }
  return code;
}

ExitCode bench(const BenchArguments& arguments) {
  const LoadPlan plan = arguments.plan();
  const Message message = arguments.message.read();
  Application app = message.target.open();
  const Client client = app.client(message.target.name());
  client.connect().get();   // before the clock starts, and a reason to end at once

  asio::io_context until_end{1};
  const auto until_stopped = asio::make_work_guard(until_end);   // SIGINT asks the load to end, and waits for that
  Load load(client, message, plan);
  Progress progress(until_end, client, load);
  asio::signal_set signals(until_end, SIGINT, SIGTERM);
  signals.async_wait([&](std::error_code error, int) {
    if (error) return;
    signals.clear();   // the next one ends the process
    client.loop().post([&load] { load.stop(); });
  });
  asio::co_spawn(client.loop().executor(), load.run(), [&until_end](std::exception_ptr) { until_end.stop(); });
  until_end.run();
  progress.clear();

  const bool flushed = app.stop();   // events that were accepted may still be on their way out
  const LoadResult& result = load.result();
  print_line(arguments.json ? dump(report_json(plan, result)) : report_text(plan, result));
  if (!flushed) complain("the connection took the last events, but did not send them in time");
  return result.failed == 0 && !flushed ? ExitCode::timed_out : code_of(result);
}

constexpr const char* bench_examples =
    "Without --rate, a closed loop: N callers, each of which sends again when it has its reply. With --rate, an open loop:\n"
    "a message leaves at its moment, whatever became of those before, and its latency counts from that moment, also when it\n"
    "had to wait because N were in flight. So a service that stalls cannot hide it. Messages whose turn never came are\n"
    "counted as not sent.\n"
    "Latencies are those of replies, or with --events of events taken or confirmed; what failed is counted by kind. SIGINT\n"
    "ends it early. If anything failed, the exit code is that of the most frequent failure.\n"
    "\n"
    "Examples:\n"
    "  ferry bench tcp://127.0.0.1:3001 '{\"cmd\":\"sum\"}' '[1,2,3]'\n"
    "  ferry bench tcp://127.0.0.1:3001 '{\"cmd\":\"sum\"}' '[1,2,3]' --in-flight 64 --duration 30s\n"
    "  ferry bench tcp://127.0.0.1:3001 '{\"cmd\":\"sum\"}' @numbers.json --rate 5000 --timeout 1s --json\n"
    "  ferry bench --config app.json --client USERS user_created '{\"id\":7}' --events\n"
    "\n";

}  // namespace

void add_bench(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("bench", "Measures how fast a service answers");
  const auto arguments = std::make_shared<BenchArguments>();
  arguments->message.add_to(*command);
  command->add_option("--in-flight", arguments->in_flight, "Messages under way at once: 16; with --rate at most 1024")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 20));
  command->add_option("--duration", arguments->duration, "How long to send: 10s")->type_name("TIME");
  command->add_option("--rate", arguments->rate, "Messages a second: an open loop")
      ->type_name("R")
      ->check(CLI::Range(0.001, 10e6));
  command->add_flag("--events", arguments->events, "Emit events instead of sending requests");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->footer(std::string(bench_examples) + exit_codes_help);
  command->callback([arguments, &chosen] {
    chosen = [arguments] { return ending_in(arguments->json, [&] { return bench(*arguments); }); };
  });
}

}  // namespace ferry::tool
