#include "transports/redis/stream_service.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <random>
#include <utility>

#include "transports/common/broker_message.hpp"
#include "transports/common/extension.hpp"
#include "transports/redis/error.hpp"

namespace ferry::redis {
namespace {

using namespace std::chrono_literals;

constexpr auto longest_block = 2000ms;

/// Unlike every other's, and a hint where to look for it.
std::string consumer_name() {
  char host[256] = "?";
  ::gethostname(host, sizeof host - 1);
  std::random_device random;
  return std::string(host) + '-' + std::to_string(::getpid()) + '-' + std::to_string(random());
}

std::int64_t to_number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

StreamService::StreamService(const spi::ServerEnvironment& environment, spi::ServerSink& sink, ServerSettings settings)
    : Service(environment, sink, settings, 3),
      consumer_(settings.streams.consumer.empty() ? consumer_name() : settings.streams.consumer),
      ledger_({settings.streams.max_deliver, settings.streams.retry_delay}) {
  const auto ping = settings.access.ping_interval;
  block_ = ping > 0ms ? std::clamp<std::chrono::milliseconds>(ping / 2, 1ms, longest_block) : longest_block;
}

// --- start ----------------------------------------------------------------------------------------------------------

void StreamService::make_streams(const std::vector<spi::Subscription>& subscriptions) {
  if (!streams_.empty()) return;   // again, after a loss: routes stay what they are
  for (const spi::Subscription& subscription : subscriptions) {
    const auto same = [&](const Stream& stream) { return stream.route == subscription.route; };
    if (std::any_of(streams_.begin(), streams_.end(), same)) continue;
    const std::string key = settings().streams.key(subscription.route);
    streams_.push_back({subscription.route, key, key + ".dead", {}});
  }
}

/// One command of those that must succeed before entries are read.
void StreamService::set_up(std::string_view command, std::function<void(const Value&)> then) {
  ++set_up_left_;
  commands().ask(command, [self = shared_from_this(), this, then = std::move(then)](const Value& reply) {
    then(reply);
    if (connected() && --set_up_left_ == 0) set_up_done();
  });
}

void StreamService::on_connections() {
  make_streams(subscriptions());
  const auto ping = settings().access.ping_interval;
  commands().watch(ping, true);
  subscriber().watch(ping, true);
  reader().watch(ping, true);   // answered when a blocking read ends
  set_up_left_ = 0;
  reading_ = false;
  const StreamSettings& s = settings().streams;
  for (const Stream& stream : streams_) {
    const std::string create =
        Command().add("XGROUP").add("CREATE").add(stream.key).add(s.group).add(s.from_beginning ? "0" : "$").add("MKSTREAM").text();
    set_up(create, [this, key = stream.key](const Value& reply) {
      if (!reply.is(Value::Type::error) || error_kind(reply.text) == RedisError::group_exists) return;
      give_up(refusal("XGROUP CREATE " + key, reply.text));
    });
  }
  learn_clock();
  // One that stands before everything else on its connection: when it is answered, the reader is in order.
  ++set_up_left_;
  reader().ask(Command().add("CLIENT").add("ID").text(), [self = shared_from_this(), this](const Value& reply) {
    reader_id_ = reply.is(Value::Type::integer) ? static_cast<std::uint64_t>(reply.number) : 0;
    if (connected() && --set_up_left_ == 0) set_up_done();
  });
}

void StreamService::set_up_done() {
  for (const EntryPlace& place : ledger_.reconnected(Clock::now())) acknowledge(place);
  // What the server gave to the lost connection, and we never saw.
  for (std::uint32_t i = 0; i < streams_.size(); ++i) sweep(i, true);
  start_upkeep();
  if (extensions()) subscribe("SUBSCRIBE", std::string(extension::cancel_pattern));   // ends in `listening`
  else listening();
  read_more();
}

void StreamService::on_lost() {
  reading_ = false;
  upkeep_timer_.reset();
  retry_timer_.reset();
  drained();
}

void StreamService::on_published(Connection&, const Published& message) { take_cancel(message.channel, message.body); }

// --- reading --------------------------------------------------------------------------------------------------------

void StreamService::apply_hold() {
  if (held()) return;   // a read that is under way brings its entries still
  read_more();
  arm_retries();
}

void StreamService::read_more() {
  const StreamSettings& s = settings().streams;
  if (reading_ || draining_ || held() || !connected() || streams_.empty() || set_up_left_ != 0) return;
  if (ledger_.running() > s.prefetch / 2) return;   // in portions, so that a read is worth its while
  const std::size_t room = (s.prefetch - ledger_.running()) / streams_.size();
  Command command;
  command.add("XREADGROUP").add("GROUP").add(s.group).add(consumer_);
  command.add("COUNT").add(std::max<std::size_t>(1, room)).add("BLOCK").add(static_cast<std::uint64_t>(block_.count()));
  command.add("STREAMS");
  for (const Stream& stream : streams_) command.add(stream.key);
  for (std::size_t i = 0; i < streams_.size(); ++i) command.add(">");
  reading_ = true;
  reader().send(command.text(), {read, 0});
}

void StreamService::on_reply(Connection& connection, const Expected& expected, const Value& reply) {
  if (expected.kind == read) return on_read(reply);
  Service::on_reply(connection, expected, reply);
}

void StreamService::on_read(const Value& reply) {
  reading_ = false;
  // UNBLOCKED comes of our own drain. A stream that was removed (NOGROUP) is made again by the next attempt.
  if (reply.is(Value::Type::error) && !reply.text.starts_with("UNBLOCKED")) return give_up(refusal("XREADGROUP", reply.text));
  const net::ChunkPtr memory = reader().memory();
  if (reply.is(Value::Type::array)) {
    for (const Value& part : reply) {
      const auto stream = stream_of(part.at(0).text);
      if (!stream) continue;
      for (const Value& entry : part.at(1)) take(*stream, entry, 1, memory);
    }
  }
  if (draining_) return drained();
  read_more();
}

std::optional<std::uint32_t> StreamService::stream_of(std::string_view key) const {
  for (std::uint32_t i = 0; i < streams_.size(); ++i) {
    if (streams_[i].key == key) return i;
  }
  return std::nullopt;
}

void StreamService::take(std::uint32_t stream, const Value& entry, std::int64_t attempts, const net::ChunkPtr& memory) {
  const EntryPlace place{stream, std::string(entry.at(0).text)};
  const Value& fields = entry.at(1);
  if (!fields.is(Value::Type::array)) return acknowledge(place);   // an entry that was deleted while it was pending
  if (!ledger_.take(place, attempts, Clock::now())) return;
  std::string_view body;
  std::string_view reply_channel;
  std::string_view timeout;
  bool has_body = false;
  for (auto field = fields.begin(); field != fields.end(); ++field) {
    const std::string_view name = field->text;
    if (++field == fields.end()) break;
    if (name == "message") has_body = true, body = field->text;
    else if (name == "reply") reply_channel = field->text;
    else if (name == "timeout") timeout = field->text;
  }
  const Stream& from = streams_[stream];
  const std::string_view id = entry.at(0).text;
  auto* delivery = new RedisDelivery(std::static_pointer_cast<Service>(shared_from_this()), memory, from.route,
                                     reply_channel, {stream, id});
  spi::DeliveryPtr owner(delivery);
  spi::RequestView& view = delivery->received();
  const char* fault = !has_body ? "it has no field \"message\""
                                : transports::read_broker_message(serializer(), body, from.route,
                                                                  transports::Unreadable::is_text, view, delivery->scratch());
  if (fault != nullptr) {
    report(Failure(errc::bad_message, "the entry " + place.id + " of " + from.key + " cannot be read: " + fault));
    ledger_.settle(place, spi::Settlement::dead_letter, StreamLedger::Answer::none, Clock::now());
    return bury(place, fault);
  }
  if (reply_channel.empty()) view.has_id = false;   // nowhere to answer to
  if (!timeout.empty() && view.has_id) {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
    const std::chrono::milliseconds added(to_number(id));
    const std::chrono::milliseconds limit(std::clamp<std::int64_t>(to_number(timeout), 0, 365LL * 24 * 3600 * 1000));
    delivery->set_deadline(Clock::now() + (added + limit - (now + clock_offset_)));
  }
  deliver(std::move(owner), *delivery, true);
}

// --- settling -------------------------------------------------------------------------------------------------------

void StreamService::settle(RedisDelivery& delivery, spi::Settlement outcome) {
  EntryPlace place{delivery.entry().stream, std::string(delivery.entry().id)};
  using Answer = StreamLedger::Answer;
  const Answer answer = !delivery.expects_reply() ? Answer::none : delivery.reply_lost() ? Answer::lost : Answer::sent;
  if (loop().in_loop()) return settled(place, outcome, answer);
  loop().post([self = shared_from_this(), this, place = std::move(place), outcome, answer] { settled(place, outcome, answer); });
}

void StreamService::settled(const EntryPlace& place, spi::Settlement outcome, StreamLedger::Answer answer) {
  using Verdict = StreamLedger::Verdict;
  switch (ledger_.settle(place, outcome, answer, Clock::now())) {
    case Verdict::acknowledge: acknowledge(place); break;
    case Verdict::bury:
      bury(place, outcome == spi::Settlement::dead_letter ? "the handler rejected it" : "its handler failed too often");
      break;
    case Verdict::wait: arm_retries(); break;
    case Verdict::leave:
    case Verdict::unknown: break;
  }
  // Later: the caller may be in the middle of what was read.
  if (!reading_ && !draining_ && connected()) loop().post([self = shared_from_this(), this] { read_more(); });
}

void StreamService::acknowledge(const EntryPlace& place) {
  streams_[place.stream].acks.push_back(place.id);
  if (std::exchange(acks_posted_, true)) return;
  loop().post([self = shared_from_this(), this] {
    acks_posted_ = false;
    send_acks();
  });
}

/// While there is no connection the ledger remembers them.
void StreamService::send_acks() {
  for (std::uint32_t i = 0; i < streams_.size(); ++i) {
    std::vector<std::string> ids = std::exchange(streams_[i].acks, {});
    if (ids.empty() || !connected()) continue;
    Command command = this->command("XACK", i);
    for (const std::string& id : ids) command.add(id);
    commands().ask(command.text(), [self = shared_from_this(), this, i, ids = std::move(ids)](const Value& reply) {
      if (reply.is(Value::Type::error)) report(refusal("XACK " + streams_[i].key, reply.text));
      for (const std::string& id : ids) ledger_.acknowledged({i, id});
    });
  }
}

// --- the end --------------------------------------------------------------------------------------------------------

/// The blocking read is ended; what it brings all the same is handled.
void StreamService::drain(std::function<void()> done) {
  drained_ = std::move(done);
  draining_ = true;
  if (!connected() || !reading_) return loop().post([self = shared_from_this(), this] { drained(); });
  if (reader_id_ == 0) return;   // it ends by itself, soon
  commands().ask(Command().add("CLIENT").add("UNBLOCK").add(reader_id_).text(), [](const Value&) {});
}

void StreamService::drained() {
  if (drained_) std::exchange(drained_, nullptr)();
}

void StreamService::close(std::chrono::milliseconds limit, std::function<void()> done) {
  draining_ = true;
  upkeep_timer_.reset();
  retry_timer_.reset();
  if (connected()) {
    send_acks();
    // A name that nothing is pending under, and that nobody uses again.
    if (settings().streams.consumer.empty() && !reading_) {
      const bool clean = ledger_.settled_only();
      for (std::uint32_t i = 0; clean && i < streams_.size(); ++i) {
        Command command;
        command.add("XGROUP").add("DELCONSUMER").add(streams_[i].key).add(settings().streams.group).add(consumer_);
        commands().ask(command.text(), [](const Value&) {});
      }
    }
  }
  Service::close(limit, std::move(done));
}

void StreamService::shut() {
  drained_ = nullptr;
  Service::shut();
}

}  // namespace ferry::redis
