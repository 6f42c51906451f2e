// nats.c as its examples use it: callbacks that send. Up to 16 in flight each message is written at once; beyond, and for
// events, its flusher thread gathers them.

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>

#include "bare_nats.hpp"
#include "envelope.hpp"

namespace {

struct Load {
  explicit Load(const bench::Job& its_job) : job(its_job), requests(its_job), window(its_job) {}

  void next() {
    const std::string_view body = requests.request();
    bench::check(natsConnection_PublishRequest(connection.get(), requests.route().c_str(), inbox.c_str(), body.data(),
                                               static_cast<int>(body.size())));
  }
  void take(std::string_view reply) {
    if (over) return;
    if (job.event()) {
      requests.check_count(reply);
      window.close();
    } else {
      requests.check(reply);
      if (window.completed()) return next();
    }
    end();
  }
  void end(const char* why = "") {
    const std::lock_guard lock(mutex);
    failure = why;
    over = true;
    ended.notify_one();
  }

  const bench::Job& job;
  const std::string inbox = "_INBOX.bench" + std::to_string(getpid());
  bench::Requests requests;
  bench::Window window;
  bench::NatsConnection connection;
  std::mutex mutex;
  std::condition_variable ended;
  bool over = false;   // changed under the mutex; read without by the thread that changes it
  std::string failure;
};

void on_reply(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
  auto* load = static_cast<Load*>(closure);
  try {
    load->take(bench::body_of(message));
  } catch (const std::exception& error) {
    load->end(error.what());
  }
  natsMsg_Destroy(message);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  try {
    Load load(job);
    const bench::NatsOptions options = bench::nats_options(job.port);
    bench::check(natsOptions_SetSendAsap(options.get(), !job.event() && job.in_flight <= 16));
    natsConnection* connection = nullptr;
    bench::check(natsConnection_Connect(&connection, options.get()));
    load.connection.reset(connection);
    natsSubscription* subscription = nullptr;
    bench::check(natsConnection_Subscribe(&subscription, connection, load.inbox.c_str(), on_reply, &load));
    bench::check(natsSubscription_SetPendingLimits(subscription, -1, -1));
    bench::check(natsConnection_Flush(connection));
    if (job.event()) {
      bool more = true;
      while (more) {
        const std::string_view body = load.requests.event();
        bench::check(natsConnection_Publish(connection, "event", body.data(), static_cast<int>(body.size())));
        more = load.window.completed();
      }
      const std::string_view body = load.requests.count();
      bench::check(natsConnection_PublishRequest(connection, "count", load.inbox.c_str(), body.data(),
                                                 static_cast<int>(body.size())));
    } else {
      // One message may be answered before the next is made: the first goes alone, and its callback's thread sends the rest.
      std::string first[256];
      const std::size_t count = std::min<std::size_t>(job.in_flight, 256);
      for (std::size_t i = 0; i < count; ++i) first[i] = load.requests.request();
      for (std::size_t i = 0; i < count; ++i) {
        bench::check(natsConnection_PublishRequest(connection, load.requests.route().c_str(), load.inbox.c_str(),
                                                   first[i].data(), static_cast<int>(first[i].size())));
      }
    }
    std::unique_lock lock(load.mutex);
    load.ended.wait(lock, [&] { return load.over; });
    if (!load.failure.empty()) throw std::runtime_error(load.failure);
    load.window.print();
    std::fflush(stdout);
    std::_Exit(0);   // nats.c would wait for its threads
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::_Exit(1);
  }
}
