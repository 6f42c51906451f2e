#pragma once
// Headers as gRPC metadata.

#include <map>
#include <string>
#include <string_view>

#include <grpcpp/support/string_ref.h>

#include "ferry/headers.hpp"

namespace ferry::grpc {

/// Null, or why gRPC would not take it: names are of a-z, 0-9, "_", "-" and ".", not "grpc-…"; values are printable ASCII,
/// but for names that end in "-bin".
const char* metadata_fault(std::string_view name, std::string_view value) noexcept;
std::string lower(std::string_view name);

using Metadata = std::multimap<::grpc::string_ref, ::grpc::string_ref>;
/// Without gRPC's own. Of several with one name the last counts.
Headers read_metadata(const Metadata& metadata);

}  // namespace ferry::grpc
