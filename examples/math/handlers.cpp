#include "handlers.hpp"

#include <chrono>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <ferry/ferry.hpp>

#include "messages.hpp"

using namespace std::chrono_literals;

void add_math_handlers(ferry::Application& app) {
  // A request and its reply. What the handler returns is the reply.
  app.on_message({{"cmd", "sum"}}, [](const std::vector<double>& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), 0.0);
  });

  // An error of the handler's own, which the caller gets as a ferry::RpcError (a NestJS caller: as an RpcException).
  app.on_message("divide", [](const Division& division) {
    if (division.divisor == 0) throw ferry::RpcError("division by zero");
    return division.dividend / division.divisor;
  });

  // A stream of replies. `write` waits while the caller does not keep up.
  app.on_message("countdown", [](int from, ferry::ReplyWriter<int>& replies) -> ferry::task<void> {
    for (int i = from; i > 0; --i) co_await replies.write(i);
  });

  // A coroutine: it can await a database or another service, and no thread waits meanwhile.
  app.on_message("user.get", [](int id, ferry::Context& context) -> ferry::task<User> {
    std::printf("user.get %d, asked for over %s\n", id, std::string(context.transport()).c_str());
    co_return User{id, "ann"};
  });

  // Slower than its caller's patience. When the caller gives up, what the coroutine awaits is cancelled.
  app.on_message("slow", []() -> ferry::task<std::string> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 2s);
    co_await timer.async_wait(asio::use_awaitable);
    co_return "done";
  });

  // An event has no reply, and may have several handlers.
  app.on_event("user_created", [](const User& user) {
    std::printf("user_created: a welcome to %s\n", user.name.c_str());
  });
  app.on_event("user_created", [](const User& user) {
    std::printf("user_created: number %d noted\n", user.id);
  });
}
