#include "ferry/metrics.hpp"

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ferry/application.hpp"

namespace ferry {
namespace {

void append_label(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append("=\"");
  for (const char c : value) {
    if (c == '\n') out += "\\n";
    else if (c == '"' || c == '\\') (out += '\\') += c;
    else out += c;
  }
  out += '"';
}

/// `{service="orders",transport="nats"`, to be closed.
template <class Info>
std::string labels_of(const Info& info) {
  std::string labels = "{";
  append_label(labels, std::is_same_v<Info, ServiceInfo> ? "service" : "client", info.name);
  labels += ',';
  append_label(labels, "transport", info.transport);
  return labels;
}

void append_head(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void append_sample(std::string& out, std::string_view name, std::string_view labels, std::uint64_t value) {
  out.append(name).append(labels).append("} ").append(std::to_string(value)).append("\n");
}

template <class Info>
struct Number {
  std::string_view name;
  std::string_view help;
  std::uint64_t Info::* value;
};

constexpr Number<ServiceInfo> service_counters[] = {
    {"ferry_service_messages_total", "Messages that came.", &ServiceInfo::messages},
    {"ferry_service_failed_total", "Handlers that threw.", &ServiceInfo::failed},
    {"ferry_service_retried_total", "Events handled again by retry.", &ServiceInfo::retried},
    {"ferry_service_dead_total", "Events given up by retry or deadLetter.", &ServiceInfo::dead},
    {"ferry_service_expired_total", "Messages whose caller had given up before their turn came.", &ServiceInfo::expired},
    {"ferry_service_unhandled_total", "Messages without a handler.", &ServiceInfo::unhandled},
    {"ferry_service_peer_errors_total", "Errors that belong to no handler: bytes that are no message, limits passed.",
     &ServiceInfo::peer_errors},
};

constexpr Number<ClientInfo> client_counters[] = {
    {"ferry_client_connects_total", "Connections made.", &ClientInfo::connects},
    {"ferry_client_timeouts_total", "Calls that ended at their deadline.", &ClientInfo::timeouts},
    {"ferry_client_retries_total", "Attempts beyond the first.", &ClientInfo::retries},
    {"ferry_client_retries_refused_total", "Attempts that the retry budget did not allow.", &ClientInfo::retries_refused},
    {"ferry_client_circuit_openings_total", "Times the circuit opened.", &ClientInfo::circuit_openings},
    {"ferry_client_circuit_refusals_total", "Requests refused because the circuit was open.", &ClientInfo::circuit_refusals},
    {"ferry_client_limit_refusals_total", "Requests refused because the limit's queue was full.", &ClientInfo::limit_refusals},
    {"ferry_client_late_replies_total", "Replies to requests that had ended.", &ClientInfo::late_replies},
};

template <class Info, class Numbers>
void append_counters(std::string& out, const std::vector<Info>& all, const Numbers& numbers) {
  for (const Number<Info>& number : numbers) {
    append_head(out, number.name, "counter", number.help);
    for (const Info& info : all) append_sample(out, number.name, labels_of(info), info.*number.value);
  }
}

template <class Info>
void append_gauge(std::string& out, const std::vector<Info>& all, std::string_view name, std::string_view help,
                  std::uint64_t (*value)(const Info&)) {
  append_head(out, name, "gauge", help);
  for (const Info& info : all) append_sample(out, name, labels_of(info), value(info));
}

/// As Prometheus has an enumeration: a sample for each state, of which one is 1.
void append_circuits(std::string& out, const std::vector<ClientInfo>& all) {
  constexpr std::string_view name = "ferry_client_circuit";
  append_head(out, name, "gauge", "Where the circuit breaker stands: 1 for the state it is in.");
  for (const ClientInfo& info : all) {
    for (const Circuit state : {Circuit::closed, Circuit::open, Circuit::half_open}) {
      std::string labels = labels_of(info) + ',';
      append_label(labels, "state", to_string(state));
      append_sample(out, name, labels, info.circuit == state ? 1 : 0);
    }
  }
}

}  // namespace

std::string metrics_text(const Application& application) {
  std::string out;
  if (const std::vector<ServiceInfo> services = application.services(); !services.empty()) {
    append_gauge<ServiceInfo>(out, services, "ferry_service_connected", "1 while the service takes messages.",
                              [](const ServiceInfo& info) -> std::uint64_t { return info.status == Status::connected ? 1 : 0; });
    append_gauge<ServiceInfo>(out, services, "ferry_service_active", "Handlers running.",
                              [](const ServiceInfo& info) -> std::uint64_t { return info.active; });
    append_counters(out, services, service_counters);
  }
  if (const std::vector<ClientInfo> clients = application.clients(); !clients.empty()) {
    append_gauge<ClientInfo>(out, clients, "ferry_client_connected", "1 while there is a connection.",
                             [](const ClientInfo& info) -> std::uint64_t { return info.status == Status::connected ? 1 : 0; });
    append_gauge<ClientInfo>(out, clients, "ferry_client_in_flight", "Requests and events not yet ended.",
                             [](const ClientInfo& info) -> std::uint64_t { return info.in_flight; });
    append_circuits(out, clients);
    append_counters(out, clients, client_counters);
  }
  return out;
}

}  // namespace ferry
