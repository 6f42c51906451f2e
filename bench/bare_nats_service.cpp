// What nats.c alone does with the same bytes: answers where the request says.

#include <cstdio>
#include <exception>

#include "bare_nats.hpp"
#include "envelope.hpp"

int main(int argc, char** argv) {
  try {
    const bench::Place place(argc, argv);
    bench::Answers answers;
    bench::NatsLoop loop(place.port, "*");   // sum, echo, event, count: in the order they came
    place.print_ready();
    for (;;) {
      loop.turn([&](natsMsg* message) {
        const std::string_view answer = answers.to(bench::body_of(message));
        if (!answer.empty()) loop.publish(natsMsg_GetReply(message), nullptr, answer);
      });
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
