#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "ferry/spi/delivery.hpp"
#include "ferry/spi/serializer.hpp"

namespace ferry {

/// Binary data. Carried as bytes where the serializer can (msgpack, cbor); in JSON as NestJS writes a Buffer.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::string data) : data_(std::move(data)) {}
  Bytes(const void* data, std::size_t size) : data_(static_cast<const char*>(data), size) {}

  std::string_view view() const noexcept { return data_; }
  const char* data() const noexcept { return data_.data(); }
  std::size_t size() const noexcept { return data_.size(); }
  bool empty() const noexcept { return data_.empty(); }
  std::string& str() noexcept { return data_; }
  friend bool operator==(const Bytes&, const Bytes&) = default;

 private:
  std::string data_;
};

/// A payload as it is on the wire, not decoded: for handlers and callers that forward it or decide later.
/// Holds its bytes, or keeps the message alive that has them.
class Payload {
 public:
  Payload() = default;   ///< no payload at all (NestJS's undefined)
  static Payload view(const spi::DeliveryPtr& delivery);
  static Payload owned(std::string bytes, const spi::Serializer& serializer);
  /// A payload from JSON text, for any serializer. Throws `SerializationError` for text that is no JSON.
  static Payload from_json(std::string text);

  bool has_value() const noexcept { return present_; }
  std::string_view bytes() const noexcept { return keep_ ? view_ : std::string_view(owned_); }
  /// The serializer whose format the bytes are in; null for `from_json`: JSON text.
  const spi::Serializer* serializer() const noexcept { return serializer_; }
  /// As JSON text. Throws `SerializationError` if the bytes are not what their serializer writes.
  std::string json() const;
  /// Decoded. Throws `SerializationError`. Defined in detail/codec.hpp.
  template <class T>
  T as() const;

 private:
  template <class T>
  T decoded() const;

  std::string owned_;
  std::string_view view_;
  spi::DeliveryPtr keep_;
  const spi::Serializer* serializer_ = nullptr;
  bool present_ = false;
};

}  // namespace ferry

#include "ferry/detail/codec.hpp"
