#pragma once

#include <string>
#include <string_view>

namespace ferry::tool {

/// JSON text without the white space between its tokens; the tokens themselves stay as they are (`1.0`, `"\u00e4"`).
std::string compact_json(std::string_view json);

/// One line on standard output, there when this returns. Throws `std::system_error` if it cannot be written.
void print_line(std::string line);

}  // namespace ferry::tool
