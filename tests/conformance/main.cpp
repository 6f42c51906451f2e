// The conformance suite: one binary, any transport. `ferry_conformance --ferry-config tcp.json [Catch2's own arguments]`

#define CATCH_CONFIG_RUNNER
#include "fixture.hpp"

int main(int argc, char** argv) {
  ferry::set_log_level(ferry::LogLevel::error);
  std::string config;
  Catch::Session session;
  session.cli(session.cli() | Catch::clara::Opt(config, "file")["--ferry-config"]("config of the transport under test"));
  if (const int wrong = session.applyCommandLine(argc, argv)) return wrong;
  ferry::test::set_config_file(config);
  const int failed = session.run();
  ferry::test::end_shared_broker();
  return failed;
}
