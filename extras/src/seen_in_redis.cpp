#include "ferry/seen_in_redis.hpp"

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/async_result.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <hiredis.h>

#include "ferry/error.hpp"

namespace ferry {
namespace {

constexpr std::string_view running_mark = "running:";
constexpr std::string_view done_mark = "done";

/// Only who began a message ends it: his claim may have run out, and be another's by now.
/// KEYS[1] the message, ARGV[1] the claim, ARGV[2] "done" or "", ARGV[3] milliseconds.
constexpr std::string_view end_script =
    "local now = redis.call('GET', KEYS[1]) "
    "if now and now ~= ARGV[1] then return 0 end "
    "if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";

struct FreeContext {
  void operator()(redisContext* context) const noexcept { redisFree(context); }
};
struct FreeReply {
  void operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

timeval timeval_of(std::chrono::milliseconds time) {
  return {static_cast<time_t>(time.count() / 1000), static_cast<suseconds_t>(time.count() % 1000 * 1000)};
}

/// One connection, which blocks. Threads: one.
class Connection {
 public:
  explicit Connection(SeenInRedisOptions options) : options_(std::move(options)) {}

  /// Throws `ConnectionError` where there is no answer, `Error` for one that is an error.
  Reply ask(const std::vector<std::string>& words) {
    if (!context_) connect();
    return command(words);
  }
  const SeenInRedisOptions& options() const noexcept { return options_; }

 private:
  void connect() {
    context_.reset(redisConnectWithTimeout(options_.host.c_str(), options_.port, timeval_of(options_.timeout)));
    if (!context_ || context_->err != 0 || redisSetTimeout(context_.get(), timeval_of(options_.timeout)) != REDIS_OK) lose();
    if (!options_.username.empty()) command({"AUTH", options_.username, options_.password});
    else if (!options_.password.empty()) command({"AUTH", options_.password});
    if (options_.db != 0) command({"SELECT", std::to_string(options_.db)});
  }

  Reply command(const std::vector<std::string>& words) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string& word : words) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
    Reply reply(static_cast<redisReply*>(
        redisCommandArgv(context_.get(), static_cast<int>(words.size()), texts.data(), sizes.data())));
    if (!reply) lose();
    if (reply->type != REDIS_REPLY_ERROR) return reply;
    const std::string text(reply->str, static_cast<std::size_t>(reply->len));
    context_.reset();   // it may be a replica by now, or not logged in
    throw Error(errc::transport_failure, "Redis at " + place() + " refused " + words.front() + ": " + text, Fate::not_sent);
  }

  [[noreturn]] void lose() {
    const std::string why = context_ ? context_->errstr : "out of memory";
    context_.reset();
    throw ConnectionError(errc::not_connected, "Redis at " + place() + " cannot be asked which messages were handled: " + why);
  }
  std::string place() const { return options_.host + ":" + std::to_string(options_.port); }

  const SeenInRedisOptions options_;
  std::unique_ptr<redisContext, FreeContext> context_;
};

std::string random_claim() {
  std::random_device random;
  std::string claim(running_mark);
  for (int i = 0; i < 4; ++i) claim += std::to_string(random()) + (i == 3 ? "" : "-");
  return claim;
}

class SeenInRedis final : public SeenMessages {
 public:
  explicit SeenInRedis(SeenInRedisOptions options) : connection_(std::move(options)) {}
  ~SeenInRedis() override { thread_.join(); }

  task<Handled> begin(std::string id) override {
    auto answer = on_thread<Handled>([this, id = std::move(id)] { return begin_now(id); });
    co_return co_await std::move(answer);
  }
  task<void> done(std::string id) override {
    auto answer = on_thread<bool>([this, id = std::move(id)] { return end_now(id, done_mark); });
    co_await std::move(answer);
  }
  task<void> failed(std::string id) override {
    auto answer = on_thread<bool>([this, id = std::move(id)] { return end_now(id, {}); });
    co_await std::move(answer);
  }

 private:
  /// Runs `work` on the own thread, and goes on where the caller runs.
  template <class T, class Work>
  task<T> on_thread(Work work) {
    struct Outcome {
      std::optional<T> value;
      std::exception_ptr error;
    };
    const auto outcome = std::make_shared<Outcome>();
    const auto executor = co_await asio::this_coro::executor;
    auto job = [this, outcome, executor, &work](auto handler) {
      // The handler goes on to the caller's executor whole: what it keeps alive must not end on our thread.
      asio::post(thread_, [outcome, executor, handler = std::move(handler), work = std::move(work)]() mutable {
        try {
          outcome->value = work();
        } catch (...) {
          outcome->error = std::current_exception();
        }
        asio::post(executor, [handler = std::move(handler)]() mutable { std::move(handler)(); });
      });
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(job), asio::use_awaitable);
    if (outcome->error) std::rethrow_exception(outcome->error);
    co_return std::move(*outcome->value);
  }

  std::string key(const std::string& id) const { return connection_.options().prefix + id; }

  Handled begin_now(const std::string& id) {
    const std::string lives = std::to_string(connection_.options().running_for.count());
    const Reply set = connection_.ask({"SET", key(id), claim_, "NX", "PX", lives});
    if (set->type == REDIS_REPLY_STATUS) return Handled::no;
    const Reply now = connection_.ask({"GET", key(id)});
    if (now->type == REDIS_REPLY_NIL) return Handled::running;   // it ran out this moment: the next delivery may have it
    const std::string_view mark(now->str, static_cast<std::size_t>(now->len));
    return mark == done_mark ? Handled::done : Handled::running;
  }

  bool end_now(const std::string& id, std::string_view mark) {
    const std::string lives = std::to_string(connection_.options().time_to_live.count());
    connection_.ask({"EVAL", std::string(end_script), "1", key(id), claim_, std::string(mark), lives});
    return true;
  }

  const std::string claim_ = random_claim();   // of this process
  Connection connection_;                      // the thread's
  asio::thread_pool thread_{1};
};

}  // namespace

std::shared_ptr<SeenMessages> seen_in_redis(SeenInRedisOptions options) {
  return std::make_shared<SeenInRedis>(std::move(options));
}

}  // namespace ferry
