#pragma once
// --plugin-path: for commands that look at plugins without a config file, which could name the directories.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <ferry/plugins.hpp>

namespace ferry::tool {

class PluginPath {
 public:
  void add_option(CLI::App& command) {
    command.add_option("--plugin-path", directories_, "A directory to search first; may be repeated")
        ->type_name("DIRECTORY")
        ->allow_extra_args(false);
  }
  Plugins plugins() const { return Plugins({directories_.begin(), directories_.end()}); }

 private:
  std::vector<std::string> directories_;
};

}  // namespace ferry::tool
