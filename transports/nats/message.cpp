#include "transports/nats/message.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace ferry::nats {
namespace {

struct Free {
  void operator()(const char** list) const noexcept { std::free(list); }
};
using Names = std::unique_ptr<const char*, Free>;

bool is_name(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const auto code = static_cast<unsigned char>(c);
    return code > ' ' && code < 0x7F && c != ':';
  });
}

bool is_value(std::string_view text) noexcept { return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos; }

}  // namespace

Headers headers_of(natsMsg* message) {
  Headers headers;
  const char** list = nullptr;
  int count = 0;
  if (natsMsgHeader_Keys(message, &list, &count) != NATS_OK) return headers;
  const Names names(list);
  for (int i = 0; i < count; ++i) {
    const char** found = nullptr;
    int values = 0;
    if (natsMsgHeader_Values(message, list[i], &found, &values) != NATS_OK) continue;
    const Names owned(found);
    std::string joined;
    for (int v = 0; v < values; ++v) joined.append(v == 0 ? "" : ", ").append(found[v] == nullptr ? "" : found[v]);
    headers.set(list[i], joined);
  }
  return headers;
}

std::string_view status_of(natsMsg* message) {
  const char* status = nullptr;
  return natsMsgHeader_Get(message, "Status", &status) == NATS_OK && status != nullptr ? status : std::string_view();
}

bool are_sendable(const Headers& headers, Failure& failure) {
  for (const auto& [name, value] : headers) {
    if (is_name(name) && is_value(value)) continue;
    failure = Failure(errc::bad_payload,
                      "the header \"" + name + "\" cannot be sent: a name is printable ASCII without spaces and colons, a "
                      "value has no line breaks", Fate::not_sent);
    return false;
  }
  return true;
}

std::size_t wire_size(const Headers& headers) noexcept {
  std::size_t size = 12;   // "NATS/1.0\r\n" and the empty line
  for (const auto& [name, value] : headers) size += name.size() + value.size() + 4;
  return size;
}

}  // namespace ferry::nats
