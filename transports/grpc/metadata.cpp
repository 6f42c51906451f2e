#include "transports/grpc/metadata.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace ferry::grpc {
namespace {

bool own(std::string_view name) { return name.starts_with("grpc-") || name.starts_with(":") || name == "user-agent"; }

}  // namespace

const char* metadata_fault(std::string_view name, std::string_view value) noexcept {
  const auto legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  };
  if (name.empty() || !std::all_of(name.begin(), name.end(), legal)) return "its name is not of a-z, 0-9, '_', '-' and '.'";
  if (name.starts_with("grpc-")) return "names that begin with \"grpc-\" are gRPC's own";
  if (name.ends_with("-bin")) return nullptr;
  const auto printable = [](char c) { return c >= 0x20 && c <= 0x7E; };
  return std::all_of(value.begin(), value.end(), printable)
             ? nullptr
             : "its value is not printable ASCII, which only names that end in \"-bin\" may carry";
}

std::string lower(std::string_view name) {
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

Headers read_metadata(const Metadata& metadata) {
  std::vector<Headers::Entry> entries;
  for (const auto& [name, value] : metadata) {
    const std::string_view key(name.data(), name.size());
    if (!own(key)) entries.emplace_back(std::string(key), std::string(value.data(), value.size()));
  }
  return Headers::of(std::move(entries));
}

}  // namespace ferry::grpc
