#include "tool_test_support.hpp"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "ferry_test_paths.hpp"

namespace ferry::test {

using nlohmann::json;
namespace fs = std::filesystem;

std::vector<std::string> command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), FERRY_BUILD_PROGRAM_DIR "/ferry");
  return arguments;
}

Finished ferry_tool(std::vector<std::string> arguments, std::string_view standard_input) {
  return Process(command(std::move(arguments)), standard_input).wait();
}

bool has_transport(const std::string& name) {
  static const json all = json::parse(ferry_tool({"transports", "--json"}).out).at("plugins");
  for (const json& one : all) {
    if (one.at("kind") == "transport" && one.at("name") == name) return true;
  }
  std::cout << "not applicable: this build has no transport " << name << std::endl;
  return false;
}

Service::Service()
    : app(Config::from_json(
          {{"threads", 1},
           {"services", {{"peer", {{"transport", "tcp"}, {"options", {{"host", "127.0.0.1"}, {"port", 0}}}}}}}})) {
  app.on_message({{"cmd", "sum"}}, [](std::vector<double> xs) {
    double total = 0;
    for (const double x : xs) total += x;
    return total;
  });
  app.on_message("echo", [this](Payload payload) {
    echoes.change([](std::uint64_t& heard) { ++heard; });
    return payload;
  });
  app.on_message("emit", [] { return "a pattern may have a command's name"; });
  app.on_message("has-data", [](Payload payload) { return payload.has_value(); });
  app.on_message("nothing", [] {});
  app.on_message("headers", [](Context& context) {
    json all = json::object();
    for (const auto& [name, value] : context.headers()) all[name] = value;
    return all;
  });
  app.on_message("fail", []() -> int { throw RpcError(json{{"code", 7}, {"message", "no such user"}}); });
  app.on_message("never", [this]() -> task<void> { return until_the_end(); });
  app.on_message("countdown", [](int from, ReplyWriter<int>& out) -> task<void> {
    for (int i = from; i > 0; --i) co_await out.write(i);
  });
  app.on_message("stall", [this](ReplyWriter<int>& out) -> task<void> {
    co_await out.write(1);
    co_await until_the_end();
  });
  app.on_event("happened", [this](Context& context) {
    const Payload payload = context.payload();
    std::pair<std::string, Headers> one(payload.has_value() ? payload.json() : "", context.headers());
    seen.change([&one](auto& all) { all.push_back(std::move(one)); });
  });
  app.start();
  url = app.services().front().endpoint;
}

Service::~Service() {
  app.runtime().next_loop().post([this] { end_.expires_at(asio::steady_timer::time_point::min()); });
  app.stop();
}

task<void> Service::until_the_end() {
  std::error_code ignored;
  co_await end_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void RudePeer::serve(const std::string& text) {
  asio::ip::tcp::socket peer = acceptor_.accept();
  std::string all;
  char buffer[1024];
  std::error_code error;
  while (!has(all, text) && !error) all.append(buffer, peer.read_some(asio::buffer(buffer), error));
  received_.set_value(all);
}

std::string free_url() {
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
  return "tcp://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
}

Scratch::Scratch() {
  std::string name = (fs::temp_directory_path() / "ferry_tool_test_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string Scratch::file(const std::string& name, std::string_view text) const {
  std::ofstream(path_ / name, std::ios::binary) << text;
  return (path_ / name).string();
}

}  // namespace ferry::test
