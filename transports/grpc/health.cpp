#include <algorithm>
#include <optional>

#include "transports/grpc/built_in.hpp"
#include "transports/grpc/wire.hpp"

namespace ferry::grpc {
namespace {

constexpr std::uint64_t serving = 1;
constexpr std::uint64_t not_serving = 2;
constexpr std::uint64_t service_unknown = 3;

std::string response(std::uint64_t status) {
  std::string out;
  wire::append_number(out, 1, status);
  return out;
}

/// The service a HealthCheckRequest asks for.
std::optional<std::string_view> asked(std::string_view body) {
  wire::Reader reader(body);
  std::string_view name;
  while (reader.next()) {
    if (reader.number() == 1 && reader.type() == wire::Type::length) reader.bytes(name);
    else reader.skip();
  }
  if (reader.failed()) return std::nullopt;
  return name;
}

BuiltInReply unreadable_request() {
  BuiltInReply reply;
  reply.status = {static_cast<int>(Code::internal), "it is no HealthCheckRequest"};
  return reply;
}

}  // namespace

void add_health(const std::vector<std::string>& services, BuiltIns& out) {
  const auto known = [services](std::string_view name) {
    return name.empty() || std::find(services.begin(), services.end(), name) != services.end();
  };
  out["/grpc.health.v1.Health/Check"] = [known](std::string_view body) {
    const auto name = asked(body);
    if (!name) return unreadable_request();
    BuiltInReply reply;
    reply.has_message = known(*name);
    if (reply.has_message) reply.message = response(serving);
    else reply.status = {static_cast<int>(Code::not_found), "unknown service " + std::string(*name)};
    return reply;
  };
  out["/grpc.health.v1.Health/Watch"] = [known](std::string_view body) {
    const auto name = asked(body);
    if (!name) return unreadable_request();
    BuiltInReply reply;
    reply.after = BuiltInReply::After::stay;
    reply.has_message = true;
    reply.message = response(known(*name) ? serving : service_unknown);
    reply.farewell = response(known(*name) ? not_serving : service_unknown);
    return reply;
  };
}

}  // namespace ferry::grpc
