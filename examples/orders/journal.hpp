#pragma once
// A service's memory: what it knows of each order, in a file that survives its process. A database stands here in real life.

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <system_error>

#include <nlohmann/json.hpp>

class Journal {
 public:
  /// Reads what an earlier process left: a JSON text a line, the last one of an order counts.
  explicit Journal(const std::string& file) {
    std::ifstream in(file);
    off_t whole_bytes = 0;
    for (std::string line; std::getline(in, line) && !in.eof(); whole_bytes += static_cast<off_t>(line.size() + 1)) {
      const auto entry = nlohmann::json::parse(line);
      orders_[entry.at("order")] = entry.at("is");
    }
    descriptor_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    // Half a line is of a process that was killed before it answered anybody.
    if (descriptor_ < 0 || ::ftruncate(descriptor_, whole_bytes) != 0) fail(file);
  }
  ~Journal() { ::close(descriptor_); }
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::map<std::string, nlohmann::json>& orders() const { return orders_; }
  /// Null for an order it never heard of.
  nlohmann::json find(const std::string& order) const {
    const auto found = orders_.find(order);
    return found == orders_.end() ? nlohmann::json() : found->second;
  }
  /// On disk when it returns.
  void write(const std::string& order, nlohmann::json is) {
    const std::string line = nlohmann::json{{"order", order}, {"is", is}}.dump() + '\n';
    if (::write(descriptor_, line.data(), line.size()) != static_cast<ssize_t>(line.size()) || ::fdatasync(descriptor_) != 0) {
      fail("the journal");
    }
    orders_[order] = std::move(is);
  }

 private:
  [[noreturn]] static void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

  std::map<std::string, nlohmann::json> orders_;
  int descriptor_ = -1;
};
