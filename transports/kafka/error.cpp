#include "transports/kafka/error.hpp"

#include <string>

namespace ferry::kafka {
namespace {

class DriverCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "kafka"; }

  std::string message(int value) const override { return rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(value)); }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<rd_kafka_resp_err_t>(value)) {
      case RD_KAFKA_RESP_ERR__TIMED_OUT:
      case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
      case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
      case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT: return errc::timed_out;
      case RD_KAFKA_RESP_ERR__TRANSPORT:
      case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      case RD_KAFKA_RESP_ERR__DESTROY:
      case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
      case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
      case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION: return errc::connection_lost;
      case RD_KAFKA_RESP_ERR__RESOLVE:
      case RD_KAFKA_RESP_ERR__SSL:
      case RD_KAFKA_RESP_ERR__AUTHENTICATION:
      case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED: return errc::not_connected;
      case RD_KAFKA_RESP_ERR__QUEUE_FULL:
      case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED: return errc::overloaded;
      case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
      case RD_KAFKA_RESP_ERR_INVALID_RECORD:
      case RD_KAFKA_RESP_ERR_INVALID_MSG: return errc::bad_payload;
      case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: return errc::no_handler;
      case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION: return errc::bad_pattern;
      case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
      case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION: return errc::unsupported;
      default: return errc::transport_failure;
    }
  }
};

}  // namespace

const std::error_category& driver_category() noexcept {
  static const DriverCategory& category = *new DriverCategory;   // outlives whoever compares codes while the process exits
  return category;
}

std::error_code make_code(rd_kafka_resp_err_t error) noexcept { return {static_cast<int>(error), driver_category()}; }

bool is_loss_of_connection(rd_kafka_resp_err_t error) noexcept {
  return error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__RESOLVE;
}

bool is_of_connection(rd_kafka_resp_err_t error) noexcept {
  return is_loss_of_connection(error) || error == RD_KAFKA_RESP_ERR__SSL || error == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
         error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

Trouble trouble_of(std::error_code error) noexcept {
  if (!error) return Trouble::none;
  if (error.category() != driver_category()) return Trouble::lasting;
  switch (static_cast<rd_kafka_resp_err_t>(error.value())) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return Trouble::hopeless;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
    case RD_KAFKA_RESP_ERR__STATE:   // what is under way is being given up
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__DESTROY:
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED: return Trouble::passing;
    default: return Trouble::lasting;
  }
}

Failure driver_failure(rd_kafka_resp_err_t error, std::string_view what, Fate fate, std::string_view detail) {
  std::string text = std::string(what) + ": " + rd_kafka_err2str(error);
  if (!detail.empty()) text.append(" (").append(detail).append(")");
  return Failure(make_code(error), std::move(text), fate);
}

}  // namespace ferry::kafka
