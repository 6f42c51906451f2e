#pragma once
// A TCP gate between a client and what it connects to: passes bytes on, until told to cut, stall or slow them.

#include <chrono>
#include <cstdint>
#include <memory>

namespace ferry::test {

/// Threads: any. Everything ends with the object.
class Gate {
 public:
  /// Listens on 127.0.0.1 and passes every connection on to `target_port` there.
  explicit Gate(std::uint16_t target_port, std::uint16_t port = 0);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  std::uint16_t port() const noexcept;
  void cut();                    ///< resets every connection; new ones pass
  void stall(bool stalled);      ///< bytes stay where they are
  void piece(std::size_t bytes);  ///< passes bytes on in pieces of at most this many; 0: as they come
  int accepted() const;   ///< connections, since the beginning
  bool accepts(int connections) const;   ///< waits until so many have come since the beginning; false if they do not in time
  /// Waits until so many bytes more have passed in each direction; false if they do not in time.
  bool carries(std::size_t bytes) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A port nobody listens on, below the range the system hands out by itself, so that it stays free.
std::uint16_t free_port();

}  // namespace ferry::test
