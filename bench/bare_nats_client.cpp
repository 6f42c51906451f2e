// What nats.c alone does with the same bytes: keeps so many requests in flight, or as many events in each write.

#include <cstdio>
#include <exception>

#include "bare_nats.hpp"
#include "envelope.hpp"

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  try {
    bench::Requests requests(job);
    bench::Window window(job);
    const std::string inbox = "_INBOX.bench" + std::to_string(getpid());
    bench::NatsLoop loop(job.port, inbox);
    bool over = false;
    const auto next = [&] { loop.publish(requests.route().c_str(), inbox.c_str(), requests.request()); };
    const auto emit = [&] {
      bool more = true;
      for (std::size_t i = 0; i < job.in_flight && more; ++i) {
        loop.publish("event", nullptr, requests.event());
        more = window.completed();
      }
      if (!more) loop.publish("count", inbox.c_str(), requests.count());
      loop.write();
    };
    const auto take = [&](natsMsg* message) {
      if (job.event()) {
        requests.check_count(bench::body_of(message));
        window.close();
        over = true;
      } else if (!over) {
        requests.check(bench::body_of(message));
        window.completed() ? next() : static_cast<void>(over = true);
      }
    };
    if (!job.event()) {
      for (std::size_t i = 0; i < job.in_flight; ++i) next();
      loop.write();
    }
    while (!over) {
      if (job.event() && !window.over() && loop.written()) {
        emit();
      } else {
        loop.turn(take);
      }
    }
    window.print();
    std::fflush(stdout);
    std::_Exit(0);   // nats.c would wait for its threads
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
