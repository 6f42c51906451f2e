#include "gate.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include <asio.hpp>

#include "await.hpp"

namespace ferry::test {
namespace {

using asio::ip::tcp;

struct Settings {
  bool stalled = false;
  std::size_t piece = 0;
};

/// Bytes that have passed.
struct Traffic {
  std::size_t up = 0;
  std::size_t down = 0;
};

/// Both directions of one connection.
class Link : public std::enable_shared_from_this<Link> {
 public:
  Link(tcp::socket client, asio::io_context& context, const Settings& settings, Watched<Traffic>& traffic)
      : client_(std::move(client)), server_(context), settings_(settings), traffic_(traffic) {}

  void start(std::uint16_t port) {
    server_.async_connect({asio::ip::address_v4::loopback(), port}, [self = shared_from_this()](std::error_code error) {
      if (error) return self->cut();
      std::error_code ignored;
      self->client_.set_option(tcp::no_delay(true), ignored);
      self->server_.set_option(tcp::no_delay(true), ignored);
      self->up_.pump(self, self->client_, self->server_);
      self->down_.pump(self, self->server_, self->client_);
    });
  }
  void cut() {
    std::error_code ignored;
    for (tcp::socket* socket : {&client_, &server_}) {
      socket->set_option(asio::socket_base::linger(true, 0), ignored);   // a reset, not a farewell
      socket->close(ignored);
    }
    up_.waiting = nullptr;   // it holds us
    down_.waiting = nullptr;
  }
  void go_on() {
    up_.go_on();
    down_.go_on();
  }

 private:
  struct Direction {
    std::array<char, 16384> buffer;
    std::function<void()> waiting;

    void pump(const std::shared_ptr<Link>& link, tcp::socket& from, tcp::socket& to) {
      if (link->settings_.stalled) {
        waiting = [this, link, &from, &to] { pump(link, from, to); };
        return;
      }
      const std::size_t size = link->settings_.piece == 0 ? buffer.size() : std::min(buffer.size(), link->settings_.piece);
      from.async_read_some(asio::buffer(buffer.data(), size), [this, link, &from, &to](std::error_code error, std::size_t n) {
        std::error_code ignored;
        if (error == asio::error::eof) return static_cast<void>(to.shutdown(tcp::socket::shutdown_send, ignored));
        if (error) return link->cut();
        write(link, from, to, n);
      });
    }
    void write(const std::shared_ptr<Link>& link, tcp::socket& from, tcp::socket& to, std::size_t n) {
      if (link->settings_.stalled) {
        waiting = [this, link, &from, &to, n] { write(link, from, to, n); };
        return;
      }
      asio::async_write(to, asio::buffer(buffer.data(), n), [this, link, &from, &to](std::error_code error, std::size_t bytes) {
        if (error) return link->cut();
        link->traffic_.change([&](Traffic& all) { (this == &link->up_ ? all.up : all.down) += bytes; });
        pump(link, from, to);
      });
    }
    void go_on() {
      if (waiting) std::exchange(waiting, nullptr)();
    }
  };

  tcp::socket client_;
  tcp::socket server_;
  const Settings& settings_;
  Watched<Traffic>& traffic_;
  Direction up_;
  Direction down_;
};

}  // namespace

struct Gate::Impl {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  tcp::acceptor acceptor{context};
  std::uint16_t target = 0;
  Settings settings;
  Watched<Traffic> traffic;
  std::set<std::shared_ptr<Link>> links;
  Counter accepted;
  std::thread thread;

  void accept() {
    acceptor.async_accept([this](std::error_code error, tcp::socket socket) {
      if (error) return;
      accepted.add();
      auto link = std::make_shared<Link>(std::move(socket), context, settings, traffic);
      links.insert(link);
      link->start(target);
      accept();
    });
  }
};

Gate::Gate(std::uint16_t target_port, std::uint16_t port) : impl_(std::make_unique<Impl>()) {
  impl_->target = target_port;
  impl_->acceptor.open(tcp::v4());
  impl_->acceptor.set_option(tcp::acceptor::reuse_address(true));
  impl_->acceptor.bind({asio::ip::address_v4::loopback(), port});
  impl_->acceptor.listen();
  impl_->accept();
  impl_->thread = std::thread([impl = impl_.get()] { impl->context.run(); });
}

Gate::~Gate() {
  asio::post(impl_->context, [this] {
    std::error_code ignored;
    impl_->acceptor.close(ignored);
    for (const auto& link : impl_->links) link->cut();
    impl_->links.clear();
    impl_->context.stop();
  });
  impl_->thread.join();
}

std::uint16_t Gate::port() const noexcept { return impl_->acceptor.local_endpoint().port(); }

void Gate::cut() {
  asio::post(impl_->context, [this] {
    for (const auto& link : impl_->links) link->cut();
    impl_->links.clear();
  });
}

void Gate::stall(bool stalled) {
  asio::post(impl_->context, [this, stalled] {
    impl_->settings.stalled = stalled;
    if (!stalled) {
      for (const auto& link : impl_->links) link->go_on();
    }
  });
}

void Gate::piece(std::size_t bytes) {
  asio::post(impl_->context, [this, bytes] { impl_->settings.piece = bytes; });
}

int Gate::accepted() const { return impl_->accepted.get(); }

bool Gate::accepts(int connections) const { return impl_->accepted.reaches(connections); }

bool Gate::carries(std::size_t bytes) const {
  const Traffic before = impl_->traffic.get();
  return impl_->traffic.wait([&](const Traffic& now) { return now.up >= before.up + bytes && now.down >= before.down + bytes; });
}

std::uint16_t free_port() {
  static std::atomic<unsigned> next{static_cast<unsigned>(getpid()) * 37U};
  asio::io_context context;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto port = static_cast<std::uint16_t>(20000 + next++ % 12000);   // the system's own range starts at 32768
    std::error_code error;
    tcp::acceptor probe(context);
    probe.open(tcp::v4());
    probe.bind({asio::ip::address_v4::loopback(), port}, error);
    if (!error) return port;
  }
  throw std::runtime_error("no free port");
}

}  // namespace ferry::test
