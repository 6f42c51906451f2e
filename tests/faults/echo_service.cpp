// A service to be ill-treated. Usage: ferry_echo_service CONFIG

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "ferry/ferry.hpp"

int main(int, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  try {
    auto app = ferry::Application::from_file(argv[1]);
    app.on_message("echo", [](ferry::Payload payload) { return payload; });
    app.on_message("make", [](std::size_t size) { return std::string(size, 'x'); });
    app.on_message("pages", [](ferry::ReplyWriter<std::string>& out) -> ferry::task<void> {
      const std::string page(4096, 'p');
      for (;;) co_await out.write(page);
    });
    app.on_status([](std::string_view, const ferry::StatusEvent& event) {
      if (event.status == ferry::Status::connected) std::printf("READY %s\n", event.detail.c_str());
    });
    return app.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
