#pragma once
// Callers that never stop asking, while something is done to what they ask.

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <utility>

#include <asio/co_spawn.hpp>

#include "await.hpp"
#include "ferry/client.hpp"
#include "ferry/error.hpp"

namespace ferry::test {

/// 32 callers, each with one call of the pattern "echo" after the other.
/// Lifetime: longer than the calls; declare it before the client's application, and `stop` it.
class EchoLoad {
 public:
  static constexpr int callers = 32;

  /// `explained`: whether the fault at hand explains such an outcome. Any other than that, and the answer, is wrong.
  void start(const Client& client, std::function<bool(const Error&)> explained) {
    explained_ = std::move(explained);
    for (int i = 0; i < callers; ++i) {
      asio::co_spawn(client.loop().executor(), ask(client, i), [this](std::exception_ptr error) {
        if (error) ++wrong_;
        ended_.add();
      });
    }
  }
  /// So many more right answers have come.
  bool answered(int more, std::chrono::seconds limit = patience) const { return right_.reaches(right_.get() + more, limit); }
  /// All callers have had their last outcome.
  bool stop(std::chrono::seconds limit = patience) {
    going_ = false;
    return ended_.reaches(callers, limit);
  }

  int lost() const { return lost_; }
  int wrong() const { return wrong_; }

 private:
  task<void> ask(Client client, int i) {
    while (going_) {
      try {
        if ((co_await client.send<int>("echo", i)) == i) right_.add();
        else ++wrong_;
      } catch (const Error& error) {
        explained_(error) ? ++lost_ : ++wrong_;
      }
    }
  }

  std::function<bool(const Error&)> explained_;
  std::atomic<bool> going_{true};
  std::atomic<int> lost_{0};
  std::atomic<int> wrong_{0};
  Counter right_;
  Counter ended_;
};

}  // namespace ferry::test
