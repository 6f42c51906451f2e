// What rabbitmq-c alone does with the same bytes: answers over direct reply-to.

#include <cstdio>
#include <exception>

#include "bare_rmq.hpp"
#include "envelope.hpp"

int main(int argc, char** argv) {
  try {
    const bench::Place place(argc, argv);
    bench::RmqLink link(place.port);
    bench::Answers answers;
    link.consume(bench::rmq_queue);
    place.print_ready();
    for (amqp_envelope_t envelope;;) {
      link.next(envelope);
      const std::string_view answer = answers.to(bench::RmqLink::text(envelope.message.body));
      const amqp_basic_properties_t& request = envelope.message.properties;
      if (!answer.empty()) link.publish(bench::RmqLink::text(request.reply_to), answer, request.correlation_id, nullptr);
      amqp_destroy_envelope(&envelope);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
