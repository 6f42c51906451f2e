// ferry schema: the JSON Schema of config files.

#include <memory>

#include <nlohmann/json.hpp>

#include <ferry/config_schema.hpp>

#include "commands.hpp"
#include "output.hpp"
#include "plugin_path.hpp"

namespace ferry::tool {
namespace {

ExitCode schema(const PluginPath& path) {
  const Plugins plugins = path.plugins();
  for (const PluginInfo& plugin : plugins.list()) {
    if (!plugin.refusal.empty()) complain("left out: " + plugin.refusal);
  }
  print_line(config_schema(plugins).dump(2));
  return ExitCode::ok;
}

constexpr const char* schema_examples =
    "JSON Schema 2020-12, with the options of every transport that is found: see ferry transports. An editor that is told\n"
    "of it by \"$schema\" completes and checks as you type.\n"
    "\n"
    "Examples:\n"
    "  ferry schema > ferry.schema.json\n"
    "  { \"$schema\": \"./ferry.schema.json\", \"services\": { ... } }\n";

}  // namespace

void add_schema(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("schema", "Prints a JSON Schema of config files, for editors");
  const auto path = std::make_shared<PluginPath>();
  path->add_option(*command);
  command->footer(schema_examples);
  command->callback([path, &chosen] { chosen = [path] { return schema(*path); }; });
}

}  // namespace ferry::tool
