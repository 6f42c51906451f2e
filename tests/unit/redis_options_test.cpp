// Options that cannot be used, options out of a URL, errors by their words.

#include <fstream>
#include <sstream>

#include "catch.hpp"
#include "ferry_test_paths.hpp"
#include "ferry/error.hpp"
#include "transports/redis/error.hpp"
#include "transports/redis/options.hpp"

namespace {

using namespace ferry;
using namespace std::chrono_literals;
using nlohmann::json;

spi::ServerEnvironment server(const json& options, bool at_least_once = false) {
  spi::ServerEnvironment environment;
  environment.name = "math";
  environment.at_least_once = at_least_once;
  environment.options = spi::Options::parse(options, redis::server_option_table(), {"f.json", "/options"});
  return environment;
}

spi::ClientEnvironment client(const json& options) {
  spi::ClientEnvironment environment;
  environment.options = spi::Options::parse(options, redis::client_option_table(), {"f.json", "/options"});
  return environment;
}

std::string refused(const json& options, bool at_least_once = false) {
  try {
    redis::server_settings(server(options, at_least_once));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("redis: NestJS's defaults", "[redis]") {
  const auto settings = redis::client_settings(client(json::object()));
  REQUIRE(settings.access.places.size() == 1);
  CHECK(settings.access.places[0].host == "localhost");
  CHECK(settings.access.places[0].port == 6379);
  CHECK(settings.mode == redis::Mode::pubsub);
  CHECK_FALSE(redis::server_settings(server(json::object())).wildcards);
}

TEST_CASE("redis: options that cannot be used are refused by name", "[redis]") {
  const json nodes = json::array({{{"host", "a"}}, {{"host", "b"}, {"port", 7000}}});
  CHECK(refused({{"prot", 1}}).find("port") != std::string::npos);
  CHECK(refused({{"path", std::string(200, 'p')}}).find("too long") != std::string::npos);
  CHECK(refused({{"path", "a"}, {"host", "b"}}).find("/options/path") != std::string::npos);
  CHECK(refused({{"nodes", nodes}, {"host", "b"}}).find("/options/host") != std::string::npos);
  CHECK(refused({{"nodes", nodes}, {"db", 1}}).find("database 0") != std::string::npos);
  CHECK(refused({{"nodes", json::array()}}).find("/options/nodes") != std::string::npos);
  CHECK(refused({{"nodes", json::array({{{"hots", "a"}}})}}).find("/options/nodes/0") != std::string::npos);
  CHECK(refused({{"nodes", nodes}, {"mode", "streams"}}).find("Cluster") != std::string::npos);
  CHECK(refused({{"sentinels", nodes}}).find("name") != std::string::npos);
  CHECK(refused({{"name", "m"}}).find("connectionName") != std::string::npos);
  CHECK(refused({{"username", "u"}}).find("password") != std::string::npos);
  CHECK(refused({{"mode", "pubsub"}}, true).find("streams") != std::string::npos);
  CHECK(refused({{"mode", "streams"}, {"wildcards", true}}).find("/options/wildcards") != std::string::npos);
  CHECK(refused({{"streams", json::object()}}).find("/options/streams") != std::string::npos);
  CHECK(refused({{"tls", {{"ca", "none.pem"}}}}).find("/options/tls/ca") != std::string::npos);
}

TEST_CASE("redis: at-least-once chooses streams", "[redis]") {
  const auto settings = redis::server_settings(server(json::object(), true));
  CHECK(settings.mode == redis::Mode::streams);
  CHECK(settings.streams.group == "math");
  CHECK(settings.streams.key("a.b") == "ferry:a.b");
}

TEST_CASE("redis: sentinels and nodes", "[redis]") {
  const json list = json::array({{{"host", "a"}}, {{"host", "b"}, {"port", 7000}}});
  const auto sentinels = redis::client_settings(client({{"sentinels", list}, {"name", "m"}, {"sentinelPassword", "p"}})).access;
  REQUIRE(sentinels.sentinels.size() == 2);
  CHECK(sentinels.sentinels[0].port == 26379);
  CHECK(sentinels.sentinels[1].port == 7000);
  CHECK(sentinels.master == "m");
  CHECK(sentinels.sentinel_credentials.password == "p");
  CHECK(sentinels.places.empty());
  CHECK(sentinels.url == "redis://m by the sentinels at a:26379 and 1 more");
  const auto nodes = redis::client_settings(client({{"nodes", list}})).access;
  CHECK(nodes.cluster);
  REQUIRE(nodes.places.size() == 2);
  CHECK(nodes.places[0].port == 6379);
}

TEST_CASE("redis: retryAttempts and retryDelay say how to reconnect", "[redis]") {
  const spi::ReconnectPolicy configured{7, 1ms, 2ms};
  const auto policy = [&](const json& options) { return redis::reconnect_policy(client(options).options, configured); };
  CHECK(policy(json::object()).attempts == 7);
  CHECK(policy({{"retryAttempts", 3}}).attempts == 3);
  CHECK(policy({{"retryAttempts", 3}}).backoff == 5000ms);
  CHECK(policy({{"retryAttempts", 3}, {"retryDelay", 20}}).max_backoff == 20ms);
}

TEST_CASE("redis: options out of a URL", "[redis]") {
  CHECK(redis::options_from_url("redis://h") == json{{"host", "h"}});
  CHECK(redis::options_from_url("redis://u:p%40@h:7000/3?mode=streams&streams.group=g") ==
        json{{"host", "h"}, {"port", 7000}, {"db", 3}, {"username", "u"}, {"password", "p@"}, {"mode", "streams"},
             {"streams", {{"group", "g"}}}});
  CHECK(redis::options_from_url("redis://:p@h") == json{{"host", "h"}, {"password", "p"}});
  CHECK(redis::options_from_url("rediss://[::1]:1?ca=a.pem") == json{{"host", "::1"}, {"port", 1}, {"tls", {{"ca", "a.pem"}}}});
  CHECK(redis::options_from_url("redis+unix:///run/r.sock?db=1") == json{{"path", "/run/r.sock"}, {"db", "1"}});
  for (const char* url : {"tcp://h", "redis://", "redis://h:x", "redis://h/x", "redis://h/-1", "redis://h?ca=x", "redis+unix://",
                          "rediss://h?tls=1"}) {
    INFO(url);
    CHECK_THROWS_AS(redis::options_from_url(url), ConfigError);
  }
}

TEST_CASE("redis: addresses for people have no passwords", "[redis]") {
  const auto url = [](const json& options) { return redis::url_of(client(options).options); };
  CHECK(url(redis::options_from_url("redis://u:secret@h:7000/3")) == "redis://h:7000/3");
  CHECK(url({{"tls", json::object()}, {"host", "::1"}}) == "rediss://[::1]:6379");
  CHECK(url({{"path", "/r.sock"}}) == "redis+unix:///r.sock");
}

TEST_CASE("redis: errors are known by their words", "[redis]") {
  using redis::RedisError;
  const std::pair<const char*, errc> words[] = {
      {"LOADING Redis is loading the dataset in memory", errc::not_connected},
      {"READONLY You can't write against a read only replica.", errc::not_connected},
      {"NOAUTH Authentication required.", errc::not_connected},
      {"WRONGPASS invalid username-password pair or user is disabled.", errc::not_connected},
      {"NOPERM this user has no permissions to run the 'publish' command", errc::transport_failure},
      {"OOM command not allowed when used memory > 'maxmemory'.", errc::overloaded},
      {"ERR Protocol error: invalid bulk length", errc::bad_payload},
      {"ERR unknown command 'XADD'", errc::unsupported},
      {"MOVED 3999 127.0.0.1:6381", errc::unsupported},
      {"ERR something else", errc::transport_failure},
  };
  for (const auto& [text, condition] : words) {
    INFO(text);
    const Failure failure = redis::refusal("PUBLISH", text);
    CHECK(failure.code == condition);
    CHECK(failure.fate == Fate::not_sent);
    CHECK(failure.detail.find(text) != std::string::npos);
  }
  CHECK(redis::error_kind("BUSYGROUP Consumer Group name already exists") == RedisError::group_exists);
}

TEST_CASE("redis: the README has the option tables", "[redis]") {
  std::ifstream file(FERRY_TESTS_DIR "/../transports/redis/README.md");
  std::stringstream text;
  text << file.rdbuf();
  CHECK(text.str().find(spi::to_markdown(redis::server_option_table())) != std::string::npos);
  CHECK(text.str().find(spi::to_markdown(redis::client_option_table())) != std::string::npos);
}
