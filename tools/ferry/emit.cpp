// ferry emit: an event; prints nothing unless asked.

#include <memory>

#include "commands.hpp"
#include "ending.hpp"
#include "message_arguments.hpp"
#include "output.hpp"

namespace ferry::tool {
namespace {

Emission start(const Client& client, const Message& message) {
  if (message.payload) return client.emit(message.pattern, *message.payload, message.options);
  return client.emit(message.pattern, Payload(), message.options);
}

ExitCode emit(const Message& message, bool json) {
  Application app = message.target.open();
  const Emitted outcome = start(app.client(message.target.name()), message).get();
  if (!app.stop()) {   // an event that was accepted may still be on its way out
    throw TimeoutError(errc::timed_out, "the connection took the event, but did not send it in time");
  }
  if (json) print_line(outcome == Emitted::confirmed ? R"({"outcome":"confirmed"})" : R"({"outcome":"accepted"})");
  return ExitCode::ok;
}

constexpr const char* emit_examples =
    "Ends when the broker has confirmed the event, or, on a transport that confirms nothing, when it has been sent.\n"
    "--timeout (5s) is the wait for that. --json says which: {\"outcome\":\"confirmed\"} or {\"outcome\":\"accepted\"}, and of a\n"
    "failure {\"error\":{\"kind\":\"timed_out\",\"message\":...,\"fate\":...}}.\n"
    "\n"
    "Examples:\n"
    "  ferry emit tcp://127.0.0.1:3001 user_created '{\"id\":7}'\n"
    "  ferry emit tcp://127.0.0.1:3001 '{\"event\":\"tick\"}'\n"
    "  ferry emit --config app.json --client USERS user_created '{\"id\":7}' --header tenant=acme\n"
    "\n";

}  // namespace

void add_emit(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("emit", "Emits an event");
  const auto arguments = std::make_shared<MessageArguments>();
  const auto json = std::make_shared<bool>(false);
  arguments->add_to(*command);
  command->add_flag("--json", *json, "Print JSON that says how it ended");
  command->footer(std::string(emit_examples) + exit_codes_help);
  command->callback([arguments, json, &chosen] {
    chosen = [arguments, json] { return ending_in(*json, [&] { return emit(arguments->read(), *json); }); };
  });
}

}  // namespace ferry::tool
