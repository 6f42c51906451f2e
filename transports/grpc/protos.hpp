#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ferry/spi/options.hpp"
#include "transports/grpc/shape.hpp"

namespace ferry::grpc {

/// A method of a contract.
struct Rpc {
  std::string path;            // "/math.MathService/Sum"
  std::string service;         // "math.MathService"
  std::vector<std::string> short_services;   // below its package: "MathService"; and below one around that, if it is one, too
  std::string name;            // "Sum"
  const Shape* request = nullptr;
  const Shape* response = nullptr;
  bool request_stream = false;
  bool response_stream = false;
};

/// .proto files, read at run time.
/// Threads: immutable after construction.
class Protos {
 public:
  struct Source {
    std::vector<std::string> paths;          // protoPath
    std::vector<std::string> include_dirs;
    std::vector<std::string> packages;       // empty: those of the files in `paths`
    std::string directory;                   // relative names are relative to it
    spi::ConfigPlace path_place;
    spi::ConfigPlace package_place;
  };
  /// Throws `ConfigError`: a file that is missing or wrong, a package that is not there.
  Protos(const Source& source, const LoaderOptions& loader);
  ~Protos();

  /// Of every service in the packages, by path.
  const std::vector<Rpc>& rpcs() const noexcept { return rpcs_; }
  const LoaderOptions& loader() const noexcept { return loader_; }
  /// The files, for error texts: "math.proto".
  const std::string& files() const noexcept { return files_; }
  /// A method by "MathService/Sum" or "math.MathService/Sum"; null if there is none.
  const Rpc* find(std::string_view name) const noexcept;
  /// By its short name or its full one.
  bool has_service(std::string_view name) const noexcept;
  /// A file and all it imports, as serialized FileDescriptorProtos; empty if it is none of
  /// these. By its name, or that of anything in it.
  std::vector<std::string> file(std::string_view name) const;
  std::vector<std::string> file_with(std::string_view symbol) const;
  /// "math.MathService/Sum, …"
  std::string list() const;

 private:
  struct Imported;   // Protobuf's headers stay out of this one
  const std::unique_ptr<Imported> imported_;
  const LoaderOptions loader_;
  std::string files_;
  std::vector<Rpc> rpcs_;
};

}  // namespace ferry::grpc
