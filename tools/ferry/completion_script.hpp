#pragma once
// Completion scripts, made from the tables of the command line itself: what it learns, they know.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace ferry::tool {

/// What may stand on the command line, as a shell has to know it.
struct CommandTable {
  struct Option {
    std::vector<std::string> names;   ///< `-v`, `--verbose`; none: an argument by its place
    std::string about;
    std::string value;                ///< `FILE`, `DIRECTORY`, `N`; empty: a flag
    std::vector<std::string> choices; ///< of the value, where these are all
  };

  std::string name;
  std::string about;
  std::vector<Option> options;
  std::vector<CommandTable> commands;
};
CommandTable table_of(const CLI::App& app);

std::string bash_script(const CommandTable& program);
std::string zsh_script(const CommandTable& program);
std::string fish_script(const CommandTable& program);

}  // namespace ferry::tool
