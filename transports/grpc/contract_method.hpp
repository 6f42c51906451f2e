#pragma once
// Contract mode: messages of a .proto.

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "transports/grpc/contract.hpp"
#include "transports/grpc/paths.hpp"
#include "transports/grpc/method.hpp"

namespace ferry::grpc {

class ContractServerMethod final : public ServerMethod {
 public:
  ContractServerMethod(std::shared_ptr<const Contract> contract, const Route& route)
      : contract_(std::move(contract)), route_(route) {}
  const std::string& path() const noexcept override { return route_.rpc->path; }
  const spi::Serializer* serializer() const noexcept override { return route_.service.get(); }
  bool begins(Incoming& out) const override;
  std::optional<CallStatus> read(std::string_view body, Incoming& out) const override;
  const char* read_next(std::string_view body, std::string_view& payload) const override;
  Answer answer(spi::ReplyKind kind, std::string& payload, bool first) const override;

 private:
  void fill(Incoming& out) const;

  const std::shared_ptr<const Contract> contract_;
  const Route& route_;
};

class ContractClientMethod final : public ClientMethod {
 public:
  ContractClientMethod(std::shared_ptr<const Contract> contract, const Route& route)
      : contract_(std::move(contract)), route_(route) {}
  const std::string& path() const noexcept override { return route_.rpc->path; }
  bool one_reply() const noexcept override { return !route_.rpc->response_stream; }
  bool metadata_headers() const noexcept override { return true; }
  const char* fault(bool request_stream) const noexcept override;
  bool write(const spi::OutgoingMessage& message, std::string& head) const override;
  void write_next(std::size_t, std::string&) const override {}
  const char* read(std::string_view body, std::string& text, spi::ReplyView& out) const override;
  End end(const CallStatus& status, std::string_view where) const override;

 private:
  const std::shared_ptr<const Contract> contract_;
  const Route& route_;
};

/// The methods of a client, by the route of a pattern.
class ContractMethods {
 public:
  explicit ContractMethods(std::shared_ptr<const Contract> contract) : contract_(std::move(contract)) {}
  const std::shared_ptr<const Contract>& contract() const noexcept { return contract_; }
  /// Null, with `failure` set, if there is none.
  const ClientMethod* find(const Pattern& pattern, Failure& failure);

 private:
  const std::shared_ptr<const Contract> contract_;
  std::unordered_map<const Route*, std::unique_ptr<ContractClientMethod>> made_;
};

/// What a service with these handlers answers.
class ContractPaths final : public Paths {
 public:
  /// Sets `failure` if that cannot be. `warnings`: what the log should say.
  ContractPaths(std::shared_ptr<const Contract> contract, const std::vector<spi::Subscription>& subscriptions, bool strict,
                std::optional<Failure>& failure, std::vector<std::string>& warnings);
  const ServerMethod* find(std::string_view path, CallStatus& refusal) const override;
  const ServerMethod* events(std::string_view) const override { return nullptr; }
  std::vector<const ServerMethod*> unary() const override { return unary_; }

 private:
  const std::shared_ptr<const Contract> contract_;
  std::map<std::string, std::unique_ptr<ServerMethod>, std::less<>> methods_;   // null: nobody handles it
  std::vector<const ServerMethod*> unary_;
};

}  // namespace ferry::grpc
