// ferry transports: every plugin that was found, and what each transport can do.

#include <algorithm>
#include <iomanip>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "output.hpp"
#include "plugin_path.hpp"
#include "promises.hpp"

namespace ferry::tool {
namespace {

using nlohmann::ordered_json;

struct Inventory {
  std::vector<PluginInfo> usable;
  std::vector<PluginInfo> refused;
  std::vector<const spi::Transport*> transports;
};

Inventory take_inventory(const Plugins& plugins) {
  std::vector<PluginInfo> all = plugins.list();
  const auto order = [](const PluginInfo& a, const PluginInfo& b) {
    return a.kind != b.kind ? a.kind > b.kind : a.name < b.name;   // transports first
  };
  std::sort(all.begin(), all.end(), order);
  Inventory found;
  for (PluginInfo& plugin : all) {
    if (plugin.kind == "transport" && plugin.refusal.empty()) found.transports.push_back(&plugins.transport(plugin.name));
    (plugin.refusal.empty() ? found.usable : found.refused).push_back(std::move(plugin));
  }
  return found;
}

std::string schemes_of(const spi::Transport& transport) {
  std::string text;
  for (const std::string_view scheme : transport.schemes()) {
    text.append(text.empty() ? "" : ", ").append(scheme).append("://");
  }
  return text;
}

/// The reason without the path, which stands before it already.
std::string reason(const PluginInfo& plugin) {
  const std::string before = plugin.path + ": ";
  return plugin.refusal.starts_with(before) ? plugin.refusal.substr(before.size()) : plugin.refusal;
}

std::string promises_table(const std::vector<const spi::Transport*>& transports) {
  std::size_t first = 0;
  for (const Promise& promise : promises()) first = std::max(first, promise.words.size());
  const auto width = [](const spi::Transport* transport) {
    return static_cast<int>(std::max<std::size_t>(transport->name().size(), 3) + 2);
  };
  std::ostringstream out;
  out << std::string(first, ' ') << std::right;
  for (const spi::Transport* transport : transports) out << std::setw(width(transport)) << transport->name();
  for (const Promise& promise : promises()) {
    out << '\n' << std::left << std::setw(static_cast<int>(first)) << promise.words << std::right;
    for (const spi::Transport* transport : transports) {
      out << std::setw(width(transport)) << (transport->capabilities().*promise.holds ? "yes" : "-");
    }
  }
  return out.str();
}

std::string text_of(const Inventory& found, const Plugins& plugins) {
  std::ostringstream out;
  std::size_t names = 0;
  for (const PluginInfo& plugin : found.usable) names = std::max(names, plugin.kind.size() + 1 + plugin.name.size());
  for (const PluginInfo& plugin : found.usable) {
    out << std::left << std::setw(static_cast<int>(names + 2)) << plugin.kind + ' ' + plugin.name << plugin.version << "  "
        << plugin.path;
    if (plugin.kind == "transport") out << "  (" << schemes_of(plugins.transport(plugin.name)) << ')';
    out << '\n';
  }
  for (const PluginInfo& plugin : found.refused) {
    out << "refused: " << plugin.kind << ' ' << plugin.name << "  " << plugin.path << "\n  " << reason(plugin) << '\n';
  }
  if (!found.transports.empty()) return out.str() + '\n' + promises_table(found.transports);
  out << "No transport was found. These directories were searched:";
  for (const auto& directory : plugins.directories()) out << "\n  " << directory.string();
  return out.str();
}

ordered_json json_of(const PluginInfo& plugin, const Plugins& plugins) {
  ordered_json one{{"kind", plugin.kind}, {"name", plugin.name}, {"version", plugin.version}, {"path", plugin.path}};
  if (!plugin.refusal.empty()) {
    one["refused"] = reason(plugin);
  } else if (plugin.kind == "transport") {
    const spi::Transport& transport = plugins.transport(plugin.name);
    one["schemes"] = transport.schemes();
    one["capabilities"] = promises_json(transport.capabilities());
  }
  return one;
}

ordered_json json_of(const Inventory& found, const Plugins& plugins) {
  ordered_json all{{"plugins", ordered_json::array()}, {"searched", ordered_json::array()}};
  for (const auto* some : {&found.usable, &found.refused}) {
    for (const PluginInfo& plugin : *some) all["plugins"].push_back(json_of(plugin, plugins));
  }
  for (const auto& directory : plugins.directories()) all["searched"].push_back(directory.string());
  return all;
}

ExitCode transports(const PluginPath& path, bool json) {
  const Plugins plugins = path.plugins();
  const Inventory found = take_inventory(plugins);
  print_line(json ? dump(json_of(found, plugins)) : text_of(found, plugins));
  return ExitCode::ok;
}

constexpr const char* transports_examples =
    "A plugin that does not fit is listed with the reason; the exit code stays 0. Of several files of one name the first\n"
    "that is found counts.\n"
    "\n"
    "Examples:\n"
    "  ferry transports\n"
    "  ferry transports --plugin-path ./plugins\n"
    "  ferry transports --json | jq '.plugins[] | select(.refused)'\n";

}  // namespace

void add_transports(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("transports", "Lists the plugins, and what each transport can do");
  const auto path = std::make_shared<PluginPath>();
  const auto json = std::make_shared<bool>(false);
  path->add_option(*command);
  command->add_flag("--json", *json, "Print JSON");
  command->footer(transports_examples);
  command->callback([path, json, &chosen] { chosen = [path, json] { return transports(*path, *json); }; });
}

}  // namespace ferry::tool
