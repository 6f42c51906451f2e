// ferry dlq: what a service gave up, seen and sent back.

#include <chrono>
#include <cstddef>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <ferry/dead_letters.hpp>
#include <ferry/error.hpp>
#include <ferry/spi/options.hpp>

#include "commands.hpp"
#include "ending.hpp"
#include "output.hpp"
#include "target.hpp"

namespace ferry::tool {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t most_at_all = 1'000'000;

struct DlqArguments {
  std::string action;
  Target target{Target::Role::service};
  std::string first;               // TARGET; with a config, the first ID
  std::vector<std::string> ids;
  std::size_t limit = 100;
  std::string timeout = "30s";
  bool all = false;
  bool json = false;

  /// Throws `UsageError`: there is no TARGET.
  DeadLetters open() {
    if (!target.from_config()) {
      if (first.find("://") == std::string::npos) throw UsageError("a TARGET is needed, as redis://127.0.0.1:6379, or --config");
      target.set_url(first);
    } else if (!first.empty()) {
      ids.insert(ids.begin(), first);
    }
    return DeadLetters(target.config(), target.name(), spi::parse_duration(timeout, {"--timeout", ""}));
  }
};

// ---- saying it -------------------------------------------------------------------------------------------------------

/// What the payload is; of one that is not what its serializer writes, that.
std::string data_of(const DeadLetter& letter) {
  try {
    return compact_json(letter.payload.json());
  } catch (const SerializationError& error) {
    return dump(std::string("cannot be read: ") + error.what());
  }
}

std::string time_text(std::chrono::milliseconds since_1970) {
  const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(since_1970).count();
  std::tm parts{};
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts)));
}

/// A member that the broker told nothing of is left out.
std::string json_of(const DeadLetter& letter) {
  ordered_json line{{"id", letter.id}};
  if (!letter.pattern.empty()) line["pattern"] = letter.pattern;
  if (letter.time.count() != 0) line["time"] = letter.time.count();
  if (letter.attempts != 0) line["attempts"] = letter.attempts;
  if (!letter.cause.empty()) line["cause"] = letter.cause;
  if (!letter.service.empty()) line["service"] = letter.service;
  line["origin"] = letter.origin;
  ordered_json headers = ordered_json::object();
  for (const auto& [name, value] : letter.headers) headers[name] = value;
  line["headers"] = std::move(headers);
  std::string text = dump(line);
  if (letter.payload.has_value()) text.insert(text.size() - 1, ",\"data\":" + data_of(letter));
  return text;
}

std::string line_of(const DeadLetter& letter) {
  std::string line = letter.id;
  if (letter.time.count() != 0) line += "  " + time_text(letter.time);
  line += "  " + (letter.pattern.empty() ? "no pattern" : letter.pattern);
  if (letter.attempts != 0) line += "  " + std::to_string(letter.attempts) + (letter.attempts == 1 ? " attempt" : " attempts");
  return letter.cause.empty() ? line : line + "  " + letter.cause;
}

void print_whole(const DeadLetter& letter) {
  const auto row = [](const char* name, const std::string& value) {
    if (!value.empty()) print_line(std::string(name) + value);
  };
  row("id        ", letter.id);
  row("pattern   ", letter.pattern);
  if (letter.time.count() != 0) row("time      ", time_text(letter.time));
  if (letter.attempts != 0) row("attempts  ", std::to_string(letter.attempts));
  row("cause     ", letter.cause);
  row("service   ", letter.service);
  row("origin    ", letter.origin);
  for (const auto& [name, value] : letter.headers) row("header    ", name + ": " + value);
  if (letter.payload.has_value()) row("data      ", data_of(letter));
}

// ---- commands --------------------------------------------------------------------------------------------------------

[[noreturn]] void no_such(const std::string& id) {
  throw UsageError("there is no dead letter " + id + "; ferry dlq list says which there are");
}

ExitCode list(DlqArguments arguments) {
  DeadLetters letters = arguments.open();
  for (const DeadLetter& letter : letters.list(arguments.limit)) print_line(arguments.json ? json_of(letter) : line_of(letter));
  return ExitCode::ok;
}

ExitCode show(DlqArguments arguments) {
  DeadLetters letters = arguments.open();
  if (arguments.ids.empty()) throw UsageError("an ID is needed; ferry dlq list says which there are");
  for (const std::string& id : arguments.ids) {
    const auto letter = letters.find(id);
    if (!letter) no_such(id);
    if (arguments.json) print_line(json_of(*letter));
    else print_whole(*letter);
  }
  return ExitCode::ok;
}

/// Those that are there now: what fails again meanwhile is not sent back a second time.
ExitCode replay(DlqArguments arguments) {
  DeadLetters letters = arguments.open();
  if (arguments.all != arguments.ids.empty()) throw UsageError("either IDs or --all are needed; ferry dlq list says which there are");
  if (arguments.all) {
    for (const DeadLetter& letter : letters.list(most_at_all)) arguments.ids.push_back(letter.id);
  }
  for (const std::string& id : arguments.ids) {
    if (letters.replay(id)) print_line(arguments.json ? dump(ordered_json{{"replayed", id}}) : "replayed " + id);
    else if (!arguments.all) no_such(id);   // else somebody else was faster
  }
  return ExitCode::ok;
}

constexpr const char* dlq_examples =
    "The dead letters that a service has left with its own broker, where that can show them (\"dead letters seen and replayed\"\n"
    "in `ferry transports`). TARGET is what the service itself would have: its URL, or its name in a config. Looking changes\n"
    "nothing. What is replayed goes back to where it came from, and is then removed here: never lost, perhaps twice there.\n"
    "\n"
    "Examples:\n"
    "  ferry dlq list redis://127.0.0.1:6379\n"
    "  ferry dlq list amqp://127.0.0.1?queue=orders --json | jq -r 'select(.attempts > 3) | .id'\n"
    "  ferry dlq show --config app.json --service orders order.paid@1700000000000-0\n"
    "  ferry dlq replay --config app.json --service orders --all\n"
    "\n";

ExitCode dlq(const DlqArguments& arguments) {
  if (arguments.action == "show") return show(arguments);
  return arguments.action == "replay" ? replay(arguments) : list(arguments);
}

}  // namespace

void add_dlq(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("dlq", "Lists, shows and replays dead letters");
  const auto arguments = std::make_shared<DlqArguments>();
  command->add_option("ACTION", arguments->action, "What to do with them")->required()->check(CLI::IsMember({"list", "show", "replay"}));
  command->add_option("TARGET", arguments->first, "A URL, as redis://127.0.0.1:6379; left out with --config")->type_name("");
  command->add_option("ID", arguments->ids, "Of show and replay: as list says them")->type_name("");
  arguments->target.add_options(*command);
  command->add_option("--limit", arguments->limit, "List at most so many (100)")->type_name("N")->check(CLI::PositiveNumber);
  command->add_flag("--all", arguments->all, "Replay all that are there now");
  command->add_option("--timeout", arguments->timeout, "How long the broker may take for each step")->type_name("TIME");
  command->add_flag("--json", arguments->json, "Print JSON, a line for each");
  command->footer(std::string(dlq_examples) + exit_codes_help);
  command->callback([arguments, &chosen] {
    chosen = [arguments] { return ending_in(arguments->json, [&] { return dlq(*arguments); }); };
  });
}

}  // namespace ferry::tool
