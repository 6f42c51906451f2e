#pragma once
// The subcommands of `ferry`. Each is one file, declared here and registered by one line in main.cpp.

#include <functional>

#include <CLI/CLI.hpp>

#include "exit_code.hpp"

namespace ferry::tool {

/// What the command line asked for. Set while it is parsed, run afterwards.
using Action = std::function<ExitCode()>;

void add_send(CLI::App& app, Action& chosen);
void add_emit(CLI::App& app, Action& chosen);
void add_listen(CLI::App& app, Action& chosen);
void add_dlq(CLI::App& app, Action& chosen);
void add_check(CLI::App& app, Action& chosen);
void add_transports(CLI::App& app, Action& chosen);
void add_schema(CLI::App& app, Action& chosen);
void add_bench(CLI::App& app, Action& chosen);
void add_completion(CLI::App& app, Action& chosen);

}  // namespace ferry::tool
