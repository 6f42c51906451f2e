#pragma once
// What the process ends with. Scripts depend on these numbers.

#include <stdexcept>
#include <string_view>

namespace ferry::tool {

enum class ExitCode : int {
  ok = 0,
  remote_error = 1,   ///< the remote answered with an error
  timed_out = 2,
  no_connection = 3,  ///< cannot connect, cannot listen, or the connection was lost
  no_handler = 4,     ///< the remote service has no handler for the pattern
  usage = 64,         ///< wrong usage or config (EX_USAGE)
  failed = 70,        ///< anything else (EX_SOFTWARE)
};

/// The same for people, as it stands in `--help`.
extern const char* const exit_codes_help;

/// The command line says something that cannot be done. The text says what, and what to do.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// `ferry: <text>` on standard error.
void complain(std::string_view text);

}  // namespace ferry::tool
