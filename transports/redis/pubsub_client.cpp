#include "transports/redis/pubsub_client.hpp"

#include <algorithm>
#include <utility>

#include "transports/common/extension.hpp"
#include "transports/redis/command.hpp"
#include "transports/redis/error.hpp"

namespace ferry::redis {
namespace {

constexpr std::string_view suffix = ".reply";
constexpr unsigned most_introductions = 8;   // a route of NestJS's services is not asked for ever

}  // namespace

void PubSubClient::on_lost() {
  requests_.clear();
  channels_.clear();
  idle_.clear();
  waiting_bytes_ = 0;
  ferry_ = false;
}

// --- out ------------------------------------------------------------------------------------------------------------

bool PubSubClient::send_request(const spi::OutgoingMessage& message, Failure& failure) {
  std::string none;
  std::string& payload = message.has_payload ? *message.payload : none;
  if (!has_room(payload.size() + waiting_bytes_, failure)) return false;
  ReplyChannel& channel = channel_of(message.pattern->route());
  write_envelope(message, request_headers(message, channel));
  const auto [request, fresh] = requests_.try_emplace(std::pmr::string(message.id, &memory_));
  request->second = {&channel, ++last_number_};
  if (fresh && channel.busy++ == 0) idle_.erase(channel.place);
  if (channel.open) {
    publish(channel, request->second.number, payload);
  } else {
    waiting_bytes_ += payload.size();
    channel.waiting.push_back({std::string(message.id), head_, std::move(payload), tail_});
    payload.clear();
  }
  return true;
}

void PubSubClient::publish(ReplyChannel& channel, std::uint64_t number, std::string& payload) {
  command_.clear();
  append_publish(command_, channel.route, "", envelope_size(payload));
  append(command_, payload);
  commands().expect({requested, number});
}

void PubSubClient::send_event(const spi::OutgoingMessage& message, spi::EmitToken token) {
  std::string none;
  std::string& payload = message.has_payload ? *message.payload : none;
  write_envelope(message, *message.headers);
  command_.clear();
  append_publish(command_, message.pattern->route(), "", envelope_size(payload));
  append(command_, payload);
  commands().expect({emitted, token});
}

/// The user's, and what a ferry peer may be told: see extension.hpp.
const Headers& PubSubClient::request_headers(const spi::OutgoingMessage& message, ReplyChannel& channel) {
  if (!extensions()) return *message.headers;
  if (!ferry_) {
    if (channel.introductions >= most_introductions) return *message.headers;
    ++channel.introductions;
    headers_ = *message.headers;
    headers_.set(extension::peer_header, "1");
    return headers_;
  }
  const auto left = extension::TimeoutNotice::left(message.deadline, std::chrono::steady_clock::now());
  // Within a 64th it is the same text as before: most callers wait equally long.
  if (timeout_.must_tell(left) || timeout_headers_.empty()) {
    timeout_headers_.set(extension::timeout_header, extension::TimeoutNotice::text(left));
  }
  if (message.headers->empty()) return timeout_headers_;
  headers_ = *message.headers;
  headers_.set(extension::timeout_header, *timeout_headers_.get(extension::timeout_header));
  return headers_;
}

void PubSubClient::cancel(std::string_view id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  ReplyChannel& channel = *found->second.channel;
  const auto waiting = std::find_if(channel.waiting.begin(), channel.waiting.end(), [&](const Waiting& w) { return w.id == id; });
  if (waiting != channel.waiting.end()) {
    waiting_bytes_ -= waiting->payload.size();
    channel.waiting.erase(waiting);
  } else if (ferry_ && connected()) {
    send_cancel(id);
  }
  finished(found);
}

// --- reply channels -------------------------------------------------------------------------------------------------

PubSubClient::ReplyChannel& PubSubClient::channel_of(const std::string& route) {
  const auto [entry, fresh] = channels_.try_emplace(route);
  ReplyChannel& channel = entry->second;
  if (!fresh) return channel;
  channel.route = route;
  channel.number = ++last_number_;
  channel.place = idle_.insert(idle_.end(), &channel);
  subscribe(channel);
  return channel;
}

void PubSubClient::subscribe(ReplyChannel& channel) {
  std::string command;
  append_command(command, {"SUBSCRIBE", channel.route + std::string(suffix)});
  subscriber().send(command, {subscribed, channel.number});
}

void PubSubClient::on_subscribed(std::uint64_t number, const Value& reply) {
  const auto found = std::find_if(channels_.begin(), channels_.end(),
                                  [&](const auto& entry) { return entry.second.number == number; });
  if (found == channels_.end()) return;   // it was given up meanwhile
  ReplyChannel& channel = found->second;
  std::vector<Waiting> waiting = std::exchange(channel.waiting, {});
  for (const Waiting& each : waiting) waiting_bytes_ -= each.payload.size();
  if (reply.is(Value::Type::error)) {
    const Failure failure = refusal("the reply channel " + channel.route + ".reply cannot be subscribed to", reply.text);
    for (const Waiting& each : waiting) refuse(each.id, failure);
    // Gone unless somebody asked again meanwhile: then it is asked for again.
    const auto again = channels_.find(found->first);
    if (again == channels_.end()) return;
    if (again->second.busy != 0) return subscribe(again->second);
    idle_.erase(again->second.place);
    channels_.erase(again);
    return;
  }
  channel.open = true;
  for (Waiting& each : waiting) {
    const auto request = requests_.find(each.id);
    if (request == requests_.end()) continue;
    head_ = std::move(each.head);
    tail_ = std::move(each.tail);
    publish(channel, request->second.number, each.payload);
  }
  evict();
}

void PubSubClient::finished(ByText<Request>::iterator request) {
  ReplyChannel& channel = *request->second.channel;
  requests_.erase(request);
  if (--channel.busy != 0) return;
  channel.place = idle_.insert(idle_.end(), &channel);
  evict();
}

/// Routes may be without number: what nobody has used for longest goes.
void PubSubClient::evict() {
  for (auto at = idle_.begin(); idle_.size() > settings().max_reply_subscriptions && at != idle_.end();) {
    ReplyChannel& channel = **at;
    if (!channel.open) {   // its confirmation comes soon
      ++at;
      continue;
    }
    std::string command;
    append_command(command, {"UNSUBSCRIBE", channel.route + std::string(suffix)});
    if (connected()) subscriber().send(command, {unheeded, 0});
    at = idle_.erase(at);
    channels_.erase(std::string(channel.route));
  }
}

// --- in -------------------------------------------------------------------------------------------------------------

void PubSubClient::on_reply(Connection& connection, const Expected& expected, const Value& reply) {
  if (expected.kind == requested) return on_request_published(expected.token, reply);
  if (expected.kind == subscribed) return on_subscribed(expected.token, reply);
  Client::on_reply(connection, expected, reply);
}

/// The server says how many it reached. If that is nobody, nobody will reply. A cluster's node knows of its own only.
void PubSubClient::on_request_published(std::uint64_t number, const Value& reply) {
  const bool refused = reply.is(Value::Type::error);
  const bool unheard = reply.is(Value::Type::integer) && reply.number == 0 && !settings().access.cluster;
  if (!refused && !unheard) return;
  const auto found = std::find_if(requests_.begin(), requests_.end(),
                                  [&](const auto& entry) { return entry.second.number == number; });
  if (found == requests_.end()) return;   // it has ended already
  const std::string id(found->first);
  found->second.channel->introductions = 0;   // nobody heard them
  if (refused) refuse(id, refusal("the request was refused", reply.text));
  else fail_unheard(id);
}

void PubSubClient::fail_unheard(const std::string& id) {
  Failure failure(errc::no_handler, "nobody is subscribed to the pattern's channel", Fate::not_sent);
  failure.remote_body = "\"There is no matching message handler defined in the remote service.\"";
  refuse(id, failure);
}

void PubSubClient::refuse(const std::string& id, const Failure& failure) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  finished(found);
  sink().on_request_failed(id, failure);
}

void PubSubClient::on_published(Connection&, const Published& message) {
  spi::ReplyView reply;
  if (const char* why = serializer().read_reply(message.body, reply)) {
    return sink().on_error(Failure(errc::bad_message, "a message on the channel " + std::string(message.channel) +
                                                          " is no reply: " + why));
  }
  if (extensions() && reply.id == extension::hello_id) {
    ferry_ = true;
    return;
  }
  if (reply.last || reply.failed) {
    const auto found = requests_.find(reply.id);
    if (found != requests_.end()) finished(found);
  }
  sink().on_reply(reply);   // core knows which ids are its own: others use this channel as well
}

}  // namespace ferry::redis
