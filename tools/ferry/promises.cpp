#include "promises.hpp"

#include <iterator>
#include <string>

namespace ferry::tool {
namespace {

using spi::Capabilities;

constexpr Promise table[] = {
    {"headers", "headers", &Capabilities::headers},
    {"replyStreams", "reply streams", &Capabilities::reply_streams},
    {"requestStreams", "request streams", &Capabilities::request_streams},
    {"ordered", "events in order", &Capabilities::ordered},
    {"orderedByKey", "messages of one key in order", &Capabilities::ordered_by_key},
    {"cancel", "cancel (ferry peers)", &Capabilities::cancel},
    {"deadline", "deadlines (ferry peers)", &Capabilities::deadline},
    {"noHandlerReply", "unknown patterns answered", &Capabilities::no_handler_reply},
    {"seesPeerLoss", "loss of the peer seen at once", &Capabilities::sees_peer_loss},
    {"customSerializer", "other serializers than json", &Capabilities::custom_serializer},
    {"ack", "events confirmed", &Capabilities::ack},
    {"durable", "events wait for absent services", &Capabilities::durable},
    {"atLeastOnce", "at-least-once delivery", &Capabilities::at_least_once},
    {"deadLetters", "dead letters seen and replayed", &Capabilities::dead_letters},
    {"fanout", "events to every instance", &Capabilities::fanout},
    {"wildcard", "wildcards in patterns", &Capabilities::wildcard},
    {"recordOptions", "options of single messages", &Capabilities::record_options},
    {"inProcess", "one process only", &Capabilities::in_process},
    {"replies", "requests answered", &Capabilities::replies},
    {"broker", "a broker stands between", &Capabilities::broker},
};
static_assert(std::size(table) == sizeof(Capabilities) / sizeof(bool), "a capability has no words here");

}  // namespace

std::span<const Promise> promises() noexcept { return table; }

nlohmann::ordered_json promises_json(const Capabilities& capabilities) {
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  for (const Promise& promise : table) all[std::string(promise.key)] = capabilities.*promise.holds;
  return all;
}

}  // namespace ferry::tool
