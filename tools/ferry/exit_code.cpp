#include "exit_code.hpp"

#include <cstdio>
#include <string>

#include <ferry/error.hpp>

#include "output.hpp"

namespace ferry::tool {
namespace {

ExitCode ended(std::string_view text, ExitCode code) {
  complain(text);
  return code;
}

ExitCode code_of(const Error& error) {
  if (error.code() == errc::bad_pattern || error.code() == errc::unsupported) return ExitCode::usage;
  return ExitCode::failed;
}

}  // namespace

const char* const exit_codes_help =
    "Exit codes:\n"
    "  0   done\n"
    "  1   the remote answered with an error: its JSON is on standard error\n"
    "  2   no answer in time\n"
    "  3   cannot connect or listen, or the connection was lost\n"
    "  4   the remote has no handler for the pattern\n"
    "  64  wrong usage or config\n"
    "  70  anything else\n";

void complain(std::string_view text) {
  const std::string line = std::string("ferry: ").append(text).append("\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

ExitCode report_current_exception() {
  try {
    throw;
  } catch (const UsageError& error) {
    return ended(error.what(), ExitCode::usage);
  } catch (const ConfigError& error) {
    // A service that cannot listen keeps the system's code: the config may be right, and the address taken.
    const bool config = error.code() == errc::bad_config || error.code() == errc::plugin_refused;
    return ended(error.what(), config ? ExitCode::usage : ExitCode::no_connection);
  } catch (const NoHandlerError& error) {
    return ended(error.what(), ExitCode::no_handler);
  } catch (const RpcError& error) {
    const std::string line = compact_json(error.body_text()) + '\n';
    std::fwrite(line.data(), 1, line.size(), stderr);
    return ExitCode::remote_error;
  } catch (const TimeoutError& error) {
    // Nothing was sent: it was the connection that did not come in time.
    return ended(error.what(), error.fate() == Fate::not_sent ? ExitCode::no_connection : ExitCode::timed_out);
  } catch (const ConnectionError& error) {
    return ended(error.what(), ExitCode::no_connection);
  } catch (const Error& error) {
    return ended(error.what(), code_of(error));
  } catch (const std::exception& error) {
    return ended(error.what(), ExitCode::failed);
  }
}

}  // namespace ferry::tool
