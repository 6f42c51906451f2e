#include "transports/nats/connector.hpp"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "transports/nats/error.hpp"

namespace ferry::nats {
namespace {

using namespace std::chrono_literals;

/// Threads whose attempt was given up while the library still blocks in it. A server that stalls in its TLS handshake
/// must not cost a thread an attempt for ever.
std::atomic<int> stuck{0};
constexpr int most_stuck = 32;

constexpr auto slack = 2000ms;   // beyond the library's own limit for each server

struct OptionsDeleter {
  void operator()(natsOptions* options) const noexcept { natsOptions_Destroy(options); }
};

}  // namespace

Connector::Connector(const spi::Loop& loop, const LinkSettings& settings, const std::vector<std::string>& discovered)
    : loop_(loop), settings_(settings), servers_(settings.servers), connection_(Connection::make(loop, settings)) {
  const bool tls = settings.tls.has_value();
  for (const std::string& server : discovered) {
    const auto address = [](const std::string& url) { return without_secrets(url).substr(url.find("://") + 3); };
    const auto known = [&](const std::string& each) { return each == server || address(each) == address(server); };
    if (std::none_of(servers_.begin(), servers_.end(), known)) servers_.push_back(tls ? "tls://" + address(server) : server);
  }
}

std::string Connector::place() const {
  std::string all;
  for (const std::string& server : servers_) all.append(all.empty() ? "" : ", ").append(without_secrets(server));
  return all;
}

void Connector::start(Done done) {
  done_ = std::move(done);
  timer_.emplace(loop_.executor());
  if (stuck.load(std::memory_order_relaxed) >= most_stuck) {
    timer_->expires_after(0ms);
    timer_->async_wait([self = shared_from_this()](std::error_code error) {
      if (!error) self->finished(NATS_TIMEOUT, "too many attempts before this one still wait for a server", nullptr);
    });
    return;
  }
  timer_->expires_after(settings_.timeout * static_cast<int>(servers_.size()) + slack);
  timer_->async_wait([self = shared_from_this()](std::error_code error) {
    if (error) return;
    const Done tell = std::move(self->done_);
    self->cancel();
    const Failure failure(make_code(NATS_TIMEOUT), "cannot connect to " + self->place() + ": no answer in time", Fate::not_sent);
    if (tell) tell(&failure, nullptr, nullptr);
  });
  thread_ = std::thread([self = shared_from_this()] { self->run(); });
}

/// One that still blocks is left to itself; it may also be this very thread that ends us.
Connector::~Connector() {
  if (thread_.joinable()) thread_.detach();
}

void Connector::cancel() {
  forget();
  timer_.reset();
  const std::lock_guard lock(mutex_);
  if (std::exchange(given_up_, true) || ran_) return;
  stuck.fetch_add(1, std::memory_order_relaxed);
  connection_->silence();   // the thread still has it, and the loop may go
}

void Connector::end(std::chrono::milliseconds limit, std::function<void()> ended) {
  forget();
  {
    const std::lock_guard lock(mutex_);
    if (over_ || given_up_ || !thread_.joinable()) return loop_.post(std::move(ended));
  }
  ended_ = std::move(ended);
  timer_.emplace(loop_.executor(), limit);
  timer_->async_wait([self = shared_from_this()](std::error_code error) {
    if (error || !self->ended_) return;
    const auto tell = std::exchange(self->ended_, nullptr);
    self->cancel();
    tell();
  });
}

// --- on the thread --------------------------------------------------------------------------------------------------

void Connector::run() {
  natsConnection* handle = nullptr;
  std::string text;
  const natsStatus status = connect(handle, text);
  nats_ReleaseThreadMemory();
  const std::lock_guard lock(mutex_);
  ran_ = true;
  if (!given_up_) {
    loop_.post([self = shared_from_this(), status, text, handle] { self->finished(status, text, handle); });
    return;
  }
  stuck.fetch_sub(1, std::memory_order_relaxed);
  if (handle == nullptr) return;
  natsConnection_Close(handle);
  natsConnection_Destroy(handle);
}

natsStatus Connector::connect(natsConnection*& handle, std::string& text) {
  natsOptions* raw = nullptr;
  natsStatus status = natsOptions_Create(&raw);
  const std::unique_ptr<natsOptions, OptionsDeleter> options(raw);
  if (status == NATS_OK) status = configure(raw);
  if (status == NATS_OK) status = connection_->install(raw);
  if (status == NATS_OK) status = natsConnection_Connect(&handle, raw);
  if (status != NATS_OK) {
    const char* words = nats_GetLastError(nullptr);
    text = words == nullptr ? "" : words;
  }
  return status;
}

natsStatus Connector::configure(natsOptions* options) const {
  std::vector<const char*> servers;
  for (const std::string& server : servers_) servers.push_back(server.c_str());
  natsStatus status = natsOptions_SetServers(options, servers.data(), static_cast<int>(servers.size()));
  const auto set = [&status](natsStatus next) {
    if (status == NATS_OK) status = next;
  };
  const LinkSettings& s = settings_;
  set(natsOptions_SetAllowReconnect(options, false));   // core decides when to try again
  set(natsOptions_SetName(options, s.name.c_str()));
  set(natsOptions_SetTimeout(options, s.timeout.count()));
  set(natsOptions_SetPingInterval(options, s.ping_interval.count()));
  set(natsOptions_SetMaxPingsOut(options, s.max_pings_out));
  set(natsOptions_SetNoEcho(options, s.no_echo));
  set(natsOptions_SetNoRandomize(options, s.no_randomize));
  set(natsOptions_SetIgnoreDiscoveredServers(options, s.ignore_cluster_updates));
  set(natsOptions_SetPedantic(options, s.pedantic));
  set(natsOptions_SetVerbose(options, s.verbose));
  if (!s.user.empty()) set(natsOptions_SetUserInfo(options, s.user.c_str(), s.password.c_str()));
  if (!s.token.empty()) set(natsOptions_SetToken(options, s.token.c_str()));
  if (!s.nkey.empty()) set(natsOptions_SetNKeyFromSeed(options, s.nkey.c_str(), s.nkey_seed_file.c_str()));
  if (!s.credentials_file.empty()) set(natsOptions_SetUserCredentialsFromFiles(options, s.credentials_file.c_str(), nullptr));
  if (s.tls) set(configure_tls(options));
  return status;
}

natsStatus Connector::configure_tls(natsOptions* options) const {
  const TlsSettings& tls = *settings_.tls;
  natsStatus status = natsOptions_SetSecure(options, true);
  const auto set = [&status](natsStatus next) {
    if (status == NATS_OK) status = next;
  };
  if (!tls.ca.empty()) set(natsOptions_SetCATrustedCertificates(options, tls.ca.c_str()));
  if (!tls.cert.empty()) set(natsOptions_SetCertificatesChain(options, tls.cert.c_str(), tls.key.c_str()));
  if (!tls.ciphers.empty()) set(natsOptions_SetCiphers(options, tls.ciphers.c_str()));
  if (!tls.server_name.empty()) set(natsOptions_SetExpectedHostname(options, tls.server_name.c_str()));
  if (!tls.verify) set(natsOptions_SkipServerVerification(options, true));
  // The library blocks in a TLS write that does not fit; this bounds it.
  set(natsOptions_SetWriteDeadline(options, std::chrono::milliseconds(10s).count()));
  return status;
}

// --- on the loop ----------------------------------------------------------------------------------------------------

void Connector::finished(natsStatus status, const std::string& text, natsConnection* handle) {
  timer_.reset();
  if (thread_.joinable()) thread_.join();   // it has posted this, and ends
  over_ = true;
  const Done done = std::move(done_);
  if (!done) {   // nobody wants it any more
    if (handle != nullptr) {
      natsConnection_Close(handle);
      natsConnection_Destroy(handle);
    }
    if (ended_) std::exchange(ended_, nullptr)();
    return;
  }
  if (status == NATS_OK) return done(nullptr, connection_, handle);
  Failure failure = driver_failure(status, "cannot connect to " + place(), Fate::not_sent);
  if (failure.code != make_error_condition(errc::not_connected) && failure.code != make_error_condition(errc::timed_out)) {
    failure.detail += " (" + failure.code.message() + ")";
    failure.code = make_error_code(errc::not_connected);
  }
  if (!text.empty() && failure.detail.find(text) == std::string::npos) failure.detail += ": " + text;
  done(&failure, nullptr, nullptr);
}

}  // namespace ferry::nats
