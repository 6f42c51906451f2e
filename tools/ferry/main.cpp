// ferry: talks to services from a shell, and looks at what they are configured with.

#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

#include <ferry/version.hpp>

#include "commands.hpp"
#include "ending.hpp"

namespace ferry::tool {
namespace {

/// False if the process is to end with `code`: help was asked for, or the command line is wrong.
bool parse(CLI::App& app, int argc, char** argv, int& code) {
  try {
    app.parse(argc, argv);
    return true;
  } catch (const CLI::Success& help_or_version) {
    code = app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    const auto commands = app.get_subcommands();
    const std::string command = commands.empty() ? "" : commands.front()->get_name() + " ";
    complain(std::string(error.what()) + "; see ferry " + command + "--help");
    code = static_cast<int>(ExitCode::usage);
  }
  return false;
}

int run(int argc, char** argv) {
  CLI::App app{"Talks to services that speak the NestJS microservices protocol, over any transport ferry has.", "ferry"};
  Action chosen;
  app.set_version_flag("--version", "ferry " FERRY_VERSION);
  app.footer(std::string("ferry COMMAND --help says more, with examples.\n\n") + exit_codes_help);
  app.require_subcommand(1);   // a limit, too: a PATTERN may be called "emit"
  add_send(app, chosen);
  add_emit(app, chosen);
  add_listen(app, chosen);
  add_bench(app, chosen);
  add_dlq(app, chosen);
  add_check(app, chosen);
  add_transports(app, chosen);
  add_schema(app, chosen);
  add_completion(app, chosen);

  int code = 0;
  if (!parse(app, argc, argv, code)) return code;
  try {
    return static_cast<int>(chosen());
  } catch (...) {
    return static_cast<int>(report_current_exception());
  }
}

}  // namespace
}  // namespace ferry::tool

int main(int argc, char** argv) { return ferry::tool::run(argc, argv); }
