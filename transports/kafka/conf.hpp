#pragma once
// librdkafka's configuration, from properties.

#include <memory>
#include <string>

#include <librdkafka/rdkafka.h>

#include "ferry/error.hpp"
#include "ferry/spi/options.hpp"
#include "transports/kafka/options.hpp"

namespace ferry::kafka {

struct ConfDeleter {
  void operator()(rd_kafka_conf_t* conf) const noexcept { rd_kafka_conf_destroy(conf); }
};
using ConfPtr = std::unique_ptr<rd_kafka_conf_t, ConfDeleter>;

/// A configuration that says everything by events, and nothing on standard error. Throws `std::runtime_error` for what
/// `check` would have refused.
ConfPtr make_conf(const Properties& properties);

/// Throw `ConfigError` in librdkafka's own words. What contradicts what only shows when an instance is made.
void check(const spi::ConfigPlace& place, const std::string& name, const std::string& value);
void check(const spi::ConfigPlace& place, const Properties& properties);

}  // namespace ferry::kafka
