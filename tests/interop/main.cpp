// `ferry_interop_test [--transport redis] [Catch2's own arguments]`

#define CATCH_CONFIG_RUNNER
#include "catch.hpp"
#include "peers.hpp"

int main(int argc, char** argv) {
  std::string name = "tcp";
  Catch::Session session;
  session.cli(session.cli() | Catch::clara::Opt(name, "name")["--transport"]("where ferry and NestJS meet"));
  if (const int wrong = session.applyCommandLine(argc, argv)) return wrong;
  ferry::test::set_transport(name);
  return session.run();
}
