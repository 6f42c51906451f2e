#include "ferry/config.hpp"

#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>

#include <nlohmann/json.hpp>

#include "config_detail.hpp"
#include "ferry/spi/options.hpp"

namespace ferry {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_file_bytes = 16 * 1024 * 1024;  // far above any config: whoever hands in /dev/zero gets told

fs::path working_directory() {
  std::error_code ignored;  // removed under us: then relative names have nothing to be relative to anyway
  fs::path here = fs::current_path(ignored);
  return here.empty() ? fs::path(".") : here;
}

[[noreturn]] void unreadable(const std::string& file, const std::string& why) {
  spi::config_error({file, {}}, "cannot read this config file: " + why,
                    "relative names start at " + working_directory().string());
}

std::string read_file(const fs::path& path) {
  const std::string file = path.string();
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) unreadable(file, "it is a directory");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) unreadable(file, std::generic_category().message(errno));
  std::string text;
  std::array<char, 16 * 1024> block;
  while (in && text.size() <= max_file_bytes) {
    in.read(block.data(), block.size());
    text.append(block.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) unreadable(file, std::generic_category().message(errno));
  if (text.size() > max_file_bytes) unreadable(file, "it is larger than 16 MiB");
  return text;
}

nlohmann::json parse(std::string_view text, const std::string& file) {
  nlohmann::json root = detail::parse_config_text(text, file);
  detail::check_config_shape(root, file);
  detail::expand_variables(root, file);
  return root;
}

}  // namespace

Config::Config(nlohmann::json root, std::string file, fs::path directory)
    : root_(std::make_shared<const nlohmann::json>(std::move(root))),
      file_(std::move(file)),
      directory_(std::move(directory)) {}

Config Config::from_file(const fs::path& path) {
  const fs::path absolute = working_directory() / path;  // an absolute path stays what it is
  return {parse(read_file(path), path.string()), path.string(), absolute.parent_path()};
}

Config Config::from_text(std::string_view json, std::string name) {
  nlohmann::json root = parse(json, name);
  return {std::move(root), std::move(name), working_directory()};
}

Config Config::from_json(nlohmann::json root, std::string name, std::filesystem::path directory) {
  detail::check_config_shape(root, name);
  return {std::move(root), std::move(name), directory.empty() ? working_directory() : std::move(directory)};
}

}  // namespace ferry
