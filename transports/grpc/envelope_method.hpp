#pragma once
// Envelope mode: any pattern through the built-in service.

#include "transports/grpc/method.hpp"

namespace ferry::grpc {

class EnvelopeServerMethod final : public ServerMethod {
 public:
  explicit EnvelopeServerMethod(const spi::Serializer& serializer);
  const std::string& path() const noexcept override { return path_; }
  std::optional<CallStatus> read(std::string_view body, Incoming& out) const override;
  const char* read_next(std::string_view body, std::string_view& payload) const override;
  Answer answer(spi::ReplyKind kind, std::string& payload, bool first) const override;
  void restate(const CallStatus& status, std::string& payload) const override;

 private:
  const spi::Serializer& serializer_;
  const std::string path_;
};

class EnvelopeClientMethod final : public ClientMethod {
 public:
  explicit EnvelopeClientMethod(const spi::Serializer& serializer, bool extensions);
  const std::string& path() const noexcept override { return path_; }
  bool one_reply() const noexcept override { return false; }
  bool metadata_headers() const noexcept override { return false; }
  bool write(const spi::OutgoingMessage& message, std::string& head) const override;
  void write_next(std::size_t payload, std::string& head) const override;
  const char* read(std::string_view body, std::string& text, spi::ReplyView& out) const override;
  End end(const CallStatus& status, std::string_view where) const override;

 private:
  const spi::Serializer& serializer_;
  const bool extensions_;
  const std::string path_;
};

}  // namespace ferry::grpc
