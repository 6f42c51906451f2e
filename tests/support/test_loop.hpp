#pragma once
// A loop of a test's own, which runs when the test says so.

#include <asio/io_context.hpp>

#include "ferry/spi/loop.hpp"

namespace ferry::test {

class TestLoop final : public spi::Loop {
 public:
  explicit TestLoop(asio::io_context& io) : Loop(io.get_executor()), io_(io) {}
  bool in_loop() const noexcept override { return io_.get_executor().running_in_this_thread(); }
  /// Does all there is to do now, while no other thread runs the loop.
  void run() {
    io_.restart();
    io_.poll();
  }

 private:
  asio::io_context& io_;
};

}  // namespace ferry::test
