#pragma once
// The config document: where every service, client and limit of an application comes from.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace ferry {

/// A parsed config document. Immutable and cheap to copy.
///
/// Files and texts are JSON with `//` and `/* */` comments. Nothing is skipped quietly: a trailing comma, a key that
/// appears twice in one object, more than 64 levels, or anything but an object at the top is an error.
///
/// Inside string values (not keys) `${NAME}` becomes the environment variable, and `${NAME:-default}` the default if
/// the variable is unset or empty; `$${` stands for a literal `${`. What comes out of a variable is not expanded again. The
/// result stays a string: a password of digits must not turn into a number. Where an option expects a number or a
/// boolean, its parser reads one out of the string (`"port": "${PORT:-3000}"`), see `spi::Option`.
///
/// Errors:   `ConfigError` naming the file and the line and column, or the JSON pointer.
/// Threads:  any, together; loading reads the environment, which nobody may change meanwhile.
class Config {
 public:
  static Config from_file(const std::filesystem::path& path);
  static Config from_text(std::string_view json, std::string name = "<code>");
  /// Takes the values as they are: the program made them, so nothing is expanded.
  /// Relative file names in it are relative to `directory`; without one, to where the process is now.
  static Config from_json(nlohmann::json root, std::string name = "<code>", std::filesystem::path directory = {});

  /// Always an object.
  const nlohmann::json& root() const noexcept { return *root_; }
  /// As it was given to `from_file`, or the name.
  const std::string& file() const noexcept { return file_; }
  /// What relative file names in the document are relative to, as an absolute path: the directory of the file, or the
  /// directory the process was in when a config made in code was made.
  const std::filesystem::path& directory() const noexcept { return directory_; }

 private:
  Config(nlohmann::json root, std::string file, std::filesystem::path directory);

  std::shared_ptr<const nlohmann::json> root_;
  std::string file_;
  std::filesystem::path directory_;
};

}  // namespace ferry
