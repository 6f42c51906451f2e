#pragma once
// Finding, checking and loading plugins.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/spi/plugin.h"
#include "ferry/spi/serializer.hpp"
#include "ferry/spi/transport.hpp"

namespace ferry {

/// A plugin that was found: usable, or refused with the reason.
struct PluginInfo {
  std::string kind;      ///< "transport" or "serializer"
  std::string name;
  std::string version;   ///< empty if it could not be read
  std::string path;      ///< "built in" for one linked into the program
  std::string refusal;   ///< empty if it can be used
};

/// The plugins of one application.
///
/// Searched in this order: the directories given here, `FERRY_PLUGIN_PATH` (separated by `:`), the directory of
/// libferry_core, and `ferry/` below that (where `make install` puts them). The first file of a name counts. What is linked
/// into the program counts before all files.
///
/// A plugin is loaded once a process and never unloaded.
/// Threads: `find_...` and `list` from any; adding before the application starts.
class Plugins {
 public:
  explicit Plugins(std::vector<std::filesystem::path> directories = {});

  /// Throws `PluginError`: not found (with every directory searched, and what was found there), or refused (both sides).
  const spi::Transport& transport(std::string_view name) const;
  const spi::Serializer& serializer(std::string_view name) const;
  /// The transport that knows URLs of this scheme. Throws `PluginError`.
  const spi::Transport& transport_for_url(std::string_view url) const;

  /// The program's own serializer, chosen in config by its name like any other.
  void add(std::shared_ptr<const spi::Serializer> serializer);
  void add(std::shared_ptr<const spi::Transport> transport);

  /// Everything there is, loaded or refused.
  std::vector<PluginInfo> list() const;
  const std::vector<std::filesystem::path>& directories() const noexcept { return directories_; }

 private:
  template <class T>
  const T& find(std::string_view kind, std::string_view name, const std::vector<std::shared_ptr<const T>>& own) const;

  std::vector<std::filesystem::path> directories_;
  std::vector<std::shared_ptr<const spi::Serializer>> serializers_;
  std::vector<std::shared_ptr<const spi::Transport>> transports_;
};

namespace spi {

/// For the registry that the build makes of plugins linked into a program.
void register_static_plugin(const ferry_plugin_descriptor* descriptor);

}  // namespace spi
}  // namespace ferry
