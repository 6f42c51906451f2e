// The command and the example over brokers, each with one of its own.

#include <cstdlib>

#include "ferry_test_paths.hpp"
#include "support/broker.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

std::string broker_of(const std::string& transport) {
  if (transport == "rmq") return "rabbitmq";
  return transport == "mqtt" ? "mosquitto" : transport;
}

/// RabbitMQ's peers meet at a queue.
std::string url_of(const Broker& broker, const std::string& transport) {
  return broker.url() + (transport == "rmq" ? "?queue=tool" : "");
}

json options_of(const std::string& transport, const Broker& broker) {
  if (transport == "nats") return {{"servers", {broker.url()}}};
  if (transport == "mqtt") return {{"url", broker.url()}};
  if (transport == "rmq") return {{"urls", {broker.url()}}, {"queue", "checked"}};
  if (transport == "kafka") return {{"client", {{"brokers", {"127.0.0.1:" + std::to_string(broker.port())}}}}};
  return {{"host", "127.0.0.1"}, {"port", broker.port()}};
}

}  // namespace

TEST_CASE("listen, emit and send over a broker") {
  const std::string name = GENERATE(as<std::string>(), "redis", "nats", "rmq", "mqtt", "kafka");
  if (!has_transport(name)) return;
  CAPTURE(name);
  const Broker broker(broker_of(name));
  const std::string url = url_of(broker, name);
  Process listener(command({"listen", url, "user_created", R"({"cmd":"sum"})", "--count", "2"}));
  listener.line_of_stderr("listening on ");
  CHECK(ferry_tool({"emit", url, "user_created", "{\"id\":7,\"name\":\"\xC3\xA9\"}", "--header", "tenant=acme"}).code == 0);
  listener.line_of_stdout("user_created");
  const Finished request = ferry_tool({"send", url, R"({"cmd":"sum"})", "[1,2]"});
  CHECK(request.err.empty());
  CHECK(request.code == 0);
  const Finished run = listener.wait();
  CHECK(run.code == 0);
  CHECK(run.out == "{\"pattern\":\"user_created\",\"data\":{\"id\":7,\"name\":\"\xC3\xA9\"},\"headers\":{\"tenant\":\"acme\"}}\n"
                   "{\"pattern\":{\"cmd\":\"sum\"},\"data\":[1,2],\"headers\":{}}\n");
  if (name == "kafka") {   // for who comes later
    const Finished replay = ferry_tool({"listen", url, "user_created", "--from-beginning", "--count", "1"});
    CHECK(replay.out == run.out.substr(0, run.out.find('\n') + 1));
    CHECK(replay.code == 0);
  }
  if (name == "rmq" || name == "kafka" || name == "mqtt") return;   // a request waits for a service; with QoS 0 nobody can tell that nobody listens
  const Finished nobody = ferry_tool({"send", url, "nobody.listens", "1", "--timeout", "10s"});
  CHECK(nobody.code != 0);
  CHECK_FALSE(has(nobody.err, "no reply within"));   // known at once
}

TEST_CASE("listen and send over TLS, with certificates in the URL") {
  const std::string name = GENERATE(as<std::string>(), "rmq", "mqtt");
  if (!has_transport(name)) return;
  CAPTURE(name);
  const std::string& certs = certificates();
  const std::string rabbitmq = ", {tcp_listeners, []}, {ssl_listeners, [{\"127.0.0.1\", ${PORT}}]}, {ssl_options, [{cacertfile, \"" +
                               certs + "/ca.pem\"}, {certfile, \"" + certs + "/server.pem\"}, {keyfile, \"" + certs +
                               "/server.key\"}, {verify, verify_peer}, {fail_if_no_peer_cert, true}]}";
  const std::string mosquitto = "cafile " + certs + "/ca.pem\ncertfile " + certs + "/server.pem\nkeyfile " + certs +
                                "/server.key\nrequire_certificate true";
  const Broker broker(broker_of(name), name == "rmq" ? rabbitmq : mosquitto);
  const std::string place = "localhost:" + std::to_string(broker.port());
  const std::string base = name == "rmq" ? "amqps://guest:guest@" + place + "?queue=tool&" : "mqtts://" + place + "?";
  const std::string url = base + "ca=" + certs + "/ca.pem&cert=" + certs + "/client.pem&key=" + certs + "/client.key";
  Process listener(command({"listen", url, R"({"cmd":"sum"})", "--count", "1"}));
  listener.line_of_stderr("listening on ");
  const Finished request = ferry_tool({"send", url, R"({"cmd":"sum"})", "[1,2]"});
  CHECK(request.err.empty());
  CHECK(request.code == 0);
  const Finished run = listener.wait();
  CHECK(run.code == 0);
  CHECK(run.out == "{\"pattern\":{\"cmd\":\"sum\"},\"data\":[1,2],\"headers\":{}}\n");
  const Finished stranger = ferry_tool({"send", base + "ca=" + certs + "/other-ca.pem", R"({"cmd":"sum"})", "[1,2]", "--timeout", "20s"});
  CHECK(stranger.code == 3);
  CHECK(has(stranger.err, "certificate"));
}

TEST_CASE("check over a broker, and without it") {
  const std::string name = GENERATE(as<std::string>(), "redis", "nats", "rmq", "mqtt", "kafka");
  if (!has_transport(name)) return;
  CAPTURE(name);
  Broker broker(broker_of(name));
  const Scratch scratch;
  const std::string port = std::to_string(broker.port());
  const json part{{"transport", name}, {"options", options_of(name, broker)}};
  const std::string file = scratch.file("app.json", json{{"services", {{"own", part}}}, {"clients", {{"PEER", part}}}}.dump());
  const Finished there = ferry_tool({"check", file});
  CHECK(there.code == 0);
  CHECK(has(there.out, "client PEER: " + name));
  CHECK(has(there.out, port));
  CHECK(has(there.out, "connected in "));
  broker.stop();
  const Finished away = ferry_tool({"check", file});
  CHECK(away.code == 3);
  CHECK(has(away.out, "NOT connected"));
  const Finished listener = ferry_tool({"listen", url_of(broker, name), "x"});
  CHECK(listener.code == 3);
  CHECK(has(listener.err, "cannot listen"));
}

TEST_CASE("the math example over a broker, by its config alone") {
  const std::string name = GENERATE(as<std::string>(), "redis", "nats", "rmq", "mqtt", "kafka");
  if (!has_transport(name)) return;
  CAPTURE(name);
  const Broker broker(broker_of(name));
  setenv("RABBITMQ_URL", broker.url().c_str(), 1);
  setenv("REDIS_PORT", std::to_string(broker.port()).c_str(), 1);
  setenv("MQTT_URL", broker.url().c_str(), 1);
  setenv("NATS_URL", broker.url().c_str(), 1);
  setenv("KAFKA_BROKERS", ("127.0.0.1:" + std::to_string(broker.port())).c_str(), 1);
  const Finished run = Process({FERRY_TESTS_DIR "/../examples/math/run", FERRY_BUILD_PROGRAM_DIR, name}).wait();
  CAPTURE(run.err);
  CHECK(run.err.empty());
  CHECK(run.code == 0);
  CHECK(has(run.out, "user.get 7, asked for over " + name));
}
