// ferry listen: a service that prints what it receives.

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <nlohmann/json.hpp>

#include <ferry/error.hpp>

#include "commands.hpp"
#include "message_arguments.hpp"
#include "output.hpp"

namespace ferry::tool {
namespace {

struct ListenArguments {
  Target target{Target::Role::service};
  std::string first;   // TARGET; with a config, the first PATTERN
  std::vector<std::string> patterns;
  std::uint64_t count = 0;   // 0: no end
};

/// The pattern as it came: where a handler's pattern has wildcards, the handler's own says less.
std::string pattern_json(const spi::RequestView& view) {
  std::string text(view.pattern);
  if (view.pattern_form == spi::RequestView::PatternForm::json) {
    const auto value = nlohmann::ordered_json::parse(text, nullptr, false);
    if (!value.is_string()) return compact_json(text);
    text = value.get<std::string>();
  }
  const bool object = nlohmann::json::parse(text, nullptr, false).is_object();
  return object ? compact_json(text) : dump(text);
}

std::string line_of(const Context& context) {
  std::string line = R"({"pattern":)" + pattern_json(context.delivery()->view());
  const Payload payload = context.payload();
  if (payload.has_value()) line += R"(,"data":)" + compact_json(payload.json());
  nlohmann::ordered_json headers = nlohmann::ordered_json::object();
  for (const auto& [name, value] : context.headers()) headers[name] = value;
  return line + R"(,"headers":)" + dump(headers) + '}';
}

/// Prints up to a number of messages, from any thread.
class Printer {
 public:
  Printer(std::uint64_t count, std::function<void()> done) : count_(count), done_(std::move(done)) {}

  void print(const Context& context) {
    const std::lock_guard lock(mutex_);
    // What comes while the service stops was not heard: it must not pass for handled.
    if (count_ != 0 && printed_ == count_) throw RpcError("ferry listen has received all it was asked to");
    print_line(line_of(context));
    if (++printed_ == count_) done_();
  }

 private:
  std::mutex mutex_;
  const std::uint64_t count_;
  std::uint64_t printed_ = 0;
  std::function<void()> done_;
};

/// `Application::start`, where a failure that has no better name means that nothing can be heard.
bool start(Application& app) {
  try {
    app.start();
    return true;
  } catch (const ConfigError&) {
    throw;
  } catch (const Error& error) {
    complain(std::string("cannot listen: ") + error.what());
    return false;
  }
}

ExitCode listen(ListenArguments arguments) {
  std::vector<std::string> patterns = std::move(arguments.patterns);
  if (!arguments.target.from_config()) {
    arguments.target.set_url(arguments.first);
  } else if (!arguments.first.empty()) {
    patterns.insert(patterns.begin(), arguments.first);
  }
  if (patterns.empty()) throw UsageError("at least one PATTERN is needed, as in tcp://127.0.0.1:3001 user_created");

  Application app = arguments.target.open();
  asio::io_context until_end{1};
  Printer printer(arguments.count, [&until_end] { until_end.stop(); });
  for (const std::string& pattern : patterns) {
    // A message handler hears events too. It returns nothing, so a request ends without a value, as with NestJS.
    app.on_message(parse_pattern(pattern), [&printer](Context& context) { printer.print(context); });
  }
  // Before the service listens: whoever has read that it does may send a signal.
  asio::signal_set signals(until_end, SIGINT, SIGTERM);
  signals.async_wait([&until_end](std::error_code, int) { until_end.stop(); });
  if (!start(app)) return ExitCode::no_connection;
  const std::string endpoint = app.services().front().endpoint;
  const std::string line = "listening on " + (endpoint.empty() ? arguments.target.name() : endpoint) + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
  until_end.run();
  app.stop();   // answers what it has printed
  return ExitCode::ok;
}

constexpr const char* listen_examples =
    "Each message is one line on standard output: {\"pattern\":...,\"data\":...,\"headers\":{...}}, without data if it has\n"
    "none. A request is answered with no value. SIGINT and SIGTERM end it, with exit code 0.\n"
    "\n"
    "Examples:\n"
    "  ferry listen tcp://127.0.0.1:3001 user_created '{\"cmd\":\"sum\"}'\n"
    "  ferry listen tcp://127.0.0.1:3001 user_created --count 1\n"
    "  ferry listen kafka://127.0.0.1:9092 user_created --from-beginning\n"
    "  ferry listen --config app.json --service users user_created\n"
    "\n";

}  // namespace

void add_listen(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("listen", "Prints the events and requests it receives");
  const auto arguments = std::make_shared<ListenArguments>();
  command->add_option("TARGET", arguments->first, "A URL, as tcp://127.0.0.1:3001; left out with --config")->type_name("");
  command->add_option("PATTERN", arguments->patterns, "JSON objects, or plain strings")->type_name("");
  arguments->target.add_options(*command);
  arguments->target.add_replay(*command);
  command->add_option("--count", arguments->count, "Ends after this many messages")->type_name("N")->check(CLI::PositiveNumber);
  command->footer(std::string(listen_examples) + exit_codes_help);
  command->callback([arguments, &chosen] { chosen = [arguments] { return listen(*arguments); }; });
}

}  // namespace ferry::tool
