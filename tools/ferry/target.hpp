#pragma once
// TARGET: a URL, or a client or service of a config file.

#include <string>

#include <CLI/CLI.hpp>

#include <ferry/application.hpp>

namespace ferry::tool {

/// The config with nothing but this one part of the section `clients` or `services`, so that it starts where another one's
/// plugin is missing. One thread, and a client without what only ferry peers understand. Throws `ConfigError`.
Config only(const Config& file, const std::string& section, const std::string& name);

/// What a command talks to, or serves. `add_options` takes it from the command line, but for the URL, which is the first
/// positional argument of every command.
class Target {
 public:
  enum class Role { client, service };
  explicit Target(Role role) : role_(role) {}

  void add_options(CLI::App& command);
  /// Of a service: `--from-beginning`.
  void add_replay(CLI::App& command);
  /// Then the first positional argument is no URL.
  bool from_config() const noexcept { return !file_.empty(); }
  void set_url(std::string url) { url_ = std::move(url); }
  /// The client's or service's name in `open()`: in the config, or the URL without what may be secret. Errors say it.
  std::string name() const;

  /// An application with this one client or service, and one thread. A client uses nothing that only ferry peers
  /// understand, so that a message carries what was asked for and no more. Throws `ConfigError`.
  Application open() const;
  /// What `open` is made with.
  Config config() const;

 private:
  nlohmann::json section_of_url() const;

  Role role_;
  std::string url_;
  std::string file_;
  std::string name_;
  int verbosity_ = 0;
  bool replay_ = false;
};

}  // namespace ferry::tool
