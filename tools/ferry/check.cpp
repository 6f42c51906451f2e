// ferry check: what a config file gives, and whether its clients get through.

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <ferry/application.hpp>
#include <ferry/config_check.hpp>
#include <ferry/error.hpp>
#include <ferry/log.hpp>
#include <ferry/spi/options.hpp>

#include "commands.hpp"
#include "ending.hpp"
#include "output.hpp"
#include "promises.hpp"
#include "target.hpp"

namespace ferry::tool {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct CheckArguments {
  std::string file;
  std::string timeout = "5s";
  bool offline = false;
  bool json = false;

  std::chrono::milliseconds limit() const {
    const auto limit = spi::parse_duration(timeout, {"--timeout", ""});
    if (limit.count() == 0) throw UsageError("--timeout 0 leaves no time to connect");
    return limit;
  }
};

/// How far a service or client came.
struct Outcome {
  enum class State { refused, not_tried, connected, failed };
  State state = State::not_tried;
  std::string detail;        ///< why, or how long it took
  double milliseconds = 0;   ///< of a connection
};

struct Part {
  CheckedPart checked;
  bool service = false;
  Outcome outcome;
};

struct Report {
  std::string file;
  std::vector<std::string> errors;     ///< of the file itself
  std::vector<Part> parts;

  bool refused() const;
  bool failed() const;
};

bool has(const std::vector<Part>& parts, Outcome::State state) {
  return std::any_of(parts.begin(), parts.end(), [state](const Part& part) { return part.outcome.state == state; });
}
bool Report::refused() const { return !errors.empty() || has(parts, Outcome::State::refused); }
bool Report::failed() const { return has(parts, Outcome::State::failed); }

// ---- checking --------------------------------------------------------------------------------------------------------

Outcome connect(const Config& config, const std::string& name, std::chrono::milliseconds limit) {
  const Config one = only(config, "clients", name);
  nlohmann::json root = one.root();
  root["clients"][name]["timeout"] = limit.count();
  const auto begin = Clock::now();
  try {
    Application app(Config::from_json(std::move(root), one.file(), one.directory()));
    app.client(name).connect().get();
  } catch (const Error& error) {
    return {Outcome::State::failed, error.what()};
  }
  return {Outcome::State::connected, "", std::chrono::duration<double, std::milli>(Clock::now() - begin).count()};
}

Outcome service_outcome(const CheckedPart& part) {
  if (!part.error.empty()) return {Outcome::State::refused, part.error};
  return {Outcome::State::not_tried, "options and plugin; not started, for a check takes no messages"};
}

Outcome client_outcome(const Config& config, const CheckedPart& part, bool startable, const CheckArguments& arguments) {
  using State = Outcome::State;
  if (!part.error.empty()) return {State::refused, part.error};
  if (!startable) return {State::not_tried, "not connected: the file is refused"};
  if (part.promises.in_process) {
    return {State::not_tried, "not connected: it reaches services of its own process only"};
  }
  if (arguments.offline) return {State::not_tried, "not connected: --no-connect"};
  return connect(config, part.name, arguments.limit());
}

Report report_on(const Config& config, const CheckArguments& arguments) {
  const CheckedConfig checked = check_config(config);
  Report report{arguments.file, checked.errors, {}};
  for (const CheckedPart& part : checked.services) report.parts.push_back({part, true, service_outcome(part)});
  for (const CheckedPart& part : checked.clients) {
    report.parts.push_back({part, false, client_outcome(config, part, checked.errors.empty(), arguments)});
  }
  return report;
}

Report report_on(const CheckArguments& arguments) {
  try {
    return report_on(Config::from_file(arguments.file), arguments);
  } catch (const ConfigError& unreadable) {
    return {arguments.file, {unreadable.what()}, {}};
  }
}

// ---- saying it -------------------------------------------------------------------------------------------------------

/// What holds for this service or client, which may use less than its transport has.
spi::Capabilities promised(const Part& part) {
  spi::Capabilities has = part.checked.promises;
  has.cancel = has.cancel && part.checked.extensions;
  has.deadline = has.deadline && part.checked.extensions;
  has.custom_serializer = false;   // it was chosen
  has.at_least_once = part.service && part.checked.at_least_once;
  if (part.service) has.ack = has.sees_peer_loss = false;   // what its clients see
  return has;
}

std::string delivery(const Part& part) {
  if (part.service) return part.checked.at_least_once ? "at-least-once" : "at-most-once";
  return part.checked.promises.ack ? "confirmed" : "accepted";
}

std::string delivery_text(const Part& part) {
  const bool confirmed = part.checked.promises.ack;
  if (!part.service) return confirmed ? "events are confirmed by the broker" : "events are accepted, which nobody confirms";
  return delivery(part) + (part.checked.at_least_once ? ": a message is acknowledged after its handler succeeded" : "");
}

std::string limits_text(const Part& part) {
  const std::string count = std::to_string(part.checked.at_once);
  if (part.service) return (part.checked.adapts ? "up to " : "") + count + " handlers at once, then the transport is held back";
  return count + " calls in flight, then more are refused; a request has " +
         std::to_string(part.checked.timeout.count()) + " ms";
}

/// What a handler of this service may need, and what would give it the rest.
std::string needs_text(const Part& part) {
  std::string granted;
  std::string refused;
  for (const Grant& grant : part.checked.grants) {
    if (grant.granted) granted.append(granted.empty() ? "" : ", ").append(grant.name);
    else refused.append("\n            not ").append(grant.name).append(": ").append(grant.why);
  }
  if (part.checked.grants.empty()) return {};
  return "\n  needs     " + (granted.empty() ? "none granted" : granted + " granted") + refused;
}

ordered_json needs_json(const Part& part) {
  ordered_json all = ordered_json::object();
  for (const Grant& grant : part.checked.grants) {
    ordered_json& one = all[std::string(grant.name)] = {{"granted", grant.granted}};
    if (!grant.granted) one["why"] = grant.why;
  }
  return all;
}

std::string outcome_text(const Outcome& outcome) {
  if (outcome.state == Outcome::State::failed) return "NOT connected";
  if (outcome.state == Outcome::State::not_tried) return outcome.detail;
  return "connected in " + milliseconds_text(outcome.milliseconds);
}

std::string text_of(const Part& part) {
  std::string text = (part.service ? "service " : "client ") + part.checked.name + ": ";
  if (part.outcome.state == Outcome::State::refused) return text + "REFUSED";
  text.append(part.checked.transport->name()).append(", ").append(part.checked.serializer);
  if (!part.checked.address.empty()) text.append(", ").append(part.checked.address);
  text += "\n  delivery  " + delivery_text(part) + "\n  promises  ";
  spi::Capabilities has = promised(part);
  has.at_least_once = false;   // said
  std::string list;
  for (const Promise& promise : promises()) {
    if (has.*promise.holds) list.append(list.empty() ? "" : ", ").append(promise.words);
  }
  text += list.empty() ? "nothing more" : list;
  return text + needs_text(part) + "\n  limits    " + limits_text(part) + "\n  checked   " +
         outcome_text(part.outcome);
}

ordered_json json_of(const Part& part) {
  using State = Outcome::State;
  const State state = part.outcome.state;
  const CheckedPart& checked = part.checked;
  ordered_json one{{"name", checked.name}, {"ok", state != State::refused && state != State::failed}};
  if (state == State::refused) {
    one["error"] = part.outcome.detail;
    return one;
  }
  one["transport"] = checked.transport->name();
  one["serializer"] = checked.serializer;
  one["address"] = checked.address;
  one["delivery"] = delivery(part);
  one["promises"] = promises_json(promised(part));
  if (part.service) one["needs"] = needs_json(part);
  one[part.service ? "maxConcurrency" : "maxInFlight"] = checked.at_once;
  if (!part.service) one["timeoutMs"] = checked.timeout.count();
  if (state == State::failed) one["error"] = part.outcome.detail;
  if (!part.service) one["connected"] = state == State::not_tried ? ordered_json() : ordered_json(state == State::connected);
  if (state == State::connected) one["connectMs"] = part.outcome.milliseconds;
  return one;
}

ordered_json json_of(const Report& report) {
  ordered_json all{{"file", report.file}, {"ok", !report.refused() && !report.failed()}, {"errors", report.errors}};
  for (const char* const section : {"services", "clients"}) all[section] = ordered_json::array();
  for (const Part& part : report.parts) all[part.service ? "services" : "clients"].push_back(json_of(part));
  return all;
}

/// The report on standard output, what is wrong on standard error: each line there says where by itself.
void print(const Report& report) {
  for (const Part& part : report.parts) print_line(text_of(part));
  for (const std::string& error : report.errors) complain(error);
  for (const Part& part : report.parts) {
    if (part.outcome.state == Outcome::State::refused) complain(part.outcome.detail);
    if (part.outcome.state == Outcome::State::failed) complain(part.outcome.detail);
  }
  if (report.parts.empty() && report.errors.empty()) complain(report.file + ": no services and no clients: nothing to run");
}

ExitCode check(const CheckArguments& arguments) {
  static_cast<void>(arguments.limit());   // wrong usage is said before anything is done
  set_log_level(LogLevel::off);           // what a transport would log is in the report
  const Report report = report_on(arguments);
  if (arguments.json) print_line(dump(json_of(report)));
  else print(report);
  if (report.refused()) return ExitCode::usage;
  return report.failed() ? ExitCode::no_connection : ExitCode::ok;
}

constexpr const char* check_examples =
    "Validates the file, loads the plugins it needs, and makes each transport ready, so that it finds certificates and all\n"
    "else that options name. Clients connect, and leave again. Services do not start, and nothing is sent: a check beside\n"
    "a running service takes none of its messages. Says all that is wrong: one error for each service and client.\n"
    "\n"
    "Exit codes:\n"
    "  0   all is well\n"
    "  3   the file is right, but a client did not connect\n"
    "  64  the file, or a plugin, is refused\n"
    "\n"
    "Examples:\n"
    "  ferry check app.json\n"
    "  ferry check app.json --no-connect\n"
    "  ferry check app.json --json | jq -r '.clients[] | select(.connected == false) | .name'\n";

}  // namespace

void add_check(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("check", "Checks a config file, and says what its services and clients promise");
  const auto arguments = std::make_shared<CheckArguments>();
  command->add_option("FILE", arguments->file, "A ferry config file")->type_name("")->required();
  command->add_flag("--no-connect", arguments->offline, "Leave out what needs the network");
  command->add_option("--timeout", arguments->timeout, "How long each client may take to connect")->type_name("TIME");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->footer(check_examples);
  command->callback([arguments, &chosen] {
    chosen = [arguments] { return ending_in(arguments->json, [&] { return check(*arguments); }); };
  });
}

}  // namespace ferry::tool
