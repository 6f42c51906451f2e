#pragma once
// How calls ended.

#include <algorithm>
#include <cstddef>
#include <exception>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>

#include "await.hpp"
#include "ferry/client.hpp"
#include "ferry/error.hpp"

namespace ferry::test {

/// The code of the `ferry::Error` that `call` throws; no code if it returns.
template <class F>
std::error_code code_of(F&& call) {
  try {
    std::forward<F>(call)();
  } catch (const Error& error) {
    return error.code();
  }
  return {};
}

/// Calls that run, and the code each ended with: no code for a success.
/// Lifetime: longer than the calls; declare it before the client's application.
class Outcomes {
 public:
  template <class T>
  void start(const Client& client, Call<T> call) {
    asio::co_spawn(client.loop().executor(), std::move(call), [this](std::exception_ptr error, T) {
      const std::error_code code = error ? code_of([&] { std::rethrow_exception(error); }) : std::error_code();
      codes_.change([&](auto& codes) { codes.push_back(code); });
    });
  }

  bool reach(std::size_t count) const {
    return codes_.wait([count](const auto& codes) { return codes.size() >= count; });
  }
  std::vector<std::error_code> codes() const { return codes_.get(); }
  std::size_t succeeded() const {
    const auto codes = codes_.get();
    return static_cast<std::size_t>(std::count(codes.begin(), codes.end(), std::error_code()));
  }

 private:
  Watched<std::vector<std::error_code>> codes_;
};

}  // namespace ferry::test
