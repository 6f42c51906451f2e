#pragma once
// Contract mode: the methods of .proto files, and the patterns that stand for them.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/grpc/message_serializer.hpp"
#include "transports/grpc/protos.hpp"

namespace ferry::grpc {

/// One way to a method: a pattern of its own, and which field of a message stands for the whole of it.
struct Route {
  const Rpc* rpc = nullptr;
  std::string pattern;           // as `RequestView` has it
  bool pattern_is_json = false;
  std::string route;             // the pattern's
  const Field* request = nullptr;
  const Field* response = nullptr;
  std::unique_ptr<const MessageSerializer> client;    // writes requests, reads replies
  std::unique_ptr<const MessageSerializer> service;   // the other way round
};

/// Threads: immutable.
class Contract final : public spi::PayloadFormats {
 public:
  /// Null in envelope mode. Throws `ConfigError`.
  static std::shared_ptr<const Contract> read(const spi::Options& options, const std::string& directory,
                                              const spi::Serializer& serializer);
  static bool wanted(const spi::Options& options) { return options.given("protoPath"); }

  /// What a client's payloads are written and read with.
  const spi::Serializer* find(const Pattern& pattern) const override;

  const Protos& protos() const noexcept { return protos_; }
  /// A pattern's, by its route; null if none is meant.
  const Route* route(std::string_view route) const noexcept;
  /// All that lead to it, the configured ones first.
  std::vector<const Route*> routes_to(const Rpc& rpc) const;
  const std::string& files() const noexcept { return protos_.files(); }

 private:
  Contract(const Protos::Source& source, const LoaderOptions& loader, const spi::Serializer& json)
      : protos_(source, loader), json_(json) {}
  void add_routes(const nlohmann::json& routes, const spi::ConfigPlace& place);
  void add_names();
  void add_names(const Rpc& rpc, const std::string& service);
  void add(Route route);

  const Protos protos_;
  const spi::Serializer& json_;
  std::vector<std::unique_ptr<Route>> routes_;
  std::unordered_map<std::string_view, const Route*> by_route_;   // by their own `route`
};

}  // namespace ferry::grpc
