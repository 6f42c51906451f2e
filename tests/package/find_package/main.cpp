// A service and its client over the installed tcp plugin.

#include <chrono>
#include <cstdio>
#include <exception>
#include <numeric>
#include <string>
#include <vector>

#include <ferry/ferry.hpp>

namespace {

ferry::Application make_service() {
  ferry::Application app(ferry::Config::from_text(
      R"({ "services": { "math": { "transport": "tcp", "options": { "host": "127.0.0.1", "port": 0 } } } })"));
  app.on_message({{"cmd", "sum"}}, [](const std::vector<double>& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), 0.0);
  });
  return app;
}

void call(const std::string& url) {
  ferry::Application app(ferry::Config::from_json({{"clients", {{"MATH", {{"url", url}}}}}}));
  const std::vector<double> numbers{1, 2, 3};
  std::printf("%g\n", app.client("MATH").send<double>({{"cmd", "sum"}}, numbers).get(std::chrono::seconds(5)));
}

}  // namespace

int main() {
  try {
    auto service = make_service();
    service.start();
    call(service.services().front().endpoint);
    for (const ferry::PluginInfo& plugin : service.plugins().list()) {
      if (plugin.name == "tcp") std::printf("tcp: %s\n", plugin.path.c_str());
    }
    return service.stop() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
