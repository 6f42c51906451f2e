#pragma once
// What Kafka has instead of an envelope: payloads as a record's value, the rest in its headers (NestJS's names).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <librdkafka/rdkafka.h>

#include "ferry/headers.hpp"

namespace ferry::kafka {

inline constexpr std::string_view correlation_header = "kafka_correlationId";
inline constexpr std::string_view reply_topic_header = "kafka_replyTopic";
inline constexpr std::string_view reply_partition_header = "kafka_replyPartition";
inline constexpr std::string_view error_header = "kafka_nest-err";
inline constexpr std::string_view disposed_header = "kafka_nest-is-disposed";
/// Between ferry peers: what the value is, where NestJS's rules would take it for something else.
inline constexpr std::string_view value_header = "ferry-value";

/// How a value has to be read.
enum class ValueForm : std::uint8_t {
  plain,   ///< by NestJS's rules
  json,    ///< it is JSON text, a null value is null
  text,    ///< it is text, whatever it looks like
};

/// As `ferry-value` says it. Empty for `plain`.
std::string_view name_of(ValueForm form) noexcept;

/// A payload as a record's value. The view is of the payload, of `scratch`, or of nothing (`absent`).
struct Value {
  std::string_view bytes;
  bool absent = false;               ///< Kafka's null
  ValueForm form = ValueForm::plain; ///< how a ferry peer has to read it to get the payload back
};
/// `payload` is JSON text. A string goes out as its text, null as null, the rest as it is.
Value write_value(std::string_view payload, std::string& scratch);

/// A record's value as a payload: JSON text, of the value or of `scratch`. Binary data (NestJS tells it by its first byte,
/// which is 0) becomes a Buffer as NestJS writes it in JSON, text a string.
std::string_view read_value(std::string_view bytes, ValueForm form, std::string& scratch);
/// What `kafka_nest-err` says as JSON text.
inline std::string_view read_error(std::string_view bytes, std::string& scratch) { return read_value(bytes, ValueForm::plain, scratch); }

/// A record's headers, by name. Views into the driver's record.
class RecordHeaders {
 public:
  /// The first of each name that there are.
  struct Known {
    std::optional<std::string_view> id;
    std::optional<std::string_view> reply_topic;
    std::optional<std::string_view> reply_partition;
    std::optional<std::string_view> error;
    std::optional<std::string_view> disposed;
    std::optional<std::string_view> timeout;   // ferry's
    ValueForm form = ValueForm::plain;
  };

  explicit RecordHeaders(const rd_kafka_message_t* record) noexcept;

  const Known& known() const noexcept { return known_; }
  /// What belongs to the application: neither NestJS's own names nor ferry's.
  Headers application() const;

 private:
  template <class F>
  void for_each(F visit) const;

  rd_kafka_headers_t* headers_ = nullptr;   // the record's
  Known known_;
};

/// Headers of a record to be sent: `rd_kafka_produceva` takes them as an array.
class HeaderList {
 public:
  void clear() { fields_.clear(); }
  /// The views must outlive the list's use.
  void add(std::string_view name, std::string_view value);
  void add(ValueForm form);
  void add(const Headers& headers);
  /// The records' fields and these headers, as the driver takes them.
  std::vector<rd_kafka_vu_t>& fields() noexcept { return fields_; }
  const std::vector<rd_kafka_vu_t>& fields() const noexcept { return fields_; }

 private:
  std::vector<rd_kafka_vu_t> fields_;
};

inline std::string_view value_of(const rd_kafka_message_t* record) noexcept {
  return {static_cast<const char*>(record->payload), record->payload == nullptr ? 0 : record->len};
}

}  // namespace ferry::kafka
