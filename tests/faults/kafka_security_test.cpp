// A broker that wants TLS, a certificate and a login.

#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "../support/certificates.hpp"
#include "../support/scratch.hpp"
#include "catch.hpp"
#include "kafka_support.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

std::string text_of(const std::string& name) {
  std::ifstream file(certificates() + "/" + name);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct SecuredWorld {
  json options(const std::string& group = "g") const {
    return {{"client", {{"brokers", {"127.0.0.1:" + std::to_string(kafka.port())}}, {"ssl", ssl}, {"sasl", sasl}, {"connectionTimeout", "2s"}}},
            {"consumer", {{"groupId", group}}}};
  }
  Application calls() const {
    return Application(Config::from_json({{"threads", 1}, {"clients", {{"C", {{"transport", "kafka"}, {"reconnect", {{"attempts", 0}}}, {"options", options()}}}}}}));
  }
  Application service(const std::string& group) const {
    return Application(Config::from_json({{"threads", 1}, {"services", {{"s", {{"transport", "kafka"}, {"reconnect", {{"attempts", 0}}}, {"options", options(group)}}}}}}));
  }

  ScratchDirectory files;
  std::string keystore{[this] {
    files.write("broker.pem", text_of("broker.key") + text_of("broker.pem"));
    return files.path() + "/broker.pem";
  }()};
  json ssl{{"ca", certificates() + "/ca.pem"}, {"cert", certificates() + "/client.pem"}, {"key", certificates() + "/client.key"}};
  json sasl{{"mechanism", "plain"}, {"username", "ferry"}, {"password", "secret"}};
  Broker kafka{"kafka",
               "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_SSL\n"
               "inter.broker.listener.name=PLAINTEXT\n"
               "sasl.enabled.mechanisms=PLAIN\n"
               "sasl.mechanism.inter.broker.protocol=PLAIN\n"
               "listener.name.plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
               "username=\"broker\" password=\"own\" user_broker=\"own\" user_ferry=\"secret\";\n"
               "listener.name.plaintext.ssl.client.auth=required\n"
               "ssl.keystore.type=PEM\nssl.keystore.location=" + keystore + "\n"
               "ssl.truststore.type=PEM\nssl.truststore.location=" + certificates() + "/ca.pem\n"};
};

}  // namespace

TEST_CASE("kafka: with TLS, a certificate and a login; who has the wrong ones is told why") {
  const Quiet quiet;
  SecuredWorld world;
  {
    Application app = world.service("right");
    app.on_message("double", [](int value) { return 2 * value; });
    app.start();
    Application calls = world.calls();
    CHECK(calls.client("C").send<int>("double", 21).get() == 42);
    CHECK(app.stop());
  }
  const json right_ssl = world.ssl;
  const json right_sasl = world.sasl;
  const auto refused = [&](const char* what, const std::string& wanted, const std::function<void()>& change) {
    CAPTURE(what);
    change();
    CHECK_THAT(failure_of([&] { world.calls().client("C").connect().get(); }), Catch::Contains(wanted));
    CHECK_THAT(failure_of([&] {
                 Application app = world.service("wrong");
                 app.on_message("double", [](int value) { return value; });
                 app.start();
               }), Catch::Contains(wanted));
    world.ssl = right_ssl;
    world.sasl = right_sasl;
  };
  refused("the password", "uthentication", [&] { world.sasl["password"] = "wrong"; });   // the broker's word
  refused("the authority", "certificate verify failed", [&] { world.ssl["ca"] = certificates() + "/other-ca.pem"; });
  refused("no certificate", "ertificate", [&] {
    world.ssl.erase("cert");
    world.ssl.erase("key");
  });
  refused("no TLS", "SSL", [&] { world.ssl = false; });
}
