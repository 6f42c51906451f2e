#include "target.hpp"

#include <filesystem>
#include <utility>
#include <vector>

#include <ferry/config_check.hpp>
#include <ferry/error.hpp>
#include <ferry/log.hpp>
#include <ferry/spi/options.hpp>

namespace ferry::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

[[noreturn]] void no_such_name(const Config& file, const std::string& section, const std::string& name,
                               const json& there) {
  std::vector<std::string_view> names;
  std::string known;
  for (const auto& item : there.items()) {
    names.push_back(item.key());
    known.append(known.empty() ? "" : ", ").append(item.key());
  }
  const std::string_view near = spi::nearest_name(name, names);
  spi::config_error({file.file(), "/" + section}, "there is no \"" + name + '"',
                    near.empty() ? "those here are: " + (known.empty() ? "none" : known)
                                 : "did you mean \"" + std::string(near) + "\"?");
}

/// Whoever replays wants to hear everything, whatever the service does otherwise.
Config with_replay(const Config& config, const std::string& section) {
  const CheckedConfig checked = check_config(config);
  if (checked.services.empty() || checked.services.front().transport == nullptr) return config;   // the application says so
  const spi::Transport& transport = *checked.services.front().transport;
  const json options = transport.replay_options();
  if (options.is_null()) {
    spi::config_error({config.file(), "/" + section}, "--from-beginning: " + std::string(transport.name()) + " keeps nothing that could be heard again",
                      "leave it out");
  }
  json root = config.root();
  root.at(section).begin().value()["options"].merge_patch(options);
  return Config::from_json(std::move(root), config.file(), config.directory());
}

}  // namespace

Config only(const Config& file, const std::string& section, const std::string& name) {
  json root = file.root();
  const json sections = root.value(section, json::object());
  if (!sections.is_object()) spi::config_error({file.file(), "/" + section}, sections.dump(), "expected an object of names");
  if (!sections.contains(name)) no_such_name(file, section, name, sections);
  json one = sections.at(name);
  if (section == "clients" && one.is_object()) one["extensions"] = false;   // if it is none, the application says so
  root.erase("clients");
  root.erase("services");
  root.erase("logLevel");   // -v says that here
  root["threads"] = 1;
  root[section] = {{name, std::move(one)}};
  return Config::from_json(std::move(root), file.file(), file.directory());   // relative file names stay relative to the file
}

void Target::add_options(CLI::App& command) {
  const bool client = role_ == Role::client;
  CLI::Option* file = command.add_option("--config", file_, "A ferry config file, instead of a URL")->type_name("FILE");
  CLI::Option* name = command
                          .add_option(client ? "--client" : "--service", name_,
                                      client ? "The name of the client in it" : "The name of the service in it")
                          ->type_name("NAME");
  file->needs(name);
  name->needs(file);
  command.add_flag("-v,--verbose", verbosity_, "Log what happens to standard error; -vv: more");
}

void Target::add_replay(CLI::App& command) {
  command.add_flag("--from-beginning", replay_, "First what the broker has kept, as a listener of its own (Kafka)");
}

std::string Target::name() const {
  if (from_config()) return name_;
  std::string name = url_.substr(0, url_.find('?'));   // a passphrase may follow
  const std::size_t host = name.find("://") + 3;
  const std::size_t user_end = name.rfind('@');
  if (user_end != std::string::npos && user_end > host) name.erase(host, user_end + 1 - host);
  return name;
}

json Target::section_of_url() const {
  const Plugins plugins;
  const spi::Transport& transport = plugins.transport_for_url(url_);
  json section = {{"transport", transport.name()}, {"options", transport.options_from_url(url_)}};
  if (role_ == Role::client) section["extensions"] = false;
  return section;
}

Config Target::config() const {
  const std::string section = role_ == Role::client ? "clients" : "services";
  const Config made = from_config() ? only(Config::from_file(file_), section, name_)
                                    : Config::from_json({{"threads", 1}, {section, {{name(), section_of_url()}}}},
                                                        "the configuration made from the URL");
  return replay_ ? with_replay(made, section) : made;
}

Application Target::open() const {
  set_log_level(verbosity_ == 0 ? LogLevel::error : verbosity_ == 1 ? LogLevel::info : LogLevel::debug);
  return Application(config());
}

}  // namespace ferry::tool
