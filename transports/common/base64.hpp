#pragma once

#include <string>
#include <string_view>

namespace ferry::transports {

std::string to_base64(std::string_view bytes);
/// Standard or URL alphabet, padded or not. False for anything else.
bool from_base64(std::string_view text, std::string& out);

}  // namespace ferry::transports
