#pragma once

#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

namespace ferry::spi {

/// One serial executor of the runtime. Everything a client does happens on its loop, and so does everything of one
/// server connection; nothing on a loop runs at the same time as anything else on it.
class Loop {
 public:
  virtual ~Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  const asio::any_io_executor& executor() const noexcept { return executor_; }
  /// True in code that runs on this loop.
  virtual bool in_loop() const noexcept = 0;
  /// The loop whose thread this is, if any: for refusing to block there.
  static const Loop* current() noexcept;

  template <class F>
  void post(F&& function) const {
    asio::post(executor_, std::forward<F>(function));
  }

 protected:
  explicit Loop(asio::any_io_executor executor) : executor_(std::move(executor)) {}

 private:
  asio::any_io_executor executor_;
};

}  // namespace ferry::spi
