// What a caller sees of every reply a NestJS service could send: client-reply-handling.json, over a socket.

#include <fstream>
#include <thread>

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"

using namespace ferry;
using namespace std::chrono_literals;
using asio::ip::tcp;
using nlohmann::json;

namespace {

/// Takes one connection, reads one request, answers with `reply` (ID stands for the request's id), and then, so that the
/// test need not wait to see what stays open, with the end of the request.
class OneReply {
 public:
  explicit OneReply(std::string reply) : reply_(std::move(reply)) {
    thread_ = std::thread([this] { serve(); });
  }
  ~OneReply() { thread_.join(); }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  static std::string frame(const std::string& body) { return std::to_string(body.size()) + "#" + body; }

  void serve() {
    tcp::socket socket(context_);
    acceptor_.accept(socket);
    std::string received;
    std::error_code error;
    while (received.empty() || received.back() != '}') {
      char buffer[4096];
      const std::size_t size = socket.read_some(asio::buffer(buffer), error);
      if (error) return;
      received.append(buffer, size);
    }
    const json request = json::parse(received.substr(received.find('#') + 1));
    const std::string id = request["id"].dump();
    if (reply_ == "RST") {
      socket.set_option(asio::socket_base::linger(true, 0));
      socket.close();
      return;
    }
    if (reply_ == "CLOSE") {
      socket.close();
      return;
    }
    std::string body = reply_;
    if (const auto at = body.find("ID"); at != std::string::npos) body.replace(at, 2, id);
    // Still open? Then this ends it: a mark that no vector has.
    const std::string mark = R"({"err":"still pending","isDisposed":true,"id":)" + id + "}";
    const std::string bytes = reply_ == "BADFRAME" ? "zz#" : frame(body) + frame(mark);
    asio::write(socket, asio::buffer(bytes), error);
    char buffer[64];
    while (!error) socket.read_some(asio::buffer(buffer), error);   // until the client goes
  }

  std::string reply_;
  asio::io_context context_;
  tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
  std::thread thread_;
};

/// The outcome in the form of the vectors.
json outcome_of(const Client& client) {
  json outcome{{"emitted", json::array()}};
  try {
    auto stream = client.stream<Payload>("x", 1);
    while (auto value = stream.next().get()) {
      outcome["emitted"].push_back(value->has_value() ? value->as<json>() : json{{"$undefined", true}});
    }
    outcome["completed"] = true;
  } catch (const RpcError& error) {
    if (error.body() == "still pending") {
      outcome["stillPending"] = true;
    } else {
      outcome["error"] = error.body();
    }
  } catch (const ConnectionError& error) {
    CHECK(error.code() == errc::connection_lost);
    outcome["error"] = "Error: Connection closed";
  }
  return outcome;
}

}  // namespace

TEST_CASE("client: every vector of replies, over a socket") {
  const json all = json::parse(std::ifstream(FERRY_VECTOR_DIR "/client-reply-handling.json"));
  REQUIRE(all["vectors"].size() >= 25);
  for (const json& each : all["vectors"]) {
    const auto reply = each["reply"].get<std::string>();
    CAPTURE(reply);
    OneReply server(reply);
    Application app(Config::from_json(
        {{"threads", 1},
         {"clients", {{"C", {{"transport", "tcp"}, {"extensions", false}, {"reconnect", {{"attempts", 0}}},
                             {"options", {{"host", "127.0.0.1"}, {"port", server.port()}}}}}}}}));
    json got = outcome_of(app.client("C"));
    // A foreign reply is the whole body, the id of this very request included.
    for (json& value : got["emitted"]) {
      if (value.is_object() && value.contains("id")) value["id"] = "ID";
    }
    CHECK(got == each["v12"]);
    app.stop();
  }
}
