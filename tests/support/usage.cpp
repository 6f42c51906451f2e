#include "usage.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace ferry::test {
namespace {

std::string directory_of(pid_t process) { return "/proc/" + std::to_string(process) + "/"; }

std::size_t count(const std::string& directory) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator()));
}

/// Of a line of /proc/PID/stat: a joined thread stands there for a moment longer, on its way out.
bool is_exiting(const std::string& stat) {
  constexpr unsigned exiting = 0x4;   // Linux's PF_EXITING
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  std::string skipped;
  for (int field = 3; field < 9; ++field) fields >> skipped;
  unsigned flags = 0;
  return !(fields >> flags) || (flags & exiting) != 0;   // what cannot be read has gone meanwhile
}

std::size_t count_threads(pid_t process) {
  std::size_t count = 0;
  for (const auto& thread : std::filesystem::directory_iterator(directory_of(process) + "task")) {
    std::ifstream file(thread.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    if (!is_exiting(stat)) ++count;
  }
  return count;
}

}  // namespace

Usage usage_of(pid_t process) {
  Usage usage;
  std::ifstream status(directory_of(process) + "status");
  for (std::string name; status >> name; status.ignore(4096, '\n')) {
    std::size_t* const value = name == "VmRSS:" ? &usage.resident_bytes : name == "VmHWM:" ? &usage.peak_bytes : nullptr;
    if (value != nullptr && status >> *value) *value *= 1024;
  }
  usage.threads = count_threads(process);
  usage.descriptors = count(directory_of(process) + "fd");
  return usage;
}

bool reset_peak(pid_t process) {
  std::ofstream file(directory_of(process) + "clear_refs");
  return static_cast<bool>(file << "5" << std::flush);
}

}  // namespace ferry::test
