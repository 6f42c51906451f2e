// What goes out, and what has to be there before it can.

#include <utility>

#include "ferry/detail/clock.hpp"
#include "transports/common/extension.hpp"
#include "transports/kafka/client.hpp"
#include "transports/kafka/record.hpp"
#include "transports/kafka/topic.hpp"

namespace ferry::kafka {
namespace {

constexpr std::size_t most_waiting = 10000;   // messages whose routes are being opened
constexpr Value no_value{{}, true, ValueForm::plain};

}  // namespace

bool Client::ready(Failure& failure) const {
  if (ready_) return true;
  failure = Failure(errc::not_connected, "not connected to kafka://" + settings_.link.brokers, Fate::not_sent);
  return false;
}

Client::Route* Client::route_of(const std::string& pattern, Failure& failure) {
  const auto found = routes_.find(pattern);
  if (found != routes_.end()) return &found->second;
  auto topic = topic_of(pattern);
  if (!topic) {
    failure = topic.failure();
    return nullptr;
  }
  Route route;
  route.pattern = pattern;
  route.topic = std::move(*topic);
  route.reply_topic = reply_topic_of(route.topic);
  return &routes_.emplace(pattern, std::move(route)).first->second;
}

/// The route's topic, or with `requests` also the partition of its replies.
bool Client::open(Route& route, bool requests, Failure& failure) {
  State& state = requests ? route.requests : route.events;
  if (state != State::unknown) return true;
  const std::shared_ptr<Handle> reader = requests ? replies_->handle(failure) : nullptr;
  if (requests && !reader) return false;
  state = State::opening;
  Opened found{&route, requests, {}, 0, 0};
  worker_->run([this, attempt = std::weak_ptr(attempt_), found, reader, producer = producer_, link = settings_.link,
                topic = route.topic, reply_topic = route.reply_topic, instance = instance_](const Stopped& stopped) mutable -> Worker::Outcome {
    std::vector<std::string> topics{topic};
    if (found.requests) topics.push_back(reply_topic);
    found.fault = ensure_topics(producer->get(), link, topics, stopped);
    if (!found.fault && found.requests) {
      const auto count = partitions_of(reader->get(), link, reply_topic, stopped);
      if (count) found.partition = static_cast<std::int32_t>(instance % static_cast<std::size_t>(*count));
      const auto end = count ? end_of(reader->get(), link, reply_topic, found.partition, stopped) : Result<std::int64_t>(count.failure());
      if (end) found.offset = *end;
      else found.fault = end.failure();
    }
    return [this, attempt, found = std::move(found)] {
      if (!attempt.expired()) opened(found);
    };
  });
  return true;
}

void Client::opened(Opened found) {
  Route& route = *found.route;
  if (!found.fault && !route.handle) {
    route.handle.reset(rd_kafka_topic_new(producer_->get(), route.topic.c_str(), nullptr));
    if (!route.handle) found.fault = Failure(errc::bad_pattern, "librdkafka does not take the topic " + route.topic, Fate::not_sent);
  }
  if (!found.fault && found.requests) {
    Failure failure;
    if (!replies_->add(route.reply_topic, found.partition, found.offset, failure)) found.fault = failure;
    route.reply_partition = std::to_string(found.partition);
  }
  const State state = found.fault ? State::unknown : State::open;
  if (found.requests) route.requests = state;
  if (!found.requests || state == State::open) route.events = state;
  const auto attempt = std::weak_ptr(attempt_);
  send_waiting(route, found.fault);
  if (attempt.expired() || !found.requests) return;
  if (found.fault && preset_left_ != 0) return gone(*found.fault);
  preset_opened();
}

bool Client::wait(Route& route, const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  if (waiting_.size() >= most_waiting) {
    failure = Failure(errc::overloaded, "too many messages wait for their topics", Fate::not_sent);
    return false;
  }
  if (!open(route, !message.id.empty(), failure)) return false;
  Waiting& waiting = waiting_.emplace_back();
  waiting.route = &route;
  waiting.id = message.id;
  waiting.token = token;
  waiting.has_payload = message.has_payload;
  if (message.has_payload) waiting.payload = std::move(*message.payload);
  waiting.headers = *message.headers;
  if (message.record != nullptr) waiting.record = *message.record;
  waiting.deadline = message.deadline;
  return true;
}

/// In the order they came. `fault`: why the route could not be opened.
void Client::send_waiting(Route& route, const Fault& fault) {
  const auto attempt = std::weak_ptr(attempt_);
  std::deque<Waiting> all;
  all.swap(waiting_);
  for (Waiting& each : all) {
    if (attempt.expired()) return;
    const State state = each.id.empty() ? each.route->events : each.route->requests;
    const bool failed = fault && each.route == &route && state == State::unknown;
    if (state == State::opening || (each.route != &route && state == State::unknown)) {
      waiting_.push_back(std::move(each));
      continue;
    }
    Failure failure = failed ? *fault : Failure();
    spi::OutgoingMessage message;
    message.has_payload = each.has_payload;
    message.payload = &each.payload;
    message.headers = &each.headers;
    message.record = each.record.is_null() ? nullptr : &each.record;
    message.id = each.id;
    message.deadline = each.deadline;
    if (!failed && produce(*each.route, message, each.token, failure)) continue;
    if (each.id.empty()) sink_.on_emitted(each.token, &failure);
    else sink_.on_request_failed(each.id, failure);
  }
}

bool Client::request(const spi::OutgoingMessage& message, Failure& failure) {
  if (!ready(failure)) return false;
  if (settings_.producer_only) {
    failure = Failure(errc::unsupported, "a client in producerOnlyMode has no replies; leave that out, or emit", Fate::not_sent);
    return false;
  }
  Route* const route = route_of(message.pattern->route(), failure);
  if (route == nullptr) return false;
  return route->requests == State::open ? produce(*route, message, 0, failure) : wait(*route, message, 0, failure);
}

bool Client::emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  if (!ready(failure)) return false;
  Route* const route = route_of(message.pattern->route(), failure);
  if (route == nullptr) return false;
  return route->events == State::open ? produce(*route, message, token, failure) : wait(*route, message, token, failure);
}

bool Client::produce(Route& route, const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  RecordOptions options;
  if (message.record != nullptr && !RecordOptions::read(*message.record, options, failure)) return false;
  const bool request = !message.id.empty();
  const Value value = message.has_payload ? write_value(*message.payload, value_) : no_value;
  record_.start(route.handle.get());
  record_.set_value(value);
  record_.set(options);
  HeaderList& headers = record_.headers();
  if (request) {
    headers.add(correlation_header, message.id);
    headers.add(reply_topic_header, route.reply_topic);
    headers.add(reply_partition_header, route.reply_partition);
  } else {
    record_.set_opaque(reinterpret_cast<void*>(static_cast<std::uintptr_t>(token) + 1));   // `token_of`
  }
  if (environment_.extensions) {
    headers.add(value.form);
    const auto left = request ? extension::TimeoutNotice::left(message.deadline, detail::coarse_now()) : extension::TimeoutNotice::none;
    if (left != extension::TimeoutNotice::none) {
      timeout_ = extension::TimeoutNotice::text(left);
      headers.add(extension::timeout_header, timeout_);
    }
  }
  headers.add(*message.headers);
  outbox_->add(record_);
  return true;
}

void Client::cancel(std::string_view id) {
  std::erase_if(waiting_, [id](const Waiting& each) { return each.id == id; });
}

}  // namespace ferry::kafka
