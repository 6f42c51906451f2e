#include "delivery_contract.hpp"

#include <string>

namespace ferry::detail {
namespace {

constexpr std::string_view at_least_once_option = "\"delivery\": \"at-least-once\" in the service gives it";

/// Empty: it is granted. Else what is missing, and which of the service's own options gives it, if one does.
struct Verdict {
  std::string missing;
  std::string_view option;
};

Verdict verdict_on(Needs need, const ServiceConfig& service) {
  const ServiceSettings& settings = service.settings;
  const spi::Capabilities& has = settings.promises;
  if (need == needs::at_least_once) {
    if (settings.at_least_once) return {};
    if (has.at_least_once) return {"it is not asked to", at_least_once_option};
    return {"it keeps no message for a service that is away", {}};
  }
  if (need == needs::durable) {
    if (has.durable || settings.at_least_once) return {};
    return {"an event is lost on a service that is away", has.at_least_once ? at_least_once_option : std::string_view()};
  }
  if (need == needs::ordered_by_key) {
    if (has.ordered_by_key) return {};
    if (has.ordered && settings.admission.order_by) {
      if (!settings.at_least_once || settings.retry) return {};
      return {"an event that failed is delivered again behind those that came after it",
              "\"retry\" in the service gives it, by which it keeps its place"};
    }
    if (has.ordered) return {"handlers run at once", "\"orderBy\": \"/key\" in the service gives it"};
    return {"messages do not keep their order on the way", {}};
  }
  if (need == needs::reply) {
    if (has.replies) return {};
    return {"it answers no requests with these options", {}};
  }
  if (!service.serializer->json_text()) return {};
  return {"payloads are JSON, where bytes are text",
          has.custom_serializer ? "\"serializer\": \"msgpack\" or \"cbor\" gives it, without NestJS peers" : std::string_view()};
}

}  // namespace

std::vector<Grant> grants_of(const ServiceConfig& service) {
  std::vector<Grant> grants;
  for (const auto& [need, name] : needs::all) {
    const Verdict verdict = verdict_on(need, service);
    Grant grant{need, name, verdict.missing.empty(), {}};
    if (!grant.granted) {
      const std::string_view option = verdict.option.empty() ? service.transport->option_for(need) : verdict.option;
      grant.why = "the transport " + std::string(service.transport->name()) + ": " + verdict.missing;
      grant.why.append("; ").append(option.empty() ? "none of its options gives it" : option);
    }
    grants.push_back(std::move(grant));
  }
  return grants;
}

}  // namespace ferry::detail
