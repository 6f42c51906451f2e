// What Paho alone does with the same bytes: callbacks that send the next request; so many requests, or events not yet written
// to the socket, in flight.

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>

#include "bare_mqtt.hpp"
#include "envelope.hpp"

namespace {

class Load {
 public:
  explicit Load(const bench::Job& job)
      : job_(job), requests_(job), window_(job), link_(job.port, "bench-client-" + std::to_string(std::rand())) {
    link_.on_message = [this](std::string_view, std::string_view reply) { guarded([&] { take(reply); }); };
    link_.on_sent = [this] { guarded([&] { sent(); }); };
    link_.connect();
    link_.subscribe({(job.event() ? "count" : requests_.route()) + "/reply"});
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (std::size_t i = 0; i < job_.in_flight; ++i) next();
    ended_.wait(lock, [&] { return over_; });
    if (!failure_.empty()) throw std::runtime_error(failure_);
    window_.print();
  }

 private:
  /// Paho calls from two threads.
  template <class F>
  void guarded(F step) {
    const std::lock_guard lock(mutex_);
    try {
      if (!over_) step();
    } catch (const std::exception& error) {
      failure_ = error.what();
      end();
    }
  }
  void next() {
    if (job_.event()) link_.publish("event", requests_.event(), true);
    else link_.publish(requests_.route(), requests_.request());
  }
  void take(std::string_view reply) {
    if (job_.event()) {
      requests_.check_count(reply);
      window_.close();
      return end();
    }
    requests_.check(reply);
    window_.completed() ? next() : end();
  }
  /// An event was written to the socket.
  void sent() {
    --pending_;
    if (!window_.over() && window_.completed()) {
      ++pending_;
      return next();
    }
    if (pending_ == 0) link_.publish("count", requests_.count());
  }
  void end() {
    over_ = true;
    ended_.notify_one();
  }

  const bench::Job& job_;
  bench::Requests requests_;
  bench::Window window_;
  bench::MqttLink link_;
  std::size_t pending_ = job_.in_flight;   // events that are not written yet
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::string failure_;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  try {
    std::srand(static_cast<unsigned>(bench::Clock::now().time_since_epoch().count()));
    Load load(job);
    load.run();
    std::fflush(stdout);
    std::_Exit(0);   // Paho would wait for its threads
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::_Exit(1);
  }
}
