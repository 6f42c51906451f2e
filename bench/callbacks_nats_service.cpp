// nats.c as its examples use it: a callback that answers.

#include <cstdio>
#include <exception>

#include <unistd.h>

#include "bare_nats.hpp"
#include "envelope.hpp"

namespace {

void on_message(natsConnection* connection, natsSubscription*, natsMsg* message, void* closure) {
  const std::string_view answer = static_cast<bench::Answers*>(closure)->to(bench::body_of(message));
  if (!answer.empty()) {
    natsConnection_Publish(connection, natsMsg_GetReply(message), answer.data(), static_cast<int>(answer.size()));
  }
  natsMsg_Destroy(message);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bench::Place place(argc, argv);
    bench::Answers answers;
    const bench::NatsOptions options = bench::nats_options(place.port);
    bench::check(natsOptions_SetSendAsap(options.get(), place.in_flight <= 16));
    natsConnection* connection = nullptr;
    bench::check(natsConnection_Connect(&connection, options.get()));
    natsSubscription* subscription = nullptr;
    bench::check(natsConnection_Subscribe(&subscription, connection, "*", on_message, &answers));
    bench::check(natsSubscription_SetPendingLimits(subscription, -1, -1));
    bench::check(natsConnection_Flush(connection));
    place.print_ready();
    for (;;) pause();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
