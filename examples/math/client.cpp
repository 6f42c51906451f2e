// Calls a service that runs elsewhere. Usage: ferry_demo_client tcp.json

#include <cstdio>
#include <exception>

#include <ferry/application.hpp>

#include "calls.hpp"

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  try {
    // The service in the same file is not started here.
    auto app = ferry::Application::from_file(argc > 1 ? argv[1] : "tcp.json");
    return make_calls(app.client("MATH_SERVICE"));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
