// A service. Usage: ferry_demo_service tcp.json

#include <cstdio>
#include <exception>
#include <string_view>

#include <ferry/application.hpp>

#include "handlers.hpp"

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);   // whole lines at once, into a pipe too
  try {
    auto app = ferry::Application::from_file(argc > 1 ? argv[1] : "tcp.json");
    add_math_handlers(app);
    app.on_status([](std::string_view, const ferry::StatusEvent& event) {
      if (event.status == ferry::Status::connected) std::printf("READY %s\n", event.detail.c_str());
    });
    const int status = app.run();   // until SIGINT or SIGTERM; what runs is finished first
    std::printf("%s\n", status == 0 ? "drained" : "cut off");
    return status;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
