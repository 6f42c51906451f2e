#include <ferry/error.hpp>

#include <cerrno>
#include <set>

#include <nlohmann/json.hpp>

#include "catch.hpp"

using namespace ferry;
using nlohmann::json;

namespace {

// A driver's category as a plugin writes it, and one that borrows Asio's names.
class NamedCategory final : public std::error_category {
 public:
  explicit NamedCategory(const char* name) : name_(name) {}
  const char* name() const noexcept override { return name_; }
  std::string message(int value) const override { return std::string(name_) + " says " + std::to_string(value); }
  std::error_condition default_error_condition(int value) const noexcept override {
    if (value == 99) return errc::timed_out;
    return {value, *this};
  }

 private:
  const char* name_;
};

const NamedCategory driver("driver");
const NamedCategory asio_system("asio.system");
const NamedCategory asio_misc("asio.misc");
const NamedCategory asio_netdb("asio.netdb");
const NamedCategory asio_ssl("asio.ssl.stream");

std::error_code system_code(int value) { return {value, std::system_category()}; }

std::set<int> conditions_of(const std::error_code& code) {
  std::set<int> result;
  for (int value = 1; value <= static_cast<int>(errc::transport_failure); ++value) {
    if (code == static_cast<errc>(value)) result.insert(value);
  }
  return result;
}

std::set<int> only(errc value) { return {static_cast<int>(value)}; }

template <class Expected>
void check_thrown_as(const std::error_code& code) {
  INFO(code);
  try {
    throw_failure(Failure(code, "what happened", Fate::not_sent));
  } catch (const Error& error) {
    CHECK(typeid(error) == typeid(Expected));
    CHECK(error.what() == std::string("what happened"));
    CHECK(error.code() == code);
    CHECK(error.fate() == Fate::not_sent);
  }
}

}  // namespace

TEST_CASE("every errc has its own message", "[error]") {
  std::set<std::string> texts;
  for (int value = 1; value <= static_cast<int>(errc::transport_failure); ++value) {
    const std::error_code code = static_cast<errc>(value);
    CHECK(code.category().name() == std::string("ferry"));
    CHECK(code.message().find("unknown") == std::string::npos);
    texts.insert(code.message());
  }
  CHECK(texts.size() == static_cast<std::size_t>(errc::transport_failure));
  CHECK(make_error_code(errc::timed_out).message() == "the deadline passed");
  CHECK(make_error_code(errc::transport_failure).message() == "the transport failed");
  CHECK(ferry_category().message(0) == "unknown ferry error 0");
  CHECK(ferry_category().message(18) == "unknown ferry error 18");
}

TEST_CASE("a ferry code equals its own condition and no other", "[error]") {
  for (int value = 1; value <= static_cast<int>(errc::transport_failure); ++value) {
    CHECK(conditions_of(static_cast<errc>(value)) == std::set<int>{value});
  }
  CHECK(conditions_of(std::error_code{}).empty());
  CHECK(errc::closed == make_error_code(errc::closed));
  CHECK(make_error_code(errc::closed) != errc::cancelled);
  CHECK(make_error_condition(errc::closed) == errc::closed);
}

TEST_CASE("codes of the operating system equal what they mean", "[error]") {
  for (const int value : {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ENOTCONN, ETIMEDOUT}) {
    CHECK(conditions_of(system_code(value)) == only(errc::not_connected));
  }
  for (const int value : {ECONNRESET, EPIPE, ECONNABORTED, ENETRESET}) {
    CHECK(conditions_of(system_code(value)) == only(errc::connection_lost));
  }
  CHECK(conditions_of(system_code(ECANCELED)) == only(errc::cancelled));
  CHECK(conditions_of(system_code(ENOENT)).empty());
  CHECK(conditions_of(std::make_error_code(std::errc::timed_out)) == only(errc::timed_out));
  CHECK(conditions_of(std::make_error_code(std::errc::broken_pipe)) == only(errc::connection_lost));
}

TEST_CASE("codes of Asio equal what they mean", "[error]") {
  CHECK(conditions_of({ECONNREFUSED, asio_system}) == only(errc::not_connected));
  CHECK(conditions_of({ETIMEDOUT, asio_system}) == only(errc::not_connected));
  CHECK(conditions_of({EPIPE, asio_system}) == only(errc::connection_lost));
  CHECK(conditions_of({ECANCELED, asio_system}) == only(errc::cancelled));
  CHECK(conditions_of({2, asio_misc}) == only(errc::connection_lost));
  CHECK(conditions_of({1, asio_misc}).empty());
  CHECK(conditions_of({1, asio_netdb}) == only(errc::not_connected));
  CHECK(conditions_of({1, asio_ssl}) == only(errc::connection_lost));
}

TEST_CASE("a driver's category decides what its codes mean", "[error]") {
  CHECK(conditions_of({99, driver}) == only(errc::timed_out));
  CHECK(conditions_of({2, driver}).empty());
}

TEST_CASE("what may succeed when tried again", "[error]") {
  std::set<int> retryable;
  for (int value = 1; value <= static_cast<int>(errc::transport_failure); ++value) {
    if (is_retryable(static_cast<errc>(value))) retryable.insert(value);
  }
  std::set<int> wanted;
  for (const errc value : {errc::timed_out, errc::not_connected, errc::connection_lost, errc::overloaded,
                           errc::circuit_open}) {
    wanted.insert(static_cast<int>(value));
  }
  CHECK(retryable == wanted);
  CHECK(is_retryable(system_code(ECONNREFUSED)));
  CHECK(is_retryable({99, driver}));
  CHECK_FALSE(is_retryable({1, driver}));
  CHECK(Error(errc::overloaded, "full").is_retryable());
}

TEST_CASE("a failure is thrown as the class that fits", "[error]") {
  check_thrown_as<TimeoutError>(errc::timed_out);
  check_thrown_as<TimeoutError>({99, driver});
  check_thrown_as<CancelledError>(errc::cancelled);
  check_thrown_as<ConnectionError>(errc::not_connected);
  check_thrown_as<ConnectionError>(errc::connection_lost);
  check_thrown_as<ConnectionError>(errc::closed);
  check_thrown_as<ConnectionError>(system_code(ECONNRESET));
  check_thrown_as<OverloadedError>(errc::overloaded);
  check_thrown_as<OverloadedError>(errc::circuit_open);
  check_thrown_as<SerializationError>(errc::bad_payload);
  check_thrown_as<RpcError>(errc::rejected);
  check_thrown_as<NoHandlerError>(errc::no_handler);
  check_thrown_as<ConfigError>(errc::bad_config);
  check_thrown_as<PluginError>(errc::plugin_refused);
  for (const errc value : {errc::no_reply, errc::bad_pattern, errc::bad_message, errc::unsupported,
                           errc::transport_failure}) {
    check_thrown_as<Error>(value);
  }
  check_thrown_as<Error>({1, driver});
}

TEST_CASE("what() is the detail, else what the remote said, else the driver's words", "[error]") {
  CHECK(Error(Failure({7, driver}, "nats: cannot connect")).what() == std::string("nats: cannot connect"));
  CHECK(Error(Failure({7, driver}, "")).what() == std::string("driver says 7"));
  CHECK(Error(errc::closed, "").what() == std::string("the client, service or application is closed"));
  Failure remote(errc::rejected, "");
  remote.remote_body = R"({"status":"error","message":"no such user"})";
  CHECK(Error(remote).what() == std::string("no such user"));
  remote.remote_body = R"({"status": 404})";
  CHECK(Error(remote).what() == std::string(R"({"status": 404})"));
  remote.remote_body = "not json";
  CHECK(Error(remote).what() == std::string("not json"));
}

TEST_CASE("an RpcError keeps its body", "[error]") {
  const RpcError object({{"message", "no such user"}, {"code", 7}});
  CHECK(object.what() == std::string("no such user"));
  CHECK(object.body_text() == R"({"code":7,"message":"no such user"})");
  CHECK(object.body() == json{{"code", 7}, {"message", "no such user"}});
  CHECK(object.code() == errc::rejected);

  CHECK(RpcError(json{{"code", 7}}).what() == std::string(R"({"code":7})"));
  CHECK(RpcError(json{{"message", 7}}).what() == std::string(R"({"message":7})"));
  CHECK(RpcError(json(404)).body_text() == "404");
  CHECK(RpcError(json(nullptr)).what() == std::string("null"));
}

TEST_CASE("an RpcError made of text has a JSON string as its body", "[error]") {
  const std::string text = "say \"no\"";
  CHECK(RpcError("plain").body_text() == "\"plain\"");
  CHECK(RpcError("plain").what() == std::string("plain"));
  CHECK(RpcError(text).body_text() == R"("say \"no\"")");
  CHECK(RpcError(std::string_view(text)).body() == text);
  CHECK(RpcError("\xff").body_text() == "\"\xEF\xBF\xBD\"");  // a body that is no UTF-8 is mended, not thrown over
}

TEST_CASE("a remote body that is no JSON is told when asked for", "[error]") {
  Failure failure(errc::rejected, "", Fate::confirmed);
  CHECK(RpcError(failure).body() == nullptr);
  failure.remote_body = "{oops";
  const NoHandlerError error(failure);
  CHECK(error.body_text() == "{oops");
  try {
    error.body();
    FAIL("nothing was thrown");
  } catch (const SerializationError& e) {
    CHECK(e.what() == std::string("the remote's error is no JSON: {oops"));
    CHECK(e.code() == errc::bad_payload);
    CHECK(e.fate() == Fate::confirmed);
  }
}

TEST_CASE("a remote body is all that JSON.parse takes", "[error]") {
  Failure failure(errc::rejected, "", Fate::confirmed);
  failure.remote_body = R"({"message":"half \ud83d","limit":1e999})";
  const RpcError error(failure);
  CHECK(error.what() == std::string("half \xED\xA0\xBD"));
  CHECK(error.body()["limit"] == std::numeric_limits<double>::infinity());
}

TEST_CASE("fates have names", "[error]") {
  CHECK(to_string(Fate::unknown) == "unknown");
  CHECK(to_string(Fate::not_sent) == "not sent");
  CHECK(to_string(Fate::confirmed) == "confirmed");
}

TEST_CASE("a Result is a value or a Failure", "[error]") {
  const Result<std::string> good(std::string("yes"));
  REQUIRE(good);
  CHECK(*good == "yes");
  CHECK(good->size() == 3);
  const Result<std::string> bad(Failure(errc::bad_message, "no"));
  REQUIRE_FALSE(bad);
  CHECK(bad.failure().code == errc::bad_message);
}
