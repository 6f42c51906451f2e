#pragma once
// What `send` and `emit` take from the command line: [TARGET] PATTERN [PAYLOAD] and their options.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include <ferry/client.hpp>
#include <ferry/pattern.hpp>
#include <ferry/payload.hpp>

#include "target.hpp"

namespace ferry::tool {

/// The text of a JSON object is that object; all else is a plain string. A number needs no form of its own: `7` and `"7"`
/// have the same handler.
Pattern parse_pattern(std::string_view text);

/// One message, read and checked.
struct Message {
  Target target;
  Pattern pattern;
  std::optional<Payload> payload;   ///< none: no data
  SendOptions options;
};

class MessageArguments {
 public:
  void add_to(CLI::App& command);
  /// Throws `UsageError`. Reads standard input if PAYLOAD is `-`.
  Message read() const;

 private:
  std::vector<std::string> positional() const;
  SendOptions options() const;

  Target target_{Target::Role::client};
  // Not a vector: CLI11 takes `[1,2]` apart for one.
  std::array<std::string, 3> texts_;
  std::array<CLI::Option*, 3> given_{};
  std::string timeout_;
  std::vector<std::string> headers_;
};

}  // namespace ferry::tool
