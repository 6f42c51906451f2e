#include "ferry/interceptors.hpp"

#include <mutex>
#include <optional>
#include <unordered_set>
#include <utility>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "ferry/error.hpp"
#include "recent.hpp"

namespace ferry {
namespace {

using Clock = std::chrono::steady_clock;

std::string words_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& failure) {
    return failure.what();
  } catch (...) {
    return "something that is no std::exception was thrown";
  }
}

struct Cache {
  explicit Cache(const CacheOptions& options) : answers(options.max_entries, options.max_bytes, options.time_to_live) {}
  std::mutex mutex;
  detail::Recent<std::string> answers;   // bytes in the format of the messages' serializer, which is part of the key
};

class SeenInMemory final : public SeenMessages {
 public:
  SeenInMemory(std::size_t max_entries, std::chrono::milliseconds time_to_live)
      : done_(max_entries, static_cast<std::size_t>(-1), time_to_live) {}

  task<Handled> begin(std::string id) override {
    const std::lock_guard lock(mutex_);
    if (done_.find(id, Clock::now()) != nullptr) co_return Handled::done;
    co_return running_.insert(std::move(id)).second ? Handled::no : Handled::running;
  }
  task<void> done(std::string id) override {
    const std::lock_guard lock(mutex_);
    running_.erase(id);
    done_.put(id, true, 0, Clock::now());
    co_return;
  }
  task<void> failed(std::string id) override {
    const std::lock_guard lock(mutex_);
    running_.erase(id);
    co_return;
  }

 private:
  std::mutex mutex_;
  std::unordered_set<std::string> running_;
  detail::Recent<bool> done_;
};

}  // namespace

std::function<task<void>(Context&, Next&)> timeout(std::chrono::milliseconds limit) {
  return [limit](Context&, Next& next) -> task<void> {
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer timer(co_await asio::this_coro::executor, limit);
    const auto first = co_await (next() || timer.async_wait(asio::use_awaitable));
    if (first.index() == 1) throw RpcError("The handler took longer than " + std::to_string(limit.count()) + " ms");
  };
}

std::function<void(Context&, Next&)> log_calls(LogLevel level) {
  return [level](Context& context, Next& next) {
    if (!log_enabled(level)) return;
    next.on_end([level, &context, begin = Clock::now()](const std::exception_ptr& error) {
      const double took = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
      const std::string id = context.correlation_id();
      std::string text = (context.is_event() ? "event " : "request ") + context.pattern() + (id.empty() ? "" : " [" + id + ']') + ' ' +
                         std::to_string(took) + " ms: ";
      log(level, "service " + std::string(context.service()), text.append(error ? words_of(error) : "done"));
    });
  };
}

std::function<void(Context&, Next&)> cache(CacheOptions options) {
  const auto shared = std::make_shared<Cache>(options);
  return [shared](Context& context, Next& next) {
    if (context.is_event()) return;
    const spi::Serializer& serializer = context.delivery()->serializer();
    const Payload payload = context.payload();
    std::string key = std::string(context.service()) + '\n' + context.pattern() + '\n' + std::string(serializer.name()) + '\n';
    key.append(payload.has_value() ? payload.bytes() : std::string_view());
    {
      const std::lock_guard lock(shared->mutex);
      if (const std::string* known = shared->answers.find(key, Clock::now())) {
        return next.answer(Payload::owned(*known, serializer));
      }
    }
    // Kept once the handler has ended well, and only if it was one value.
    const auto values = std::make_shared<std::pair<int, std::string>>();
    next.on_value([values](Payload value) {
      if (++values->first == 1 && value.serializer() != nullptr) values->second = value.bytes();
      return value;
    });
    next.on_end([shared, values, key = std::move(key)](const std::exception_ptr& error) {
      if (error || values->first != 1 || values->second.empty()) return;
      const std::size_t bytes = key.size() + values->second.size();
      const std::lock_guard lock(shared->mutex);
      shared->answers.put(key, std::move(values->second), bytes, Clock::now());
    });
  };
}

std::shared_ptr<SeenMessages> seen_in_memory(std::size_t max_entries, std::chrono::milliseconds time_to_live) {
  return std::make_shared<SeenInMemory>(max_entries, time_to_live);
}

std::function<task<void>(Context&, Next&)> handle_once(std::shared_ptr<SeenMessages> seen, std::function<std::string(Context&)> id) {
  return [seen = std::move(seen), id = std::move(id)](Context& context, Next& next) -> task<void> {
    const std::string name = context.is_event() ? id(context) : std::string();
    if (name.empty()) {
      co_await next();
      co_return;
    }
    const Handled before = co_await seen->begin(name);
    if (before == Handled::done) co_return;
    if (before == Handled::running) throw RetriableError("it is being handled already: " + name);
    std::exception_ptr error;
    try {
      co_await next();
    } catch (...) {
      error = std::current_exception();
    }
    // What became of it stands, also where the store cannot take note of that.
    try {
      auto note = error ? seen->failed(name) : seen->done(name);
      co_await std::move(note);
    } catch (...) {
      log(LogLevel::warn, "service " + std::string(context.service()),
          "it could not be noted whether an event was handled: " + name + ": " + words_of(std::current_exception()));
    }
    if (error) std::rethrow_exception(error);
  };
}

}  // namespace ferry
