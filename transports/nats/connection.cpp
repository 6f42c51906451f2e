#include "transports/nats/connection.hpp"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>
#include <unordered_map>

#include "transports/nats/error.hpp"

namespace ferry::nats {
namespace {

/// Whom the library's error handler speaks of. It is called late, on a thread of the library: a number is still valid
/// then, or known not to be.
class Register {
 public:
  static Register& instance() {
    static Register& all = *new Register;   // the library's threads may outlive statics
    return all;
  }
  std::uintptr_t add(const std::weak_ptr<Connection>& connection) {
    const std::lock_guard lock(mutex_);
    connections_.emplace(++last_, connection);
    return last_;
  }
  void remove(std::uintptr_t key) {
    const std::lock_guard lock(mutex_);
    connections_.erase(key);
  }
  std::shared_ptr<Connection> find(std::uintptr_t key) {
    const std::lock_guard lock(mutex_);
    const auto found = connections_.find(key);
    return found == connections_.end() ? nullptr : found->second.lock();
  }

 private:
  std::mutex mutex_;
  std::uintptr_t last_ = 0;
  std::unordered_map<std::uintptr_t, std::weak_ptr<Connection>> connections_;
};

std::size_t digits(std::size_t number) noexcept {
  std::size_t count = 1;
  for (; number >= 10; number /= 10) ++count;
  return count;
}

/// Exactly what the library will write: PUB or HPUB, the lengths, the blanks and the line ends.
std::size_t size_on_wire(const Outgoing& message) noexcept {
  const bool with_headers = message.headers != nullptr && !message.headers->empty();
  const std::size_t headers = with_headers ? wire_size(*message.headers) : 0;
  std::size_t size = std::strlen(message.subject) + message.body.size() + headers + digits(message.body.size() + headers) + 9;
  if (message.reply != nullptr) size += std::strlen(message.reply) + 1;
  if (with_headers) size += 2 + digits(headers);
  return size;
}

}  // namespace

// --- life -----------------------------------------------------------------------------------------------------------

std::shared_ptr<Connection> Connection::make(const spi::Loop& loop, const LinkSettings& settings) {
  const std::shared_ptr<Connection> made(new Connection(loop, settings));
  made->key_ = Register::instance().add(made);
  return made;
}

Connection::Connection(const spi::Loop& loop, const LinkSettings& settings)
    : loop_(loop),
      tls_(settings.tls.has_value()),
      max_send_bytes_(settings.max_send_bytes),
      library_bytes_(std::size_t{settings.tls ? 32u : 256u} << 10) {}

Connection::~Connection() {
  Register::instance().remove(key_);
  if (descriptor_number_ >= 0) ::close(descriptor_number_);
  natsConnection_Destroy(handle_);
}

natsStatus Connection::install(natsOptions* options) {
  natsStatus status = natsOptions_SetEventLoop(options, this, &attach, &read_event, &write_event, &detach);
  if (status == NATS_OK) status = natsOptions_SetSendAsap(options, true);   // else a thread holds each message for 1 ms
  if (status == NATS_OK) status = natsOptions_SetErrorHandler(options, &error_event, reinterpret_cast<void*>(key_));
  return status;
}

void Connection::open(natsConnection* handle, Owner& owner) {
  handle_ = handle;
  owner_ = &owner;
  natsStatistics* statistics = nullptr;
  if (natsStatistics_Create(&statistics) == NATS_OK) statistics_.reset(statistics);
  max_payload_ = natsConnection_GetMaxPayload(handle);
  std::array<char, 1024> url{};
  if (natsConnection_GetConnectedUrl(handle, url.data(), url.size()) == NATS_OK) url_ = without_secrets(url.data());
  descriptor_.emplace(loop_.executor(), std::exchange(descriptor_number_, -1));
  record_timer_.emplace(loop_.executor());
  if (tls_) {
    // Writable then means that what we write at a time fits, and does not block in the library.
    const int space = 512 * 1024;
    ::setsockopt(descriptor_->native_handle(), SOL_SOCKET, SO_SNDBUF, &space, sizeof(space));
    ::setsockopt(descriptor_->native_handle(), SOL_SOCKET, SO_RCVBUF, &space, sizeof(space));   // more than a record
  }
  wait_readable();
}

std::vector<std::string> Connection::known_servers() const {
  std::vector<std::string> servers;
  char** list = nullptr;
  int count = 0;
  if (natsConnection_GetServers(handle_, &list, &count) != NATS_OK) return servers;
  for (int i = 0; i < count; ++i) {
    servers.emplace_back(list[i]);
    std::free(list[i]);
  }
  std::free(list);
  return servers;
}

void Connection::end() {
  owner_ = nullptr;
  shut();
}

/// After this nothing is posted, and the library has let go.
void Connection::shut() {
  const auto self = shared_from_this();
  ended_.store(true, std::memory_order_release);
  silence();
  if (handle_ != nullptr && !natsConnection_IsClosed(handle_)) {
    // With bytes unsent it would wait for the server to take them: so first it learns that there is no server.
    if (descriptor_ && natsConnection_Buffered(handle_) > 0) {
      ::shutdown(descriptor_->native_handle(), SHUT_RDWR);
      for (int reads = 0; reads < 1000 && !natsConnection_IsClosed(handle_); ++reads) natsConnection_ProcessReadEvent(handle_);
    }
    natsConnection_Close(handle_);
  }
  descriptor_.reset();
  record_timer_.reset();
  end_timer_.reset();
  spent_.clear();
  std::vector<std::function<void()>> writers;
  {
    const std::lock_guard lock(held_mutex_);
    held_messages_.clear();
    held_bytes_ = 0;
    writers.swap(writers_);
  }
  for (auto& ready : writers) loop_.post(std::move(ready));
  for (auto& [number, done] : std::exchange(round_trips_, {})) {
    loop_.post([done = std::move(done)] { done(NATS_CONNECTION_CLOSED); });
  }
  if (ending_) loop_.post(std::exchange(ending_, nullptr));
}

void Connection::end_gently(std::chrono::milliseconds limit, std::function<void()> done) {
  owner_ = nullptr;
  if (ended()) return loop_.post(std::move(done));
  ending_ = std::move(done);
  end_timer_.emplace(loop_.executor(), limit);
  end_timer_->async_wait([self = weak_from_this()](std::error_code error) {
    if (const auto connection = self.lock(); connection && !error) connection->end();
  });
  hold(false);
  end_if_handed_over();
}

/// A server that has answered a ping has everything that was sent before it. (A reset might destroy it otherwise.)
void Connection::end_if_handed_over() {
  if (!ending_ || !end_timer_ || !round_trips_.empty()) return;
  {
    const std::lock_guard lock(held_mutex_);
    if (!held_messages_.empty()) return;
  }
  round_trip(std::chrono::hours(1), [self = shared_from_this()](natsStatus) { self->end(); });
}

void Connection::lose() {
  if (ended()) return;
  Owner* owner = std::exchange(owner_, nullptr);
  const char* text = nullptr;
  const natsStatus status = natsConnection_GetLastError(handle_, &text);
  Failure why(status == NATS_OK ? make_error_code(errc::connection_lost) : make_code(status), "the connection to " + url_ + " ended");
  if (status != NATS_OK) why.detail += std::string(": ") + natsStatus_GetText(status);
  if (text != nullptr && *text != '\0') why.detail += std::string(": ") + text;
  shut();
  if (owner != nullptr) owner->on_gone(why);
}

// --- what the library calls -----------------------------------------------------------------------------------------

/// On the connecting thread. The library closes its socket before it says so: what the loop waits on is a duplicate.
natsStatus Connection::attach(void** data, void* loop, natsConnection*, natsSock descriptor) {
  auto* const self = static_cast<Connection*>(loop);
  self->descriptor_number_ = ::dup(descriptor);
  if (self->descriptor_number_ < 0) return NATS_SYS_ERROR;
  *data = new std::shared_ptr<Connection>(self->shared_from_this());
  return NATS_OK;
}

natsStatus Connection::read_event(void*, bool) { return NATS_OK; }

/// On any thread, with the library's lock held.
natsStatus Connection::write_event(void* data, bool add) {
  Connection& self = **static_cast<std::shared_ptr<Connection>*>(data);
  self.write_wanted_.store(add, std::memory_order_release);
  if (add) self.wake();
  return NATS_OK;
}

/// On any thread: once, after `attach`. The library's last call, but for error_event.
natsStatus Connection::detach(void* data) {
  const std::unique_ptr<std::shared_ptr<Connection>> self(static_cast<std::shared_ptr<Connection>*>(data));
  (*self)->wake();
  return NATS_OK;
}

void Connection::error_event(natsConnection* handle, natsSubscription*, natsStatus status, void* key) {
  const auto self = Register::instance().find(reinterpret_cast<std::uintptr_t>(key));
  if (!self) return;
  const char* text = nullptr;
  natsConnection_GetLastError(handle, &text);
  Failure failure = driver_failure(status, "the server refused something");
  if (text != nullptr && *text != '\0') failure.detail += std::string(": ") + text;
  const std::lock_guard lock(self->wake_mutex_);
  if (self->silent_) return;
  self->loop_.post([self, failure = std::move(failure)] {
    if (self->owner_ != nullptr) self->owner_->on_server_error(failure);
  });
}

/// The turn that runs writes when it ends; otherwise one is posted.
void Connection::wake() {
  const std::lock_guard lock(wake_mutex_);
  if (silent_ || (loop_.in_loop() && in_turn_) || std::exchange(wake_posted_, true)) return;
  loop_.post([self = shared_from_this()] { self->turn(); });
}

void Connection::silence() {
  const std::lock_guard lock(wake_mutex_);
  silent_ = true;
}

void Connection::turn() {
  {
    const std::lock_guard lock(wake_mutex_);
    wake_posted_ = false;
  }
  if (handle_ == nullptr || ended()) return;   // not opened yet: `open` looks for itself
  if (natsConnection_IsClosed(handle_)) return lose();
  flush();
}

// --- in -------------------------------------------------------------------------------------------------------------

void Connection::hold(bool held) {
  held_ = held;
  wait_readable();
}

void Connection::wait_readable() {
  if (waiting_readable_ || !may_read() || ended()) return;
  waiting_readable_ = true;
  descriptor_->async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](std::error_code error) {
    self->waiting_readable_ = false;
    if (!error) self->readable();
  });
}

void Connection::readable() {
  if (ended() || !may_read()) return;
  if (tls_ && !tls_record_is_complete()) return wait_for_record();
  read();
}

void Connection::read() {
  record_waits_ = 0;
  in_turn_ = true;
  natsConnection_ProcessReadEvent(handle_);
  const bool closed = natsConnection_IsClosed(handle_);
  count_arrived();
  if (owner_ != nullptr) owner_->on_input();   // also what came before the end
  in_turn_ = false;
  if (ended()) return;
  if (closed) return lose();
  flush();
  spent_.tidy();
  wait_readable();
}

void Connection::count_arrived() {
  const std::uint64_t before = messages_in_;
  const bool known = natsConnection_GetStats(handle_, statistics_.get()) == NATS_OK &&
                     natsStatistics_GetCounts(statistics_.get(), &messages_in_, nullptr, nullptr, nullptr, nullptr) == NATS_OK;
  arrived_ = known ? messages_in_ - before : std::uint64_t{1} << 32;
}

/// The library blocks in the middle of a TLS record, until the rest comes. So it is given only whole ones.
bool Connection::tls_record_is_complete() {
  constexpr int header_size = 5;
  std::array<unsigned char, header_size> header{};
  const int socket = descriptor_->native_handle();
  const auto peeked = ::recv(socket, header.data(), header.size(), MSG_PEEK | MSG_DONTWAIT);
  if (peeked == 0 || (peeked < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) return true;   // the end
  int available = 0;
  if (peeked != header_size || ::ioctl(socket, FIONREAD, &available) != 0) return false;
  return available >= header_size + header[3] * 256 + header[4];
}

/// Looks again soon, then less and less often. In the end the library reads all the same: a system whose receive buffer
/// is full of small pieces may wait for us, as we wait for it.
void Connection::wait_for_record() {
  if (record_waits_ == most_record_waits) return read();
  const auto delay = std::chrono::microseconds(100) * (1 << std::min(record_waits_++, 9));
  waiting_readable_ = true;
  record_timer_->expires_after(delay);
  record_timer_->async_wait([self = shared_from_this()](std::error_code error) {
    self->waiting_readable_ = false;
    if (!error) self->readable();
  });
}

// --- out ------------------------------------------------------------------------------------------------------------

bool Connection::publish(const Outgoing& message, Failure& failure) {
  const bool with_headers = message.headers != nullptr && !message.headers->empty();
  const std::size_t payload = message.body.size() + (with_headers ? wire_size(*message.headers) : 0);
  if (static_cast<std::int64_t>(payload) > max_payload_) {
    failure = too_large(message.subject, payload, max_payload_);
    return false;
  }
  const std::size_t size = size_on_wire(message);
  const std::lock_guard lock(held_mutex_);
  if (ended()) {
    failure = Failure(errc::connection_lost, "the connection to " + url_ + " ended", Fate::not_sent);
    return false;
  }
  if (in_library_.load(std::memory_order_relaxed) + held_bytes_ + size > max_send_bytes_) {
    failure = Failure(errc::overloaded,
                      url_ + " does not read fast enough: " +
                          std::to_string(in_library_.load(std::memory_order_relaxed) + held_bytes_) + " bytes are queued, and " +
                          std::to_string(size) + " more exceed maxSendBufferSize (" + std::to_string(max_send_bytes_) + ")",
                      Fate::not_sent);
    return false;
  }
  if (held_messages_.empty() && in_library_.load(std::memory_order_relaxed) <= library_bytes_) {
    const natsStatus status = hand_over(message);
    if (status != NATS_OK) {
      failure = driver_failure(status, std::string("cannot publish to ") + message.subject, Fate::not_sent);
      return false;
    }
    in_library_.fetch_add(size, std::memory_order_relaxed);
  } else {
    held_messages_.push_back({message.subject, message.reply == nullptr ? "" : message.reply, std::string(message.body),
                              with_headers ? *message.headers : Headers(), size});
    held_bytes_ += size;
  }
  appended_ += size;
  queued_.store(in_library_.load(std::memory_order_relaxed) + held_bytes_, std::memory_order_relaxed);
  return true;
}

natsStatus Connection::hand_over(const Outgoing& message) {
  const int length = static_cast<int>(message.body.size());
  if (message.headers == nullptr || message.headers->empty()) {
    return message.reply == nullptr
               ? natsConnection_Publish(handle_, message.subject, message.body.data(), length)
               : natsConnection_PublishRequest(handle_, message.subject, message.reply, message.body.data(), length);
  }
  natsMsg* raw = nullptr;
  natsStatus status = natsMsg_Create(&raw, message.subject, message.reply, message.body.data(), length);
  const MessagePtr made(raw);
  for (const auto& [name, value] : *message.headers) {
    if (status == NATS_OK) status = natsMsgHeader_Add(raw, name.c_str(), value.c_str());
  }
  return status == NATS_OK ? natsConnection_PublishMsg(handle_, raw) : status;
}

void Connection::flush() {
  if (waiting_writable_ || ended() || !write_wanted_.load(std::memory_order_acquire)) return;
  if (tls_) return wait_writable();
  natsConnection_ProcessWriteEvent(handle_);   // only while it is wanted: with nothing to write it would end the connection
  if (natsConnection_IsClosed(handle_)) return lose();
  count_written();
  if (write_wanted_.load(std::memory_order_acquire)) wait_writable();
}

void Connection::wait_writable() {
  if (waiting_writable_ || ended()) return;
  waiting_writable_ = true;
  descriptor_->async_wait(asio::posix::stream_descriptor::wait_write, [self = shared_from_this()](std::error_code error) {
    self->waiting_writable_ = false;
    if (error || self->ended()) return;
    if (!self->tls_) return self->flush();
    if (!self->write_wanted_.load(std::memory_order_acquire)) return;
    natsConnection_ProcessWriteEvent(self->handle_);
    if (natsConnection_IsClosed(self->handle_)) return self->lose();
    self->count_written();
    self->flush();
  });
}

void Connection::count_written() {
  std::vector<std::function<void()>> writers;
  {
    const std::lock_guard lock(held_mutex_);
    const int buffered = natsConnection_Buffered(handle_);
    in_library_.store(static_cast<std::size_t>(std::max(0, buffered)), std::memory_order_relaxed);
    const std::uint64_t unwritten = in_library_.load(std::memory_order_relaxed) + held_bytes_;
    if (unwritten <= appended_) written_ = std::max(written_, appended_ - unwritten);
    hand_over_held();
    queued_.store(in_library_.load(std::memory_order_relaxed) + held_bytes_, std::memory_order_relaxed);
    if (writable() && !writers_.empty()) writers.swap(writers_);
  }
  choked_ = !writable();
  for (auto& ready : writers) ready();
  if (owner_ != nullptr) owner_->on_output();
  end_if_handed_over();
  wait_readable();
}

/// With the mutex held.
void Connection::hand_over_held() {
  while (!held_messages_.empty() && in_library_.load(std::memory_order_relaxed) <= library_bytes_) {
    const Held& held = held_messages_.front();
    const Outgoing message{held.subject.c_str(), held.reply.empty() ? nullptr : held.reply.c_str(), held.body, &held.headers};
    if (hand_over(message) == NATS_OK) in_library_.fetch_add(held.size, std::memory_order_relaxed);
    held_bytes_ -= held.size;
    held_messages_.pop_front();
  }
}

void Connection::when_writable(std::function<void()> ready) {
  {
    const std::lock_guard lock(held_mutex_);
    if (!writable() && !ended()) {
      writers_.push_back(std::move(ready));
      return;
    }
  }
  loop_.post(std::move(ready));
}

/// The library waits for the answer on a thread, while the loop goes on reading and writing.
void Connection::round_trip(std::chrono::milliseconds limit, std::function<void(natsStatus)> done) {
  const std::uint64_t number = ++next_round_trip_;
  round_trips_.emplace_back(number, std::move(done));
  std::thread([self = shared_from_this(), number, limit] {
    const natsStatus status = natsConnection_FlushTimeout(self->handle_, std::max<std::int64_t>(1, limit.count()));
    nats_ReleaseThreadMemory();
    const std::lock_guard lock(self->wake_mutex_);
    if (!self->silent_) self->loop_.post([self, number, status] { self->finish_round_trip(number, status); });
  }).detach();
}

void Connection::finish_round_trip(std::uint64_t number, natsStatus status) {
  const auto found = std::find_if(round_trips_.begin(), round_trips_.end(),
                                  [number](const auto& each) { return each.first == number; });
  if (found == round_trips_.end()) return;
  const auto done = std::move(found->second);
  round_trips_.erase(found);
  done(status);
}

}  // namespace ferry::nats
