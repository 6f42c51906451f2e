// Places one order, and says what came of it. Usage: ferry_orders_customer config.json id item quantity total

#include <cstdio>
#include <cstdlib>
#include <exception>

#include <ferry/ferry.hpp>

#include "messages.hpp"

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: %s config.json id item quantity total\n", argv[0]);
    return 64;
  }
  try {
    auto app = ferry::Application::from_file(argv[1]);   // its services are not started here
    const Order order{argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5])};
    const auto reply = app.client("GATEWAY").send<nlohmann::json>("order.place", order).get();
    std::printf("completed: %s\n", reply.dump().c_str());
    return 0;
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 1;
  }
}
