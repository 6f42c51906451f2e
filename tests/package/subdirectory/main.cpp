// A service and its client in a program that needs nothing beside itself.

#include <chrono>
#include <cstdio>
#include <exception>
#include <numeric>
#include <vector>

#include <ferry/ferry.hpp>

int main() {
  try {
    ferry::Application app(ferry::Config::from_text(
        R"({ "services": { "math": { "transport": "memory" } }, "clients": { "MATH": { "transport": "memory" } } })"));
    app.on_message({{"cmd", "sum"}}, [](const std::vector<double>& numbers) {
      return std::accumulate(numbers.begin(), numbers.end(), 0.0);
    });
    app.start();
    const std::vector<double> numbers{1, 2, 3};
    std::printf("%g\n", app.client("MATH").send<double>({{"cmd", "sum"}}, numbers).get(std::chrono::seconds(5)));
    for (const ferry::PluginInfo& plugin : app.plugins().list()) {
      if (plugin.name == "memory") std::printf("memory: %s\n", plugin.path.c_str());
    }
    return app.stop() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
