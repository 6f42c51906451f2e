#include "transports/common/net/dialer.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <asio/error.hpp>
#include <asio/local/stream_protocol.hpp>

#include "transports/common/net/error.hpp"

namespace ferry::net {

using std::chrono::milliseconds;

Dialer::Dialer(const spi::Loop& loop, Place place, milliseconds limit, std::string url, Done done)
    : place_(std::move(place)),
      limit_(limit),
      url_(std::move(url)),
      done_(std::move(done)),
      resolver_(loop.executor()),
      timer_(loop.executor()),
      socket_(loop.executor()) {}

void Dialer::start() {
  if (!done_) return;
  deadline_ = Clock::now() + limit_;
  if (place_.path.empty()) return resolve();
  endpoints_.emplace_back(asio::local::stream_protocol::endpoint(place_.path));
  try_next();
}

void Dialer::cancel() {
  done_ = nullptr;
  resolver_.cancel();
  timer_.cancel();
  std::error_code ignored;
  socket_.close(ignored);
}

void Dialer::resolve() {
  std::error_code is_name;
  const asio::ip::address address = asio::ip::make_address(place_.host, is_name);
  if (!is_name) {
    endpoints_.emplace_back(asio::ip::tcp::endpoint(address, place_.port));
    return try_next();
  }
  auto self = shared_from_this();
  timer_.expires_at(deadline_);
  timer_.async_wait([self](const std::error_code& cancelled) {
    // The system's resolver cannot be interrupted: leave it to itself.
    if (!cancelled && self->endpoints_.empty()) self->give_up({ETIMEDOUT, std::system_category()});
  });
  resolver_.async_resolve(
      place_.host, std::to_string(place_.port), asio::ip::resolver_base::numeric_service,
      [self](const std::error_code& error, const asio::ip::tcp::resolver::results_type& found) {
        if (!self->done_) return;
        if (error) return self->give_up(error);
        for (const auto& entry : found) self->endpoints_.emplace_back(entry.endpoint());
        self->try_next();
      });
}

/// Each address gets an equal share of the time that is left.
void Dialer::try_next() {
  if (next_ == endpoints_.size()) return give_up(last_error_);
  const auto left = static_cast<Clock::rep>(endpoints_.size() - next_);
  const Endpoint& endpoint = endpoints_[next_++];
  const Clock::time_point now = Clock::now();
  std::error_code ignored;
  socket_.close(ignored);
  socket_.open(endpoint.protocol(), ignored);   // if it cannot, connecting says why
  if (socket_.is_open()) keep_from_children(socket_.native_handle());
  timed_out_ = false;
  timer_.expires_at(now + std::max(Clock::duration(1), (deadline_ - now) / left));
  timer_.async_wait([self = shared_from_this(), attempt = next_](const std::error_code& cancelled) {
    if (cancelled || attempt != self->next_ || !self->done_) return;
    self->timed_out_ = true;
    std::error_code none;
    self->socket_.close(none);
  });
  socket_.async_connect(endpoint,
                        [self = shared_from_this()](const std::error_code& error) { self->on_connected(error); });
}

void Dialer::on_connected(const std::error_code& error) {
  if (!done_) return;
  if (error) {
    last_error_ = timed_out_ ? std::error_code(ETIMEDOUT, std::system_category()) : error;
    return try_next();
  }
  if (!socket_.is_open()) {   // the time was up when it was connected already
    last_error_ = {ETIMEDOUT, std::system_category()};
    return try_next();
  }
  timer_.cancel();
  prepare_socket(socket_, place_.no_delay, place_.keep_alive);
  const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now());
  std::exchange(done_, nullptr)(nullptr, std::move(socket_), std::max(left, milliseconds(1)));
}

void Dialer::give_up(const std::error_code& error) {
  if (!done_) return;
  timer_.cancel();
  resolver_.cancel();
  const Failure failure(plain(error), "cannot connect to " + url_ + ": " + reason(error), Fate::not_sent);
  std::exchange(done_, nullptr)(&failure, std::move(socket_), milliseconds(0));
}

}  // namespace ferry::net
