// transports/nats without a server: subjects, options, URLs, JetStream's answers.

#include <fstream>
#include <sstream>

#include "catch.hpp"
#include "ferry_test_paths.hpp"

#if __has_include(<nats/nats.h>)

#include "transports/nats/error.hpp"
#include "transports/nats/message.hpp"
#include "transports/nats/options.hpp"
#include "transports/nats/stream.hpp"
#include "transports/nats/subject.hpp"

namespace {

using namespace ferry;
using namespace std::chrono_literals;
using nlohmann::json;

spi::ServerEnvironment service(const json& options, bool at_least_once = false) {
  spi::ServerEnvironment environment;
  environment.name = "math service";
  environment.options = spi::Options::parse(options, nats::server_option_table(), {"app.json", "/services/math/options"});
  environment.at_least_once = at_least_once;
  return environment;
}

spi::ClientEnvironment client(const json& options) {
  spi::ClientEnvironment environment;
  environment.name = "MATH";
  environment.options = spi::Options::parse(options, nats::client_option_table(), {"app.json", "/clients/MATH/options"});
  return environment;
}

std::string refusal(const json& options, bool at_least_once = false) {
  try {
    static_cast<void>(nats::server_settings(service(options, at_least_once)));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

nats::MessagePtr message(const std::string& body, const Headers& headers = {}) {
  static const natsStatus library = nats_Open(-1);   // a connection would open it, and there is none
  REQUIRE(library == NATS_OK);
  natsMsg* raw = nullptr;
  REQUIRE(natsMsg_Create(&raw, "subject", nullptr, body.data(), static_cast<int>(body.size())) == NATS_OK);
  nats::MessagePtr made(raw);
  for (const auto& [name, value] : headers) REQUIRE(natsMsgHeader_Add(raw, name.c_str(), value.c_str()) == NATS_OK);
  return made;
}

TEST_CASE("nats: what may be a subject", "[nats]") {
  for (const char* good : {"a", "a.b", R"({"cmd":"sum"})", "7", "é", "a..b", "a.*.>", ".a"}) {
    INFO(good);
    CHECK(nats::is_publishable(good));
  }
  for (const char* bad : {"", "a b", "a\tb", "a\r\nb", "\x7f"}) {
    INFO(bad);
    CHECK_FALSE(nats::is_publishable(bad));
  }
  CHECK_FALSE(nats::is_publishable(std::string_view("a\0b", 3)));
  for (const char* good : {"a", "a.*", "*.a", ">", "a.>", R"({"cmd":"sum"})"}) CHECK(nats::is_subscribable(good));
  for (const char* bad : {"", "a b", ".a", "a.", "a..b", "a.>.b", ">.a"}) {
    INFO(bad);
    CHECK_FALSE(nats::is_subscribable(bad));
  }
}

TEST_CASE("nats: what a reply subject tells a ferry service", "[nats]") {
  const auto text = [](const nats::ReplyNote& note) {
    std::string subject = "_INBOX.x.1.";
    note.write(subject);
    return subject;
  };
  CHECK(text({false, 5000ms}) == "_INBOX.x.1.ferry-5000");
  CHECK(text({true, std::nullopt}) == "_INBOX.x.1.ferry-hi-none");
  for (const nats::ReplyNote& note : {nats::ReplyNote{true, 1ms}, nats::ReplyNote{false, std::nullopt}, nats::ReplyNote{true, 0ms}}) {
    const auto read = nats::ReplyNote::read(text(note));
    REQUIRE(read);
    CHECK(read->hello == note.hello);
    CHECK(read->timeout == note.timeout);
  }
  CHECK(nats::ReplyNote::read("ferry-99999999999999999")->timeout == std::chrono::hours(365 * 24));
  for (const char* foreign : {"", "_INBOX.oLpa7dukgB2l0nTUVgXQaG", "x.ferry", "x.ferry-", "x.ferry-5s", "x.ferry-hi", "x.ferry--5",
                              "ferry-5.x", "x.ferry-99999999999999999999999"}) {
    INFO(foreign);
    CHECK_FALSE(nats::ReplyNote::read(foreign));
  }
}

TEST_CASE("nats: what the subject of an acknowledgement tells", "[nats]") {
  const auto older = nats::AckSubject::read("$JS.ACK.ferry.math-sum.3.41.40.1700000000000000000.12");
  REQUIRE(older);
  CHECK(older->stream == "ferry");
  CHECK(older->deliveries == 3);
  CHECK(older->sequence == 41);
  const auto newer = nats::AckSubject::read("$JS.ACK.hub.Ax7.ferry.math-sum.2.7.6.1700000000000000000.0.rnd");
  REQUIRE(newer);
  CHECK(newer->stream == "ferry");
  CHECK(newer->deliveries == 2);
  CHECK(newer->sequence == 7);
  for (const char* other : {"", "$JS.ACK.", "$JS.ACK.a.b.c", "$JS.ACK.s.c.x.1.1.1.1", "_INBOX.a.b.c.d.e.f.g.h.i"}) {
    CHECK_FALSE(nats::AckSubject::read(other));
  }
}

TEST_CASE("nats: headers", "[nats]") {
  CHECK(nats::headers_of(message("x").get()).empty());
  const auto made = message("x", Headers().set("a", "1"));
  REQUIRE(natsMsgHeader_Add(made.get(), "a", "2") == NATS_OK);
  REQUIRE(natsMsgHeader_Add(made.get(), "B", "é") == NATS_OK);
  const Headers headers = nats::headers_of(made.get());
  CHECK(headers.get("a") == "1, 2");
  CHECK(headers.get("B") == "é");
  CHECK(nats::wire_size(Headers().set("glob", "g")) == 21);   // as captured from NestJS
  Failure failure;
  CHECK(nats::are_sendable(Headers().set("x-a", "é\"€ : "), failure));
  for (const auto& [name, value] : {std::pair{"", "x"}, {"a b", "x"}, {"a:", "x"}, {"é", "x"}, {"a", "x\r\ny: z"}, {"a", "\n"}}) {
    CHECK_FALSE(nats::are_sendable(Headers().set(name, value), failure));
    CHECK(failure.code == errc::bad_payload);
    CHECK(failure.fate == Fate::not_sent);
  }
}

TEST_CASE("nats: wrong options are refused by name", "[nats]") {
  CHECK(refusal(json::object()).empty());
  CHECK_THAT(refusal({{"servers", "http://h"}}), Catch::Contains("/servers") && Catch::Contains("nats://host:port"));
  CHECK_THAT(refusal({{"servers", json::array()}}), Catch::Contains("/servers"));
  CHECK_THAT(refusal({{"queue", "a b"}}), Catch::Contains("/queue"));
  CHECK_THAT(refusal({{"inboxPrefix", "a.*"}}), Catch::Contains("/inboxPrefix"));
  CHECK_THAT(refusal({{"userCreds", "none.creds"}}), Catch::Contains("none.creds"));
  CHECK_THAT(refusal({{"nkey", "U1"}}), Catch::Contains("nkeySeedFile"));
  CHECK_THAT(refusal({{"tls", {{"cert", "none.pem"}, {"key", "none.key"}}}}), Catch::Contains("none.pem"));
  CHECK_THAT(refusal({{"tls", {{"cert", "-----BEGIN CERTIFICATE-----"}}}}), Catch::Contains("belong together"));
  CHECK_THAT(refusal({{"que", "x"}}), Catch::Contains("queue"));
  CHECK_THAT(refusal({{"stream", "x"}}), Catch::Contains("\"mode\": \"jetstream\""));   // it would do nothing
  CHECK_THAT(refusal({{"mode", "jetstream"}, {"stream", "a.b"}}), Catch::Contains("/stream"));
  CHECK_THAT(refusal({{"mode", "jetstream"}, {"subjectPrefix", "a.>"}}), Catch::Contains("/subjectPrefix"));
  CHECK_THROWS_AS(nats::client_settings(client({{"headers", {{"a b", "c"}}}})), ConfigError);
}

TEST_CASE("nats: at-least-once is JetStream", "[nats]") {
  CHECK_FALSE(nats::server_settings(service(json::object())).stream);
  const auto settings = nats::server_settings(service({{"stream", "orders"}}, true));
  REQUIRE(settings.stream);
  CHECK(settings.stream->subject_prefix == "orders.");
  CHECK(settings.stream->dead_letter == "dead.orders.");
  CHECK(settings.stream->durable == "math-service");
  CHECK_THAT(refusal({{"mode", "core"}}, true), Catch::Contains("/mode") && Catch::Contains("at-least-once"));
  CHECK(nats::client_settings(client({{"mode", "jetstream"}, {"subjectPrefix", "x.y"}})).stream->subject_prefix == "x.y.");
}

TEST_CASE("nats: how often to reconnect", "[nats]") {
  const auto policy = [](const json& options) { return nats::reconnect_policy_of(client(options).options, {7, 1ms, 2ms}); };
  CHECK(policy(json::object()).attempts == 7);
  CHECK(policy(json::object()).max_backoff == 2ms);
  CHECK(policy({{"reconnect", false}}).attempts == 0);
  CHECK(policy({{"maxReconnectAttempts", -1}}).attempts == -1);
  CHECK(policy({{"reconnectTimeWait", 50}, {"reconnectJitter", 10}}).backoff == 50ms);
  CHECK(policy({{"reconnectTimeWait", 50}, {"reconnectJitter", 10}}).max_backoff == 60ms);
}

TEST_CASE("nats: options out of a URL", "[nats]") {
  CHECK(nats::options_from_url("nats://math") == json{{"servers", {"nats://math:4222"}}});
  CHECK(nats::options_from_url("nats://u:p%40@h:1?queue=q") ==
        json{{"servers", {"nats://h:1"}}, {"user", "u"}, {"pass", "p@"}, {"queue", "q"}});
  CHECK(nats::options_from_url("nats://secret@[::1]:1") == json{{"servers", {"nats://[::1]:1"}}, {"token", "secret"}});
  CHECK(nats::options_from_url("tls://h?ca=a.pem") == json{{"servers", {"tls://h:4222"}}, {"tls", {{"ca", "a.pem"}}}});
  for (const char* url : {"http://h", "nats://", "nats://h:x", "nats://h/p", "nats://h?ca=x", "tls://h?tls=x", "nats://h?servers=x"}) {
    INFO(url);
    CHECK_THROWS_AS(nats::options_from_url(url), ConfigError);
  }
  CHECK(nats::url_of(client({{"servers", {"nats://u:p@a:1", "b:2"}}}).options) == "nats://a:1,b:2");
}

TEST_CASE("nats: the driver's codes", "[nats]") {
  CHECK(nats::make_code(NATS_TIMEOUT) == errc::timed_out);
  CHECK(nats::make_code(NATS_STALE_CONNECTION) == errc::connection_lost);
  CHECK(nats::make_code(NATS_NO_SERVER) == errc::not_connected);
  CHECK(nats::make_code(NATS_MAX_PAYLOAD) == errc::bad_payload);
  CHECK(nats::no_responders("a").code == errc::no_handler);
  CHECK(nats::no_responders("a").detail ==
        "Empty response. There are no subscribers listening to that message (\"a\")");
}

TEST_CASE("nats: names of consumers", "[nats]") {
  nats::StreamSettings settings;
  settings.durable = "math";
  const std::string name = nats::consumer_name(settings, R"({"cmd":"sum"})");
  CHECK(name.starts_with("math---cmd---sum---"));
  CHECK(name.find_first_of(" .*>/\\") == std::string::npos);
  CHECK(name != nats::consumer_name(settings, R"({"cmd":"sun"})"));
  CHECK(nats::consumer_name(settings, "a.b") != nats::consumer_name(settings, "a-b"));
  CHECK(nats::consumer_name(settings, std::string(1000, 'x')).size() < 100);
}

TEST_CASE("nats: what a stream answers to an event", "[nats]") {
  nats::StreamSettings settings;
  settings.stream = "orders";
  const auto failure = [&](const std::string& body) { return nats::confirmation_failure(message(body).get(), settings); };
  CHECK_FALSE(failure(R"({"stream":"orders","seq":7})"));
  CHECK_FALSE(failure(R"({"stream":"orders","seq":7,"duplicate":true})"));
  CHECK(failure(R"({"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}})")->code == errc::overloaded);
  CHECK(failure(R"({"error":{"code":400,"description":"wrong"}})")->code == errc::transport_failure);
  CHECK(failure("{")->code == errc::bad_message);
  CHECK(failure("[]")->code == errc::bad_message);
  CHECK(nats::confirmation_failure(nullptr, settings)->fate == Fate::not_sent);
}

TEST_CASE("nats: the README has the options as they are", "[nats]") {
  std::ifstream file(FERRY_TESTS_DIR "/../transports/nats/README.md");
  std::ostringstream text;
  text << file.rdbuf();
  CHECK_THAT(text.str(), Catch::Contains(spi::to_markdown(nats::server_option_table())));
  CHECK_THAT(text.str(), Catch::Contains(spi::to_markdown(nats::client_option_table())));
}

}  // namespace

#endif
