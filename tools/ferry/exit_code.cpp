#include "exit_code.hpp"

#include <cstdio>
#include <string>

namespace ferry::tool {
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

}  // namespace ferry::tool
