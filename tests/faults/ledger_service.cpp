// A service that says what it has handled, in a way that survives its own death: by a FIFO, or by events that its transport
// commits with what it has handled. Usage: ferry_ledger_service CONFIG PATTERN fifo FILE | CONFIG PATTERN emit PATTERN

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>

#include "ferry/ferry.hpp"

int main(int, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  try {
    auto app = ferry::Application::from_file(argv[1]);
    if (std::string(argv[3]) == "emit") {
      app.on_event(argv[2], [to = ferry::Pattern(argv[4])](int n, ferry::KafkaContext& context) {
        const std::string at = std::to_string(context.partition()) + "/" + std::to_string(context.offset());
        context.emit(to, {{"n", n}, {"at", at}}, {{"key", context.key().value_or("")}});
      });
    } else {
      const int fifo = open(argv[4], O_WRONLY | O_CLOEXEC);
      if (fifo < 0) throw std::runtime_error("cannot open the FIFO");
      app.on_event(argv[2], [fifo](int n) {
        const std::string line = std::to_string(n) + "\n";   // so short a write is whole, or not at all
        if (write(fifo, line.data(), line.size()) != static_cast<ssize_t>(line.size())) throw std::runtime_error("nobody reads");
      });
    }
    app.on_status([](std::string_view, const ferry::StatusEvent& event) {
      if (event.status == ferry::Status::connected) std::printf("READY\n");
    });
    return app.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
