// ZeroMQ as a peer: a DEALER that keeps so many requests in flight.

#include <cstdio>
#include <string>

#include <zmq.hpp>

#include "load.hpp"

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  zmq::context_t context(1);
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, 0);
  socket.set(zmq::sockopt::linger, 0);
  socket.connect("tcp://127.0.0.1:" + std::to_string(job.port));
  const auto send = [&] { socket.send(zmq::buffer(job.payload), zmq::send_flags::none); };
  bench::Window window(job);
  for (std::size_t i = 0; i < job.in_flight; ++i) send();
  for (;;) {
    zmq::message_t reply;
    if (!socket.recv(reply)) continue;
    if (reply.size() != job.reply().size()) {
      std::fprintf(stderr, "not the reply that was expected\n");
      return 1;
    }
    if (!window.completed()) break;
    send();
  }
  window.print();
  return 0;
}
