#include "usage.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace ferry::test {
namespace {

std::string directory_of(pid_t process) { return "/proc/" + std::to_string(process) + "/"; }

std::size_t count(const std::string& directory) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator()));
}

}  // namespace

Usage usage_of(pid_t process) {
  Usage usage;
  std::ifstream status(directory_of(process) + "status");
  for (std::string name; status >> name; status.ignore(4096, '\n')) {
    std::size_t* const value = name == "VmRSS:" ? &usage.resident_bytes : name == "VmHWM:" ? &usage.peak_bytes : nullptr;
    if (value != nullptr && status >> *value) *value *= 1024;
  }
  usage.threads = count(directory_of(process) + "task");
  usage.descriptors = count(directory_of(process) + "fd");
  return usage;
}

bool reset_peak(pid_t process) {
  std::ofstream file(directory_of(process) + "clear_refs");
  return static_cast<bool>(file << "5" << std::flush);
}

}  // namespace ferry::test
