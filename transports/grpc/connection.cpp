#include "transports/grpc/connection.hpp"

#include <utility>

namespace ferry::grpc {
namespace {

constexpr const char* no_connection = "no connection within connectTimeout";

/// A call that fails at once, and says why there is no connection.
struct Probe {
  ::grpc::ClientContext context;
  ::grpc::ByteBuffer request = make_buffer("");
  ::grpc::ByteBuffer response;
};

}  // namespace

Connection::Connection(const ClientSettings& settings, std::shared_ptr<Inlet> inlet, Events events)
    : settings_(settings), inlet_(std::move(inlet)), events_(std::move(events)) {}

void Connection::connect() {
  drop();
  channel_ = make_channel(settings_);
  stub_ = std::make_unique<Stub>(channel_);
  phase_ = Phase::connecting;
  attempt_ = std::make_shared<bool>();
  give_up_at_ = std::chrono::system_clock::now() + settings_.connect_timeout;
  seen_ = channel_->GetState(true);
  watch();
}

void Connection::drop() {
  phase_ = Phase::off;
  attempt_.reset();
  stub_.reset();
  channel_.reset();
}

void Connection::watch() {
  const bool bounded = phase_ == Phase::connecting;
  watch_->wait(*channel_, seen_, bounded ? give_up_at_ : std::chrono::system_clock::time_point::max(),
               [this, inlet = inlet_, attempt = std::weak_ptr<bool>(attempt_)] {
                 News news;
                 news.other = [this, attempt] {
                   if (!attempt.expired()) changed();
                 };
                 inlet->put(std::move(news));
               });
}

void Connection::changed() {
  seen_ = channel_->GetState(phase_ == Phase::connecting);
  switch (phase_) {
    case Phase::off: return;
    case Phase::connecting:
      if (seen_ == GRPC_CHANNEL_TRANSIENT_FAILURE) return ask_why();
      if (seen_ == GRPC_CHANNEL_READY) {
        phase_ = Phase::up;
        watch();
        return events_.connected();
      }
      if (std::chrono::system_clock::now() >= give_up_at_) return attempt_failed(no_connection);
      break;
    case Phase::up:
      if (seen_ == GRPC_CHANNEL_READY) break;
      if (!events_.busy()) return lose();
      phase_ = Phase::leaving;
      break;
    case Phase::leaving:
      if (seen_ == GRPC_CHANNEL_READY) phase_ = Phase::up;
      break;
  }
  watch();
}

void Connection::ask_why() {
  const auto probe = std::make_shared<Probe>();
  probe->context.set_deadline(give_up_at_);   // gRPC may be at its next attempt already, and the probe waits for that
  stub_->call("/", probe->context, probe->request, probe->response,
                   [this, probe, inlet = inlet_, attempt = std::weak_ptr<bool>(attempt_)](const ::grpc::Status& status) {
                     News news;
                     const bool late = status.error_code() == ::grpc::DEADLINE_EXCEEDED;
                     news.other = [this, attempt, why = late ? std::string(no_connection) : status.error_message()] {
                       if (!attempt.expired()) attempt_failed(why);
                     };
                     inlet->put(std::move(news));
                   });
}

void Connection::attempt_failed(const std::string& why) {
  drop();
  events_.lost(Failure(errc::not_connected, "cannot connect to " + settings_.url + ": " + why, Fate::not_sent));
}

void Connection::idle() {
  if (phase_ == Phase::leaving) lose();
}

void Connection::lose() {
  drop();
  events_.lost(Failure(errc::connection_lost, "the connection to " + settings_.url + " was closed"));
}

Stub* Connection::stub() noexcept {
  const bool away = phase_ == Phase::leaving && seen_ == GRPC_CHANNEL_TRANSIENT_FAILURE && !settings_.wait_for_ready;
  return (phase_ == Phase::up || phase_ == Phase::leaving) && !away ? stub_.get() : nullptr;
}

}  // namespace ferry::grpc
