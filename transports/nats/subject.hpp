#pragma once
// Subjects: which may be used, and what ours say.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferry::nats {

/// May a message be sent to it? Anything NestJS's driver lets through: not empty, and no white space or control character.
bool is_publishable(std::string_view subject) noexcept;
/// May it be subscribed to? Also no empty token, and `>` only at the end.
bool is_subscribable(std::string_view subject) noexcept;

/// What a ferry client tells a ferry service. It is the last token of the reply subject, where it costs nothing and
/// nobody else reads it: "_INBOX.<client>.<slot>.ferry-5000", or "ferry-hi-5000" until a ferry service has said hello.
struct ReplyNote {
  bool hello = false;                                 ///< the client does not know yet whether its services are ferry's
  std::optional<std::chrono::milliseconds> timeout;   ///< how long it still waits

  /// Appends the token.
  void write(std::string& subject) const;
  /// Nothing if the subject ends otherwise: not a ferry client's.
  static std::optional<ReplyNote> read(std::string_view subject) noexcept;
};

/// What the subject says that acknowledges a JetStream message: "$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>...",
/// or newer servers' form with domain and account in front.
struct AckSubject {
  std::string_view stream;
  std::uint64_t deliveries = 0;   ///< this one included
  std::uint64_t sequence = 0;     ///< in the stream

  static std::optional<AckSubject> read(std::string_view subject) noexcept;
};

}  // namespace ferry::nats
