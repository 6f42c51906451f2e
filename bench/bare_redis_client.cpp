// What hiredis alone does with the same bytes: keeps so many requests, or publishes that Redis has not confirmed, in flight.

#include <cstdio>
#include <exception>

#include "bare_redis.hpp"
#include "envelope.hpp"

namespace {

class Load {
 public:
  Load(asio::io_context& io, const bench::Job& job)
      : job_(job), requests_(job), window_(job), publisher_(io, job.port), subscriber_(io, job.port) {
    const std::string replies = (job.event() ? "count" : requests_.route()) + ".reply";
    subscriber_.on_number = [this] { start(); };   // subscribed
    subscriber_.on_message = [this](std::string_view, std::string_view reply) { take(reply); };
    subscriber_.on_turn = [this] { publisher_.flush(); };
    if (job.event()) {
      publisher_.on_number = [this] { confirmed(); };
      publisher_.on_turn = [this] { publisher_.flush(); };
    }
    subscriber_.subscribe(replies);
    subscriber_.flush();
  }

  bool over() const { return over_; }
  const bench::Window& window() const { return window_; }

 private:
  void start() {
    for (std::size_t i = 0; i < job_.in_flight; ++i) next();
    publisher_.flush();
  }
  void next() { publisher_.publish(requests_.route(), job_.event() ? requests_.event() : requests_.request()); }

  void take(std::string_view reply) {
    if (over_) return;
    if (job_.event()) {
      requests_.check_count(reply);
      window_.close();
      over_ = true;
    } else {
      requests_.check(reply);
      if (window_.completed()) return next();
      over_ = true;
    }
  }

  /// Redis has taken an event.
  void confirmed() {
    if (window_.over()) return;
    if (window_.completed()) return next();
    publisher_.publish("count", requests_.count());
  }

  const bench::Job& job_;
  bench::Requests requests_;
  bench::Window window_;
  bench::RedisLink publisher_;
  bench::RedisLink subscriber_;
  bool over_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  try {
    asio::io_context io(1);
    Load load(io, job);
    while (!load.over() && io.run_one() != 0) {}
    load.window().print();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
