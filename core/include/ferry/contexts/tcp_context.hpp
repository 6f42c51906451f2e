#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <asio/generic/stream_protocol.hpp>

#include "ferry/transport_context.hpp"

namespace ferry {

/// NestJS's TcpContext: the socket a message came in on, and its pattern.
class TcpContext : public TransportContext {
 public:
  static constexpr std::string_view transport_name = "tcp";
  ~TcpContext() override;

  virtual std::string pattern() const = 0;            ///< as received: JSON text, or plain text
  virtual std::string remote_address() const = 0;     ///< "127.0.0.1"; empty for a Unix-domain socket
  virtual std::uint16_t remote_port() const = 0;      ///< 0 for a Unix-domain socket
  virtual std::string local_address() const = 0;
  virtual bool secure() const = 0;                    ///< TLS
  /// The socket, of TCP and Unix-domain alike; null once the connection is gone. To look at: what is written to it breaks
  /// the protocol. On the connection's loop only.
  virtual asio::generic::stream_protocol::socket* socket() noexcept = 0;
  virtual std::string peer_certificate_subject() const = 0;   ///< empty unless the peer showed a certificate
};

}  // namespace ferry
