// What rabbitmq-c alone does with the same bytes: keeps so many requests, or events that the broker has not confirmed, in flight.

#include <cstdio>
#include <exception>

#include "bare_rmq.hpp"
#include "envelope.hpp"

namespace {

constexpr const char* reply_to = "amq.rabbitmq.reply-to";

/// How many messages the broker has confirmed next: of one queue it confirms them in order.
std::size_t confirmed(bench::RmqLink& link, std::uint64_t& last) {
  amqp_frame_t frame;
  for (;;) {
    amqp_maybe_release_buffers(link.raw());
    if (amqp_simple_wait_frame(link.raw(), &frame) != AMQP_STATUS_OK) throw std::runtime_error("RabbitMQ is gone");
    if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD) continue;
    const auto& ack = *static_cast<amqp_basic_ack_t*>(frame.payload.method.decoded);
    const auto count = static_cast<std::size_t>(ack.delivery_tag > last ? ack.delivery_tag - last : 0);
    last = ack.delivery_tag;
    return count;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  try {
    bench::RmqLink link(job.port);
    bench::Requests requests(job);
    bench::Window window(job);
    const amqp_bytes_t correlation = amqp_cstring_bytes("c3591bb2c1c673e665d1a");
    link.consume(reply_to);
    if (job.event()) {
      bench::RmqLink publisher(job.port);
      publisher.confirms();
      std::uint64_t sent = 0;
      std::uint64_t last = 0;
      const auto next = [&] {
        publisher.publish(bench::rmq_queue, requests.event(), amqp_empty_bytes, nullptr);
        ++sent;
      };
      for (std::size_t i = 0; i < job.in_flight; ++i) next();
      while (!window.over()) {
        for (std::size_t count = confirmed(publisher, last); count > 0 && window.completed(); --count) next();
      }
      while (last < sent) confirmed(publisher, last);   // they are in the queue, before the question
      link.publish(bench::rmq_queue, requests.count(), correlation, reply_to);
    } else {
      for (std::size_t i = 0; i < job.in_flight; ++i) link.publish(bench::rmq_queue, requests.request(), correlation, reply_to);
    }
    for (bool over = false; !over;) {
      amqp_envelope_t envelope;
      link.next(envelope);
      const std::string_view reply = bench::RmqLink::text(envelope.message.body);
      if (job.event()) {
        requests.check_count(reply);
        window.close();
        over = true;
      } else {
        requests.check(reply);
        if (window.completed()) link.publish(bench::rmq_queue, requests.request(), correlation, reply_to);
        else over = true;
      }
      amqp_destroy_envelope(&envelope);
    }
    window.print();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
