#include "calls.hpp"

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <tuple>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/use_future.hpp>
#include <ferry/ferry.hpp>

#include "messages.hpp"

using namespace std::chrono_literals;

namespace {

// Code without coroutines blocks on a call, for as long as it says.
void sum_and_wait(const ferry::Client& math) {
  const std::vector<double> numbers{1, 2, 3};
  const double sum = math.send<double>({{"cmd", "sum"}}, numbers).get(5s);
  std::printf("sum [1,2,3] -> %g\n", sum);
}

ferry::task<void> divide(const ferry::Client& math) {
  const Division possible{7, 2};
  std::printf("divide 7 / 2 -> %g\n", co_await math.send<double>("divide", possible));
  const Division impossible{1, 0};
  try {
    co_await math.send<double>("divide", impossible);
  } catch (const ferry::RpcError& error) {
    std::printf("divide 1 / 0 -> the service says: %s\n", error.what());
  }
}

ferry::task<void> ask_two_at_once(const ferry::Client& math) {
  using namespace asio::experimental::awaitable_operators;
  const std::vector<double> odd{1, 3, 5};
  const std::vector<double> even{2, 4, 6};
  // Cold: neither leaves before both are awaited.
  auto first = math.send<double>({{"cmd", "sum"}}, odd);
  auto second = math.send<double>({{"cmd", "sum"}}, even);
  const std::tuple<double, double> sums = co_await (std::move(first) && std::move(second));
  std::printf("sum [1,3,5] and sum [2,4,6], at once -> %g and %g\n", std::get<0>(sums), std::get<1>(sums));
}

ferry::task<void> count_down(const ferry::Client& math) {
  std::string values;
  auto stream = math.stream<int>("countdown", 3);
  while (const auto value = co_await stream.next()) values += ' ' + std::to_string(*value);
  std::printf("countdown 3 ->%s\n", values.c_str());
}

ferry::task<void> create_user(const ferry::Client& math) {
  const User ann{7, "ann"};
  // Hot: on its way already. Awaiting it tells how far it got, which need not be waited for.
  const ferry::Emitted outcome = co_await math.emit("user_created", ann);
  std::printf("emit user_created -> %s\n", outcome == ferry::Emitted::confirmed ? "confirmed" : "accepted");
  const User user = co_await math.send<User>("user.get", 7);
  std::printf("user.get 7 -> %s\n", user.name.c_str());
}

ferry::task<void> lose_patience(const ferry::Client& math) {
  auto call = math.send<std::string>("slow", nullptr, ferry::SendOptions().timeout(200ms));
  try {
    std::printf("slow -> %s\n", (co_await std::move(call)).c_str());
  } catch (const ferry::TimeoutError&) {
    std::printf("slow, within 200 ms -> timed out\n");
  }
}

ferry::task<void> make_all_calls(ferry::Client math) {
  co_await divide(math);
  co_await ask_two_at_once(math);
  co_await count_down(math);
  co_await create_user(math);
  co_await lose_patience(math);
}

}  // namespace

int make_calls(ferry::Client math) {
  try {
    sum_and_wait(math);
    asio::co_spawn(math.loop().executor(), make_all_calls(math), asio::use_future).get();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
