#include "ferry/plugins.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "ferry/error.hpp"
#include "ferry/spi/options.hpp"
#include "ferry/spi/plugin.hpp"

namespace ferry {
namespace {

namespace fs = std::filesystem;

std::vector<const ferry_plugin_descriptor*>& static_plugins() {
  static std::vector<const ferry_plugin_descriptor*> all;
  return all;
}

std::string file_name(std::string_view kind, std::string_view name) {
  return std::string("libferry_").append(kind).append("_").append(name).append(".so");
}

[[noreturn]] void refuse(const std::string& text) { throw PluginError(errc::plugin_refused, text, Fate::not_sent); }

/// Empty if the descriptor fits this build, else why not, with both sides. Reads nothing behind the version if that differs.
std::string misfit(const ferry_plugin_descriptor* plugin, std::string_view kind, std::string_view name) {
  if (plugin == nullptr) return "its entry returned no descriptor";
  if (plugin->magic != FERRY_PLUGIN_MAGIC) return "its descriptor does not start as a ferry plugin's does";
  if (plugin->spi_version != FERRY_SPI_VERSION) {
    return "built for plugin interface " + std::to_string(plugin->spi_version) + ", this ferry has " +
           std::to_string(FERRY_SPI_VERSION) + "; rebuild it against ferry " FERRY_VERSION;
  }
  if (plugin->fingerprint == nullptr || std::strcmp(plugin->fingerprint, FERRY_FINGERPRINT) != 0) {
    return std::string("built as [") + (plugin->fingerprint == nullptr ? "nothing" : plugin->fingerprint) +
           "], this program is [" FERRY_FINGERPRINT "]; rebuild one with what the other has";
  }
  if (plugin->kind == nullptr || plugin->name == nullptr || plugin->version == nullptr || plugin->make == nullptr) {
    return "its descriptor is not filled in";
  }
  if (kind != plugin->kind || name != plugin->name) {
    return std::string("it is the ") + plugin->kind + " \"" + plugin->name + "\", not the " + std::string(kind) + " \"" +
           std::string(name) + "\" its file name says";
  }
  return {};
}

/// The descriptor in a file. Throws `PluginError`.
const ferry_plugin_descriptor* open_plugin(const fs::path& path, std::string_view kind, std::string_view name) {
  // RTLD_NODELETE: error categories, driver threads and Asio's statics outlive any moment one could unload at.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) refuse(path.string() + ": cannot be loaded: " + dlerror());
  const auto entry = reinterpret_cast<ferry_plugin_entry_function>(dlsym(library, FERRY_PLUGIN_ENTRY));
  if (entry == nullptr) {
    refuse(path.string() + ": has no function " FERRY_PLUGIN_ENTRY "; it is no ferry plugin, or lacks FERRY_" +
           (kind == "transport" ? "TRANSPORT" : "SERIALIZER") + "_PLUGIN(...)");
  }
  const ferry_plugin_descriptor* plugin = entry();
  const std::string why = misfit(plugin, kind, name);
  if (!why.empty()) refuse(path.string() + ": " + why);
  return plugin;
}

template <class T>
std::shared_ptr<const T> make(const ferry_plugin_descriptor* plugin, const std::string& path) {
  try {
    auto* made = static_cast<T*>(plugin->make());
    if (made == nullptr) refuse(path + ": made nothing");
    return std::shared_ptr<const T>(made);
  } catch (const PluginError&) {
    throw;
  } catch (const std::exception& error) {
    refuse(path + ": failed while starting: " + error.what());
  } catch (...) {
    refuse(path + ": failed while starting, with something that is no std::exception");
  }
}

/// One instance a process and path; never destroyed, as the libraries are never unloaded.
template <class T>
const T& instance(const std::string& path, std::string_view kind, std::string_view name,
                  const ferry_plugin_descriptor* built_in) {
  static std::mutex mutex;
  static auto* const made = new std::map<std::string, std::shared_ptr<const T>>();
  const std::lock_guard lock(mutex);
  auto& slot = (*made)[path];
  if (!slot) slot = make<T>(built_in != nullptr ? built_in : open_plugin(path, kind, name), path);
  return *slot;
}

fs::path core_directory() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&spi::register_static_plugin), &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code error;
  const fs::path path = fs::canonical(info.dli_fname, error);
  return error ? fs::path() : path.parent_path();
}

/// The names for which a directory has a plugin of this kind.
std::set<std::string> names_in(const fs::path& directory, std::string_view kind) {
  std::set<std::string> names;
  const std::string prefix = std::string("libferry_").append(kind).append("_");
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string file = entry.path().filename().string();
    if (file.size() > prefix.size() + 3 && file.starts_with(prefix) && file.ends_with(".so")) {
      names.insert(file.substr(prefix.size(), file.size() - prefix.size() - 3));
    }
  }
  return names;
}

std::string join(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text.empty() ? "none" : text;
}

}  // namespace

void spi::register_static_plugin(const ferry_plugin_descriptor* descriptor) { static_plugins().push_back(descriptor); }

Plugins::Plugins(std::vector<fs::path> directories) : directories_(std::move(directories)) {
  if (const char* variable = std::getenv("FERRY_PLUGIN_PATH")) {
    std::string_view rest = variable;
    while (!rest.empty()) {
      const std::size_t colon = std::min(rest.find(':'), rest.size());
      if (colon != 0) directories_.emplace_back(rest.substr(0, colon));
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }
  const fs::path beside = core_directory();
  if (!beside.empty()) {
    directories_.push_back(beside);
    directories_.push_back(beside / "ferry");
  }
}

template <class T>
const T& Plugins::find(std::string_view kind, std::string_view name, const std::vector<std::shared_ptr<const T>>& own) const {
  for (const auto& candidate : own) {
    if (candidate->name() == name) return *candidate;
  }
  for (const ferry_plugin_descriptor* plugin : static_plugins()) {
    if (plugin->kind == kind && plugin->name == name) {
      return instance<T>(std::string("built in: ").append(name), kind, name, plugin);
    }
  }
  std::string searched;
  std::set<std::string> there;
  for (const fs::path& directory : directories_) {
    const fs::path path = directory / file_name(kind, name);
    std::error_code error;
    if (fs::exists(path, error)) {
      const fs::path real = fs::canonical(path, error);
      return instance<T>((error ? path : real).string(), kind, name, nullptr);
    }
    const bool is_directory = fs::is_directory(directory, error);
    searched += "\n  " + directory.string() + (is_directory ? "" : " (no such directory)");
    if (is_directory) {
      const std::set<std::string> names = names_in(directory, kind);
      searched += ": " + std::string(kind) + "s there: " + join(names);
      there.insert(names.begin(), names.end());
    }
  }
  for (const auto& candidate : own) there.insert(std::string(candidate->name()));
  for (const ferry_plugin_descriptor* plugin : static_plugins()) {
    if (plugin->kind == kind) there.insert(plugin->name);
  }
  std::vector<std::string_view> candidates(there.begin(), there.end());
  const std::string_view near = spi::nearest_name(name, candidates);
  refuse("no " + std::string(kind) + " \"" + std::string(name) + "\"" +
         (near.empty() ? "" : "; did you mean \"" + std::string(near) + "\"?") + " " + file_name(kind, name) +
         " was searched for in:" + (searched.empty() ? " nowhere; set pluginPath or FERRY_PLUGIN_PATH" : searched));
}

const spi::Transport& Plugins::transport(std::string_view name) const {
  return find<spi::Transport>("transport", name, transports_);
}

const spi::Serializer& Plugins::serializer(std::string_view name) const {
  return find<spi::Serializer>("serializer", name, serializers_);
}

const spi::Transport& Plugins::transport_for_url(std::string_view url) const {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos || colon == 0) {
    refuse("\"" + std::string(url) + "\" is no URL; write it as in tcp://127.0.0.1:3001");
  }
  const std::string_view scheme = url.substr(0, colon);
  std::string known;
  for (const PluginInfo& plugin : list()) {
    if (plugin.kind != "transport" || !plugin.refusal.empty()) continue;
    const spi::Transport& candidate = transport(plugin.name);
    for (const std::string_view one : candidate.schemes()) {
      if (one == scheme) return candidate;
      known.append(known.empty() ? "" : ", ").append(one);
    }
  }
  refuse("no transport for " + std::string(scheme) + "://; known here: " + (known.empty() ? "none" : known));
}

void Plugins::add(std::shared_ptr<const spi::Serializer> serializer) { serializers_.push_back(std::move(serializer)); }
void Plugins::add(std::shared_ptr<const spi::Transport> transport) { transports_.push_back(std::move(transport)); }

std::vector<PluginInfo> Plugins::list() const {
  std::vector<PluginInfo> all;
  std::set<std::pair<std::string, std::string>> seen;
  for (const auto& own : serializers_) all.push_back({"serializer", std::string(own->name()), "", "built in", ""});
  for (const auto& own : transports_) all.push_back({"transport", std::string(own->name()), "", "built in", ""});
  for (const PluginInfo& plugin : all) seen.emplace(plugin.kind, plugin.name);
  for (const ferry_plugin_descriptor* plugin : static_plugins()) {
    if (!seen.emplace(plugin->kind, plugin->name).second) continue;
    all.push_back({plugin->kind, plugin->name, plugin->version, "built in", misfit(plugin, plugin->kind, plugin->name)});
  }
  for (const fs::path& directory : directories_) {
    for (const char* kind : {"transport", "serializer"}) {
      for (const std::string& name : names_in(directory, kind)) {
        if (!seen.emplace(kind, name).second) continue;
        PluginInfo info{kind, name, "", (directory / file_name(kind, name)).string(), ""};
        try {
          info.version = open_plugin(info.path, kind, name)->version;
          info.kind == "transport" ? static_cast<void>(transport(name)) : static_cast<void>(serializer(name));
        } catch (const PluginError& error) {
          info.refusal = error.what();
        }
        all.push_back(std::move(info));
      }
    }
  }
  return all;
}

}  // namespace ferry
