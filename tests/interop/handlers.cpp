#include "handlers.hpp"

#include <atomic>
#include <memory>
#include <numeric>
#include <stdexcept>

#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

namespace ferry::test {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

task<void> pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

/// What service.mjs prints for a run of an event handler.
json event_line(const char* name, const Payload& data) {
  json line{{"event", name}};
  if (data.has_value()) line["data"] = data.as<json>();
  return line;
}

void add_values(Application& app) {
  app.on_message({{"cmd", "sum"}}, [](std::vector<double> xs) { return std::accumulate(xs.begin(), xs.end(), 0.0); });
  app.on_message("echo", [](Payload payload) { return payload; });
  app.on_message(7, [](const json& value) { return json{{"seven", value}}; });
  app.on_message(Pattern::from_json(R"({"b":1,"a":{"d":"x","c":2}})"), [](const json& value) { return json{{"nested", value}}; });
  app.on_message("undef", [] {});
  app.on_message("retnull", [] { return nullptr; });
  app.on_message("retfalse", [] { return false; });
  app.on_message("retzero", [] { return 0; });
  app.on_message("retempty", [] { return ""; });
  app.on_message("buf", [] { return Bytes(std::string("\x00\x01\xff", 3)); });
  app.on_message("date", [] { return "1970-01-01T00:00:00.000Z"; });
  app.on_message("cls", [] { return json{{"px", 1}}; });
  app.on_message("rmqrec", [] {
    return json{{"data", "hi"}, {"options", {{"headers", {{"a", "b"}}}, {"priority", 3}}}};
  });
  app.on_message("true", [] { return "unreachable"; });
  app.on_message("1.0", [] { return "unreachable"; });
  app.on_message("grüße.€.😀", [](const std::string& text) { return text + "!"; });
  app.on_message({{"cmd", "ünï😀"}}, [](std::string text) { return text; });
  app.on_message("who", [asked = std::make_shared<std::atomic<int>>(0)] { return json{"ferry", ++*asked}; });
  app.on_message("dup", [] { return "dup1"; });
  app.on_message("dup", [] { return "dup2"; });
  app.on_message("multi.a", [] { return "multi"; });
  app.on_message("multi.b", [] { return "multi"; });
  app.on_message("intercepted", [] { return json{{"wrapped", 1}}; });
  app.on_message("property", [](const json& value) {
    return value.is_object() && value.contains("x") ? Payload::from_json(value["x"].dump()) : Payload();
  });
  app.on_message("meta", [](Context& context) {
    json all = json::object();
    for (const auto& [name, value] : context.headers()) all[name] = value;
    return all.empty() ? json() : all;
  });
  app.on_message("delay", [](json request) -> task<json> {
    co_await pause(std::chrono::milliseconds(request["ms"].get<int>()));
    co_return request["value"];
  });
  app.on_message("never", []() -> task<int> {
    co_await pause(1h);
    co_return 0;
  });
}

void add_streams(Application& app) {
  app.on_message("stream", [](ReplyWriter<int>& out) -> task<void> {
    for (int i = 1; i <= 3; ++i) co_await out.write(i);
  });
  app.on_message("astream", [](ReplyWriter<json>& out) -> task<void> {
    for (int i = 0; i < 3; ++i) {
      const json value{{"i", i}};
      co_await out.write(value);
    }
  });
  app.on_message("slow", [](ReplyWriter<int>& out) -> task<void> {
    for (int i = 1; i <= 3; ++i) {
      co_await pause(30ms);
      co_await out.write(i);
    }
    co_await pause(30ms);
  });
  app.on_message("bigstream", [](int count, ReplyWriter<int>& out) -> task<void> {
    for (int i = 0; i < count; ++i) co_await out.write(i);
  });
  app.on_message("prom", [](ReplyWriter<std::string>& out) -> task<void> {
    const std::string a = "a";
    const std::string b = "b";
    co_await out.write(a);
    co_await out.write(b);
  });
  const auto nothing = [](ReplyWriter<int>&) -> task<void> { co_return; };
  app.on_message("empty", nothing);
  app.on_message("aempty", nothing);
}

void add_errors(Application& app) {
  app.on_message("rpcstr", [] { throw RpcError("boom"); });
  app.on_message("rpcobj", [] { throw RpcError(json{{"code", 42}, {"message", "boom"}, {"extra", json::array({1})}}); });
  app.on_message("rpcnum", [] { throw RpcError(json(7)); });
  app.on_message("rpcarr", [] { throw RpcError(json::array({"a", "b"})); });
  app.on_message("rpcempty", [] { throw RpcError(""); });
  app.on_message("rpcundef", [] { throw RpcError(json{{"status", "error"}}); });
  app.on_message("rpcerrobj", [] { throw RpcError(json::object()); });
  for (const char* pattern : {"err", "http", "plain", "obserr", "piped"}) {
    app.on_message(pattern, [] { throw std::runtime_error("a detail that stays here"); });
  }
  app.on_message("guarded", [] { throw RpcError(json{{"status", "error"}, {"message", "Forbidden resource"}}); });
  app.on_message("perr", [](ReplyWriter<int>& out) -> task<void> {
    co_await out.write(1);
    co_await out.write(2);
    throw RpcError("late");
  });
  app.on_message("aperr", [](ReplyWriter<int>& out) -> task<void> {
    co_await out.write(0);
    co_await out.write(1);
    throw RpcError("late");
  });
}

void add_events(Application& app, const std::function<void(json)>& heard) {
  const auto on = [&](const Pattern& pattern, const char* name, const char* result) {
    app.on_event(pattern, [heard, name, result](Payload data) {
      heard(event_line(name, data));
      return result;
    });
  };
  on("evt", "e1", "e1");
  on("evt", "e2", "e2");
  on({{"z", 1}, {"ev", "obj"}}, "e3", "e3");
  on("one", "one", "one-ret");
  app.on_event("evterr", [heard](Payload data) {
    heard(event_line("evterr", data));
    throw std::runtime_error("no");
  });
  app.on_message("both", [heard](Payload data) {
    heard(event_line("both-msg", data));
    return "both-msg";
  });
}

/// What a wildcard matched: `route` is how the transport's context tells.
template <class C>
void add_wildcards(Application& app, const std::function<void(json)>& heard, std::string (C::*route)() const) {
  app.on_message("wild.*.get", [route](const json& data, C& context) {
    return json{{"route", (context.*route)()}, {"data", data}};
  });
  app.on_event("wild.*.seen", [heard, route](Payload data, C& context) {
    heard(event_line((context.*route)().c_str(), data));
  });
}

json headers_of(const NatsContext& context) {
  json all = json::object();
  for (const auto& [name, value] : context.headers()) all[name] = value;
  return all;
}

void add_nats(Application& app, const std::function<void(json)>& heard) {
  app.on_message("deep.>", [](NatsContext& context) { return context.subject(); });
  app.on_message("headers", [](NatsContext& context) { return headers_of(context); });
  app.on_event("headers.event", [heard](NatsContext& context) {
    heard({{"event", "headers"}, {"data", headers_of(context)}});
  });
}

json packet_of(const MqttContext& context) {
  const MqttContext::Packet packet = context.packet();
  json user = json::object();
  for (const auto& [name, value] : packet.user_properties) user[name] = value;
  return {{"topic", context.topic()}, {"qos", packet.qos}, {"retain", packet.retain}, {"user", user}};
}

void add_mqtt(Application& app, const std::function<void(json)>& heard) {
  app.on_message("wild/+/get", [](const json& data, MqttContext& context) {
    return json{{"route", context.topic()}, {"data", data}};
  });
  app.on_event("wild/+/seen", [heard](Payload data, MqttContext& context) { heard(event_line(context.topic().c_str(), data)); });
  app.on_message("deep/#", [](MqttContext& context) { return context.topic(); });
  app.on_message("headers", [](MqttContext& context) { return packet_of(context)["user"]; });
  app.on_event("packet/+", [heard](MqttContext& context) { heard({{"event", "packet"}, {"data", packet_of(context)}}); });
  app.on_event("$share/crew/shared/+", [heard](MqttContext& context) { heard({{"event", "shared"}, {"data", packet_of(context)}}); },
               json{{"qos", 2}});
}

void add_rmq(Application& app, const std::function<void(json)>& heard) {
  add_wildcards(app, heard, &RmqContext::routing_key);
  app.on_message("deep.#", [](RmqContext& context) { return context.routing_key(); });
  app.on_message("properties", [](RmqContext& context) {
    const RmqContext::Properties& p = context.properties();
    json headers = json::object();
    for (const auto& [name, value] : p.headers) headers[name] = value;
    return json{{"pattern", context.pattern()}, {"headers", headers}, {"priority", p.priority.value_or(0)},
                {"messageId", p.message_id}, {"deliveryMode", p.delivery_mode.value_or(0)}};
  });
  app.on_event("at.second", [heard](Payload data, RmqContext& context) {
    if (!context.redelivered()) return context.nack(true);
    context.ack();
    heard(event_line("second", data));
  });
}

json config_of(const char* role, const char* name, json options) {
  return {{role, {{name, {{"transport", transport()}, {"options", std::move(options)}}}}}};
}

}  // namespace

void add_nest_handlers(Application& app, const std::function<void(json)>& heard) {
  add_values(app);
  add_streams(app);
  add_errors(app);
  add_events(app, heard);
  if (transport() == "redis") add_wildcards(app, heard, &RedisContext::channel);
  if (transport() == "mqtt") add_mqtt(app, heard);
  if (transport() == "rmq") add_rmq(app, heard);
  if (transport() == "nats") {
    add_wildcards(app, heard, &NatsContext::subject);
    add_nats(app, heard);
  }
}

FerryService::FerryService(Place& place, const json& options)
    : app_([&] {
        json config = config_of("services", "nest", place.options(options));
        config["shutdownTimeout"] = "1s";   // `never` runs on where a broker does not tell that its caller has gone
        return Config::from_json(config);
      }()) {
  set_log_level(LogLevel::off);
  add_nest_handlers(app_, [this](json line) { heard.change([&](json& all) { all.push_back(std::move(line)); }); });
  app_.start();
  if (transport() != "tcp") return;
  const std::string endpoint = app_.services().front().endpoint;
  place.found(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
}

Application ferry_client(const Place& place, const json& options) {
  set_log_level(LogLevel::off);
  return Application(Config::from_json(config_of("clients", "NEST", place.options(options))));
}

}  // namespace ferry::test
