// The service and its client in one process, over any transport. Usage: ferry_demo_together memory.json

#include <cstdio>
#include <exception>

#include <ferry/application.hpp>

#include "calls.hpp"
#include "handlers.hpp"

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  try {
    auto app = ferry::Application::from_file(argc > 1 ? argv[1] : "memory.json");
    add_math_handlers(app);
    app.start();
    const int status = make_calls(app.client("MATH_SERVICE"));
    return app.stop() ? status : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
