// ferry send: a request; prints its replies.

#include <memory>

#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "ending.hpp"
#include "message_arguments.hpp"
#include "output.hpp"

namespace ferry::tool {
namespace {

ReplyStream<Payload> request(const Client& client, const Message& message) {
  if (message.payload) return client.stream<Payload>(message.pattern, *message.payload, message.options);
  return client.stream<Payload>(message.pattern, Payload(), message.options);
}

/// A typo in an object makes it a plain string, which nobody handles.
void explain(const Pattern& pattern) {
  if (!pattern.is_object() && pattern.route().starts_with('{')) {
    complain("the pattern " + pattern.route() + " is not a JSON object, so it was sent as a plain string");
  }
}

void print_value(const Payload& value, bool json) {
  const std::string text = compact_json(value.json());
  print_line(json ? R"({"value":)" + text + '}' : text);
}

ExitCode send(const Message& message, bool json) {
  Application app = message.target.open();
  ReplyStream<Payload> replies = request(app.client(message.target.name()), message);
  try {
    while (const auto value = replies.next().get()) {
      if (value->has_value()) print_value(*value, json);
    }
  } catch (const NoHandlerError&) {
    if (!json) explain(message.pattern);
    throw;
  }
  return ExitCode::ok;
}

constexpr const char* send_examples =
    "Each reply is one line of JSON on standard output; a reply without a value prints nothing. A stream may last as long\n"
    "as it likes: --timeout (30s) is the wait for its next value. With --json a reply is {\"value\":...}, and what went wrong\n"
    "is {\"error\":{\"kind\":\"timed_out\",\"message\":...,\"fate\":...}} on standard output, too.\n"
    "\n"
    "Examples:\n"
    "  ferry send tcp://127.0.0.1:3001 '{\"cmd\":\"sum\"}' '[1,2,3]'\n"
    "  ferry send tcp://127.0.0.1:3001 greet '\"Ann\"' --timeout 2s --header tenant=acme\n"
    "  ferry send tcp://127.0.0.1:3001 import - < users.json\n"
    "  ferry send tcp://127.0.0.1:3001 import @users.json --json\n"
    "  ferry send --config app.json --client MATH_SERVICE '{\"cmd\":\"sum\"}' '[1,2,3]'\n"
    "\n";

}  // namespace

void add_send(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("send", "Sends a request and prints the replies");
  const auto arguments = std::make_shared<MessageArguments>();
  const auto json = std::make_shared<bool>(false);
  arguments->add_to(*command);
  command->add_flag("--json", *json, "Print JSON that also says how it ended");
  command->footer(std::string(send_examples) + exit_codes_help);
  command->callback([arguments, json, &chosen] {
    chosen = [arguments, json] { return ending_in(*json, [&] { return send(arguments->read(), *json); }); };
  });
}

}  // namespace ferry::tool
