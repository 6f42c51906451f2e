#pragma once
// How a command ends that an exception ended: for people, for scripts, and as an exit code.

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include <ferry/error.hpp>

#include "exit_code.hpp"

namespace ferry::tool {

struct Ending {
  ExitCode code = ExitCode::failed;
  std::string kind;            ///< for scripts: `timed_out`, `rejected`, `bad_config`, ...
  std::string text;            ///< for people
  std::optional<Fate> fate;    ///< of a message; none where there was none
  std::string remote_body;     ///< JSON text; empty unless the remote answered with an error

  /// `{"kind": ..., "message": ..., "fate": ..., "body": ...}`
  nlohmann::ordered_json json() const;
};

/// Only inside a catch block.
Ending ending_of_current_exception();

/// Says on standard error what the exception being handled is about. A remote's error is its JSON alone, for scripts.
ExitCode report_current_exception();
/// Says it on standard output, as `{"error":{...}}`.
ExitCode report_current_exception_as_json();

/// Runs `command`; of what it throws, `--json` wants to see more on standard output.
template <class F>
ExitCode ending_in(bool json, F command) {
  if (!json) return command();
  try {
    return command();
  } catch (...) {
    return report_current_exception_as_json();
  }
}

}  // namespace ferry::tool
