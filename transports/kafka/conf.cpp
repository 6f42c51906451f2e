#include "transports/kafka/conf.hpp"

#include <array>
#include <stdexcept>

#include "ferry/log.hpp"

namespace ferry::kafka {
namespace {

/// On the driver's threads. What concerns the user comes as an event as well, so this is for those who set "debug".
void take_log(const rd_kafka_t*, int level, const char* facility, const char* text) {
  log(level <= 4 ? LogLevel::debug : LogLevel::info, "librdkafka", std::string(facility) + ": " + text);
}

std::string set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, 512> why{};
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) == RD_KAFKA_CONF_OK) return {};
  return why[0] == '\0' ? "librdkafka does not take it" : why.data();
}

}  // namespace

ConfPtr make_conf(const Properties& properties) {
  ConfPtr conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), take_log);
  for (const auto& [name, value] : properties) {
    const std::string why = set(conf.get(), name, value);
    if (!why.empty()) throw std::runtime_error(name + ": " + why);
  }
  return conf;
}

void check(const spi::ConfigPlace& place, const std::string& name, const std::string& value) {
  const ConfPtr conf(rd_kafka_conf_new());
  const std::string why = set(conf.get(), name, value);
  if (!why.empty()) spi::config_error(place, why, "see librdkafka's CONFIGURATION.md");
}

void check(const spi::ConfigPlace& place, const Properties& properties) {
  try {
    make_conf(properties);
  } catch (const std::runtime_error& error) {
    spi::config_error(place, error.what(), "see librdkafka's CONFIGURATION.md");
  }
}

}  // namespace ferry::kafka
