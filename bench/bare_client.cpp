// What Asio alone does with the same bytes: keeps so many requests in flight, one gathered write for all that a read ended.

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>

#include "bare.hpp"
#include "load.hpp"

namespace {

using asio::ip::tcp;

class Load {
 public:
  Load(asio::io_context& io, const bench::Job& job) : job_(job), window_(job), socket_(io) {
    socket_.connect({asio::ip::address_v4::loopback(), job.port});
    socket_.set_option(tcp::no_delay(true));
    const std::string_view pattern = job.event() ? "event" : job.name == "raw" ? "echo" : std::string_view(job.name);
    head_ = std::string(R"({"pattern":")").append(pattern).append(R"(","data":)");
    reply_size_ = std::string_view(R"({"response":,"isDisposed":true,"id":"012345678901234567890"})").size() + job.reply().size();
  }

  void start() {
    read();
    if (job_.event()) return emit();
    for (std::size_t i = 0; i < job_.in_flight; ++i) request(head_, job_.payload);
    flush();
  }
  const bench::Window& window() const { return window_; }

 private:
  void request(std::string_view head, std::string_view payload) {
    char id[] = R"(,"id":"aaaaaaaaaa00000000000"})";
    char* const digits = id + sizeof(R"(,"id":"aaaaaaaaaa)") - 1;
    std::uint64_t key = ++last_id_;
    for (int i = 10; i >= 0; --i, key >>= 4) digits[i] = "0123456789abcdef"[key & 15];
    append(head, payload, {id, sizeof(id) - 1});
  }

  void append(std::string_view head, std::string_view payload, std::string_view tail) {
    filling_->append_length(head.size() + payload.size() + tail.size());
    filling_->append(head);
    filling_->append_large(payload);
    filling_->append(tail);
  }

  /// Events: the next ones when these were taken by the system.
  void emit() {
    bool more = true;
    for (std::size_t i = 0; i < job_.in_flight && more; ++i) {
      append(head_, job_.payload, "}");
      ++emitted_;
      more = window_.completed();
    }
    if (!more) request(R"({"pattern":"count","data":)", "0");
    flush();
  }

  void flush() {
    if (writing_ || filling_->empty()) return;
    writing_ = true;
    std::swap(filling_, leaving_);
    asio::async_write(socket_, leaving_->buffers(), [this](const std::error_code& error, std::size_t) {
      if (error) throw std::system_error(error);
      writing_ = false;
      leaving_->clear();
      if (job_.event() && !window_.over()) return emit();
      flush();
    });
  }

  void read() {
    socket_.async_read_some(in_.room(), [this](const std::error_code& error, std::size_t bytes) {
      if (error) throw std::system_error(error);
      in_.commit(bytes);
      std::string_view rest = in_.unread();
      const std::size_t before = rest.size();
      while (const auto body = bench::next_packet(rest)) {
        if (job_.event()) return ended(*body);
        if (body->size() != reply_size_) throw std::runtime_error("not the reply that was expected");
        if (!window_.completed()) return;
        request(head_, job_.payload);
      }
      in_.consume(before - rest.size());
      flush();
      read();
    });
  }

  void ended(std::string_view body) {
    if (body.find("\"response\":" + std::to_string(emitted_) + ',') == body.npos) {
      throw std::runtime_error("not all events came");
    }
    window_.close();
    socket_.close();
  }

  const bench::Job& job_;
  bench::Window window_;
  tcp::socket socket_;
  std::string head_;
  std::size_t reply_size_ = 0;
  bench::Inbox in_;
  bench::Gather gathers_[2];
  bench::Gather* filling_ = &gathers_[0];
  bench::Gather* leaving_ = &gathers_[1];
  bool writing_ = false;
  std::uint64_t last_id_ = 0;
  std::uint64_t emitted_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  try {
    asio::io_context io(1);
    Load load(io, job);
    load.start();
    while (!(job.event() ? io.stopped() : load.window().over()) && io.run_one() != 0) {}
    load.window().print();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
