#include "ferry/config_schema.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "application_config.hpp"

namespace ferry {
namespace {

using nlohmann::json;
using spi::Transport;

constexpr const char* variable = R"(\$\{)";

struct Found {
  std::vector<const Transport*> transports;
  std::vector<std::string> serializers;
};

Found usable(const Plugins& plugins) {
  Found found;
  for (const PluginInfo& plugin : plugins.list()) {
    if (!plugin.refusal.empty()) continue;
    if (plugin.kind == "transport") found.transports.push_back(&plugins.transport(plugin.name));
    else found.serializers.push_back(plugin.name);
  }
  const auto by_name = [](const Transport* a, const Transport* b) { return a->name() < b->name(); };
  std::sort(found.transports.begin(), found.transports.end(), by_name);
  std::sort(found.serializers.begin(), found.serializers.end());
  return found;
}

/// `^(tcp|tcps|tcp\+unix)://`
std::string url_pattern(const std::vector<const Transport*>& transports) {
  std::string schemes;
  for (const Transport* transport : transports) {
    for (const std::string_view scheme : transport->schemes()) {
      if (!schemes.empty()) schemes += '|';
      for (const char c : scheme) {
        if (c == '+' || c == '.') schemes += '\\';
        schemes += c;
      }
    }
  }
  return "^(" + schemes + ")://";
}

bool needs_options(spi::OptionTable table) {
  return std::any_of(table.begin(), table.end(), [](const spi::Option& option) { return option.required; });
}

json one_of(json names) {
  json allowed{{"enum", std::move(names)}};
  return json::array({std::move(allowed), json{{"pattern", variable}}});
}

/// Core's own keys with the names of plugins; what depends on the transport follows in `allOf`.
json base(spi::OptionTable table, const Found& found) {
  json schema = spi::to_json_schema(table);
  json& properties = schema["properties"];
  json names = json::array();
  for (const Transport* transport : found.transports) names.push_back(transport->name());
  properties["transport"]["anyOf"] = one_of(std::move(names));
  properties["serializer"]["anyOf"] = one_of(found.serializers);
  properties["options"]["type"] = {"object", "null"};
  schema["allOf"] = json::array();
  return schema;
}

/// What holds for a service or client once its transport is known.
json consequences(const Transport& transport, std::string_view role) {
  json properties = json::object();
  if (!transport.capabilities().custom_serializer) properties["serializer"]["anyOf"] = one_of({"json"});
  if (role == "service" && !transport.capabilities().at_least_once) properties["delivery"] = false;
  return properties;
}

json reference(const Transport& transport, const char* role) {
  return {{"$ref", "#/$defs/" + std::string(transport.name()) + "." + role}};
}

json chosen_by_name(const Transport& transport, const char* role, spi::OptionTable options) {
  json then{{"properties", consequences(transport, role)}};
  json& own = then["properties"]["options"] = reference(transport, role);
  if (needs_options(options)) {
    own["required"] = spi::to_json_schema(options)["required"];
    own["type"] = "object";
    then["required"] = {"options"};
  }
  json condition{{"properties", {{"transport", {{"const", transport.name()}}}}}, {"required", {"transport"}}};
  return {{"if", std::move(condition)}, {"then", std::move(then)}};
}

/// The URL may hold any of the options, also those that are required.
json chosen_by_url(const Transport& transport) {
  json then{{"properties", consequences(transport, "client")}};
  then["properties"]["options"] = reference(transport, "client");
  json condition{{"properties", {{"url", {{"pattern", url_pattern({&transport})}}}}}, {"required", {"url"}}};
  return {{"if", std::move(condition)}, {"then", std::move(then)}};
}

json service_schema(const Found& found) {
  json schema = base(detail::service_table(), found);
  schema["title"] = "A service";
  for (const Transport* transport : found.transports) {
    schema["allOf"].push_back(chosen_by_name(*transport, "service", transport->server_options()));
  }
  return schema;
}

json client_schema(const Found& found) {
  json schema = base(detail::client_table(), found);
  schema["title"] = "A client";
  schema["oneOf"] = json::array({{{"required", {"transport"}}}, {{"required", {"url"}}}});
  schema["properties"]["url"]["pattern"] = url_pattern(found.transports) + '|' + variable;
  for (const Transport* transport : found.transports) {
    schema["allOf"].push_back(chosen_by_name(*transport, "client", transport->client_options()));
    schema["allOf"].push_back(chosen_by_url(*transport));
  }
  return schema;
}

json options_schema(const Transport& transport, const char* role, spi::OptionTable table) {
  json schema = spi::to_json_schema(table);
  schema.erase("required");   // where the options must be complete, whoever refers to this says so
  schema["type"] = {"object", "null"};
  schema["title"] = "Options of a " + std::string(transport.name()) + " " + role;
  return schema;
}

json named(json properties, const char* definition) {
  properties["type"] = "object";
  properties["additionalProperties"] = {{"$ref", std::string("#/$defs/") + definition}};
  return properties;
}

}  // namespace

json config_schema(const Plugins& plugins) {
  const Found found = usable(plugins);
  json schema = spi::to_json_schema(detail::application_table());
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "ferry config";
  json& properties = schema["properties"];
  properties["services"] = named(std::move(properties["services"]), "service");
  properties["clients"] = named(std::move(properties["clients"]), "client");
  json& definitions = schema["$defs"];
  definitions["service"] = service_schema(found);
  definitions["client"] = client_schema(found);
  for (const Transport* transport : found.transports) {
    const std::string name(transport->name());
    definitions[name + ".service"] = options_schema(*transport, "service", transport->server_options());
    definitions[name + ".client"] = options_schema(*transport, "client", transport->client_options());
  }
  return schema;
}

}  // namespace ferry
