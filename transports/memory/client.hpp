#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "hub.hpp"
#include "options.hpp"

namespace ferry::memory {

/// Has a link to every service that listens on its name, and gives each message to the next of them.
class Client final : public spi::ClientTransport {
 public:
  Client(spi::ClientEnvironment environment, spi::ClientSink& sink);
  ~Client() override;

  void connect() override;
  bool request(const spi::OutgoingMessage& message, Failure& failure) override;
  bool emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) override;
  void cancel(std::string_view id) override;
  bool write(std::string_view id, std::string& payload, Failure& failure) override;
  void end_writes(std::string_view id) override;
  bool writable(std::string_view id) const override;
  void pause() override { set_paused(true); }
  void resume() override { set_paused(false); }
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;

 private:
  bool send(const spi::OutgoingMessage& message, Failure& failure);
  Upload* upload_of(std::string_view id) const;
  void forget_upload(std::string_view id);
  void find_services();
  void take(Link& link, ToClient& item);
  void ended(Link& link, bool lost);
  void leave_all();
  void report_emitted();
  void set_paused(bool paused);
  Failure no_service() const;
  template <class F>
  void later(F function);

  const spi::ClientEnvironment environment_;
  const Settings settings_;
  spi::ClientSink& sink_;
  std::vector<std::shared_ptr<Link>> links_;
  std::size_t next_link_ = 0;
  std::uint64_t seen_version_ = 0;           // of the hub
  std::string other_serializer_;             // of a service that was found and cannot be understood
  std::vector<spi::EmitToken> emitted_;      // taken, not yet reported
  std::unordered_map<std::string, std::shared_ptr<Upload>> uploads_;   // streams of requests, by id
  bool paused_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>();   // gone: what was posted does nothing
};

}  // namespace ferry::memory
