#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "ferry/error.hpp"
#include "ferry_test_paths.hpp"
#include "plugin_test_paths.hpp"
#include "support/catch.hpp"

namespace fs = std::filesystem;

/// Where the broken plugins are, and `upper`, which is not broken.
inline fs::path test_plugins() { return PLUGIN_TEST_DIR; }
inline fs::path serializer_file(const fs::path& directory, const std::string& name) {
  return directory / ("libferry_serializer_" + name + ".so");
}

/// The error that `action` throws; fails if there is none.
template <class F>
ferry::PluginError refusal_of(F action) {
  try {
    action();
  } catch (const ferry::PluginError& error) {
    return error;
  }
  FAIL("nothing was refused");
  throw std::logic_error("not reached");
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// An empty directory, removed at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (fs::temp_directory_path() / "ferry_plugin_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = fs::canonical(name);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() { fs::remove_all(path_); }

  const fs::path& path() const noexcept { return path_; }
  void write(const std::string& file, const std::string& text) const { std::ofstream(path_ / file) << text; }

 private:
  fs::path path_;
};

/// Sets FERRY_PLUGIN_PATH, or with nothing unsets it, and puts it back at the end.
class PluginPath {
 public:
  explicit PluginPath(std::optional<std::string> value) {
    if (const char* old = std::getenv("FERRY_PLUGIN_PATH")) old_ = old;
    set(value);
  }
  PluginPath(const PluginPath&) = delete;
  PluginPath& operator=(const PluginPath&) = delete;
  ~PluginPath() { set(old_); }

 private:
  static void set(const std::optional<std::string>& value) {
    value ? setenv("FERRY_PLUGIN_PATH", value->c_str(), 1) : unsetenv("FERRY_PLUGIN_PATH");
  }
  std::optional<std::string> old_;
};
