#pragma once
// What the four programs have in common. Each is started as `NAME config.json data-directory`, and takes of the config file, which
// says where everybody is, the service of its own name and all clients.

#include <cstdio>
#include <exception>
#include <string>

#include <ferry/ferry.hpp>

struct Arguments {
  std::string config;
  std::string data;
};

inline ferry::Application application_of(const std::string& service, const Arguments& arguments) {
  const auto file = ferry::Config::from_file(arguments.config);
  nlohmann::json root = file.root();
  const nlohmann::json own = root.at("services").at(service);
  root["services"] = {{service, own}};
  root["threads"] = 1;   // a service's handlers share its journal
  ferry::Application app(ferry::Config::from_json(std::move(root), file.file(), file.directory()));
  app.on_status([](std::string_view name, const ferry::StatusEvent& event) {
    if (event.status == ferry::Status::connected) std::printf("READY %s\n", std::string(name).c_str());
  });
  return app;
}

template <class F>
int run_program(int argc, char** argv, F program) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);   // whole lines at once, into a pipe too
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s config.json data-directory\n", argv[0]);
    return 64;
  }
  try {
    return program(Arguments{argv[1], argv[2]});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
