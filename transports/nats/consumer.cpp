#include "transports/nats/consumer.hpp"

#include <algorithm>
#include <optional>

#include <nlohmann/json.hpp>

#include "transports/nats/error.hpp"
#include "transports/nats/stream.hpp"
#include "transports/nats/subject.hpp"

namespace ferry::nats {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto question_lasts = 30s;
constexpr auto heartbeat = 2s;
constexpr auto longest_silence = heartbeat * 3;
constexpr int most_silences = 3;   // then the connection is made anew, and what it needs with it

constexpr std::string_view done_word = "+ACK";
constexpr std::string_view working_word = "+WPI";
constexpr std::string_view never_word = "+TERM";

std::string again_word(std::chrono::milliseconds delay) {
  if (delay.count() == 0) return "-NAK";
  return "-NAK {\"delay\":" + std::to_string(std::chrono::nanoseconds(delay).count()) + "}";
}

}  // namespace

Consumer::Consumer(std::shared_ptr<LiveMessages> live, const StreamSettings& settings, std::string route, Events events)
    : live_(std::move(live)), settings_(settings), route_(std::move(route)),
      question_("$JS.API.CONSUMER.MSG.NEXT." + settings.stream + "." + consumer_name(settings, route_)),
      events_(std::move(events)), timer_(live_->loop().executor()) {}

Consumer::~Consumer() { natsSubscription_Destroy(subscription_); }

// --- the connection -------------------------------------------------------------------------------------------------

void Consumer::start(std::shared_ptr<Connection> connection, Inbox& inbox) {
  connection_ = std::move(connection);
  inbox_ = &inbox;
  stopped_ = false;
  expected_ = 0;
  silences_ = 0;
  answers_ = inbox.prefix() + consumer_name(settings_, route_) + ".";
  const std::string filter = answers_ + "*";
  natsStatus status = natsConnection_SubscribeSync(&subscription_, connection_->handle(), filter.c_str());
  if (status == NATS_OK) status = natsSubscription_SetPendingLimits(subscription_, -1, -1);   // a batch bounds it
  if (status != NATS_OK) live_->report(driver_failure(status, "cannot subscribe to " + filter));
  std::vector<std::pair<std::string, std::string>> untold;
  {
    const std::lock_guard lock(mutex_);
    untold.swap(untold_);
  }
  for (const auto& [subject, word] : untold) tell(subject, word);
  fetch();
  arm();
}

void Consumer::stop() {
  stopped_ = true;
  drain();   // what has come is given back, too
  for (const MessagePtr& message : std::exchange(held_, {})) tell(natsMsg_GetReply(message.get()), again_word(0ms));
  natsSubscription_Destroy(std::exchange(subscription_, nullptr));
  expected_ = 0;
}

void Consumer::leave() {
  stopped_ = true;
  held_.clear();   // they come again
  natsSubscription_Destroy(std::exchange(subscription_, nullptr));
  expected_ = 0;
  connection_.reset();
  inbox_ = nullptr;
}

void Consumer::end() {
  leave();
  timer_.cancel();
  events_ = {};
}

// --- fetching -------------------------------------------------------------------------------------------------------

void Consumer::fetch() {
  const std::size_t busy = working_.size() + held_.size();
  if (stopped_ || expected_ != 0 || subscription_ == nullptr || busy > settings_.batch / 2) return;
  const std::size_t wanted = settings_.batch - busy;
  const std::string body = "{\"batch\":" + std::to_string(wanted) +
                           ",\"expires\":" + std::to_string(std::chrono::nanoseconds(question_lasts).count()) +
                           ",\"idle_heartbeat\":" + std::to_string(std::chrono::nanoseconds(heartbeat).count()) + "}";
  const std::string reply = answers_ + std::to_string(++question_number_);
  Failure failure;
  if (!connection_->publish({question_.c_str(), reply.c_str(), body, nullptr}, failure)) return;   // the next tick tries again
  expected_ = wanted;
  heard_ = Clock::now();
}

void Consumer::drain() {
  if (subscription_ == nullptr) return;
  int messages = 0;
  if (natsSubscription_GetPending(subscription_, &messages, nullptr) != NATS_OK) return;
  if (messages > 0) heard_ = Clock::now();
  for (; messages > 0 && subscription_ != nullptr; --messages) {
    natsMsg* raw = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&raw, subscription_, 0);
    if (status == NATS_NO_RESPONDERS) {
      expected_ = 0;   // the next tick asks again
      ++silences_;
      continue;
    }
    if (status != NATS_OK) break;
    take(raw);
  }
  fetch();
}

void Consumer::take(natsMsg* raw) {
  MessagePtr message(raw);
  const char* const reply = natsMsg_GetReply(raw);
  if (reply == nullptr) {
    take_status(raw);
    return connection_->discard(std::move(message));
  }
  silences_ = 0;
  if (expected_ != 0) --expected_;
  if (stopped_ || paused_ || !held_.empty()) return held_.push_back(std::move(message));
  hand_on(std::move(message));
}

/// Of the server's own: a heartbeat, or the end of a batch.
void Consumer::take_status(natsMsg* message) {
  const std::string_view status = status_of(message);
  const std::string_view subject = natsMsg_GetSubject(message);
  if (status.empty() || subject.substr(answers_.size()) != std::to_string(question_number_)) return;   // of an older question
  if (status == "100") {
    silences_ = 0;
    return;
  }
  // 404 and 408: it is over, and nothing was wrong.
  expected_ = 0;
  if (status == "409") ++silences_;
}

void Consumer::hand_on(MessagePtr message) {
  const char* const reply = natsMsg_GetReply(message.get());
  const auto ack = AckSubject::read(reply);
  if (!ack) return connection_->discard(std::move(message));
  const auto event = std::make_shared<StoredEvent>(shared_from_this(), reply, ack->deliveries, ack->sequence);
  working_.insert(event.get());
  events_.take(std::move(message), settings_.subject_prefix.size(), event, route_);
}

void Consumer::pause(bool paused) {
  paused_ = paused;
  hand_on_held();
}

void Consumer::hand_on_held() {
  while (!paused_ && !stopped_ && !held_.empty()) {
    MessagePtr message = std::move(held_.front());
    held_.pop_front();
    hand_on(std::move(message));
  }
  fetch();
}

void Consumer::forget(StoredEvent& event) noexcept {
  working_.erase(&event);
  fetch();
}

// --- time -----------------------------------------------------------------------------------------------------------

void Consumer::arm() {
  timer_.expires_after(std::min<std::chrono::milliseconds>(settings_.ack_wait / 3, 1s));
  timer_.async_wait([self = weak_from_this()](std::error_code error) {
    const auto consumer = self.lock();
    if (consumer && !error) consumer->tick();
  });
}

void Consumer::tick() {
  if (!connection_) return;   // `start` goes on
  for (const StoredEvent* event : working_) {
    if (!event->settled_) tell(event->ack_subject_, working_word);
  }
  for (const MessagePtr& message : held_) tell(natsMsg_GetReply(message.get()), working_word);
  if (expected_ != 0 && Clock::now() - heard_ > longest_silence) {
    expected_ = 0;
    ++silences_;
  }
  if (silences_ >= most_silences && !stopped_) {
    silences_ = 0;
    return events_.broken(Failure(errc::connection_lost, "the consumer of " + route_ + " in the stream " + settings_.stream +
                                                             " does not answer any more"));
  }
  fetch();
  arm();
}

// --- settling -------------------------------------------------------------------------------------------------------

/// On any thread.
void Consumer::tell(const std::string& ack_subject, std::string_view word) {
  Failure failure;
  if (live_->outlet().publish({ack_subject.c_str(), nullptr, word, nullptr}, failure) || word == working_word) return;
  const std::lock_guard lock(mutex_);
  untold_.emplace_back(ack_subject, word);
}

void Consumer::settle(StoredEvent& event, NatsDelivery& delivery, spi::Settlement outcome) {
  using spi::Settlement;
  const bool last = settings_.max_deliver != 0 && event.deliveries_ >= settings_.max_deliver;
  if (outcome == Settlement::ack) return tell(event.ack_subject_, done_word);
  if (outcome == Settlement::reject) return tell(event.ack_subject_, never_word);
  if (outcome == Settlement::requeue && !last) return tell(event.ack_subject_, again_word(settings_.redelivery_delay));
  std::string cause = outcome == Settlement::requeue ? "its handler failed" : "it was given up";
  live_->loop().post([self = shared_from_this(), kept = event.shared_from_this(), pointer = spi::DeliveryPtr(&delivery),
                      cause = std::move(cause)] { self->bury(kept, pointer, cause); });
}

/// Stored among the dead letters first, and only then never delivered again.
void Consumer::bury(const std::shared_ptr<StoredEvent>& event, const spi::DeliveryPtr& delivery, std::string cause) {
  auto& message = static_cast<NatsDelivery&>(*delivery);
  if (inbox_ == nullptr) return;   // it comes again
  Failure failure;
  Inbox::Slot* const slot = inbox_->take(failure);
  if (slot == nullptr) return ask_again(event->ack_subject_);
  slot->use = Inbox::Slot::Use::call;
  slot->answered = [self = shared_from_this(), event](const natsMsg* answer) { self->buried(*event, answer); };
  const std::string subject = settings_.dead_letter + message.subject();
  const std::string reply = slot->subject() + "0";
  Headers headers = message.native_headers();
  headers.set("Dead-Letter-Cause", cause);
  headers.set("Dead-Letter-Attempts", std::to_string(event->deliveries_));
  headers.set("Dead-Letter-Subject", settings_.subject_prefix + message.subject());
  headers.set(message_id_header, "dead." + settings_.durable + "." + settings_.stream + "." + std::to_string(event->sequence_));
  if (connection_->publish({subject.c_str(), reply.c_str(), body_of(message.message()), &headers}, failure)) {
    live_->report(Failure(errc::rejected, "an event on " + message.subject() + " goes to the dead letters after " +
                                              std::to_string(event->deliveries_) + " deliveries: " + cause));
    return;
  }
  inbox_->release(*slot);
  live_->report(failure);
  ask_again(event->ack_subject_);
}

void Consumer::buried(StoredEvent& event, const natsMsg* answer) {
  const auto failure = confirmation_failure(answer, settings_);
  if (!failure) return tell(event.ack_subject_, never_word);
  live_->report(Failure(failure->code, "a dead letter was not stored, its event is delivered again: " + failure->detail));
  ask_again(event.ack_subject_);
}

void Consumer::ask_again(const std::string& ack_subject) {
  tell(ack_subject, again_word(std::max<std::chrono::milliseconds>(settings_.redelivery_delay, 1s)));
}

}  // namespace ferry::nats
