#include "transports/grpc/contract.hpp"

#include <algorithm>

#include "ferry/pattern.hpp"

namespace ferry::grpc {
namespace {

using nlohmann::json;
using spi::Option;
using spi::OptionKind;

constexpr Option route_table[] = {
    {.name = "pattern", .kind = OptionKind::any, .doc = "of the handler or the call", .required = true},
    {.name = "method", .kind = OptionKind::string, .doc = "\"MathService/Sum\"", .required = true},
    {"request", OptionKind::string, "", "the field of the request that is the payload; else the whole message is"},
    {"response", OptionKind::string, "", "the field of the response that is the reply"},
};

LoaderOptions read_loader(const spi::Options& options) {
  LoaderOptions loader;
  loader.keep_case = options.boolean("keepCase");
  loader.longs_as_text = options.string("longs") == "String";
  loader.enums_as_text = options.string("enums") == "String";
  const std::string bytes = options.string("bytes");
  if (bytes == "String") loader.bytes = LoaderOptions::Bytes::base64;
  if (bytes == "Array") loader.bytes = LoaderOptions::Bytes::array;
  loader.defaults = options.boolean("defaults");
  loader.arrays = options.boolean("arrays");
  loader.objects = options.boolean("objects");
  loader.oneofs = options.boolean("oneofs");
  return loader;
}

const Field* field_named(const Shape& shape, const std::string& name, const spi::ConfigPlace& place) {
  if (name.empty()) return nullptr;
  std::string list;
  for (const Field& field : shape.fields) {
    if (field.name == name || field.other_name == name) return &field;
    list += (list.empty() ? "" : ", ") + field.name;
  }
  spi::config_error(place, shape.full_name + " has no field \"" + name + "\"", "there are: " + list);
}

Route route_of(const Rpc& rpc, const Pattern& pattern) {
  Route route;
  route.rpc = &rpc;
  route.pattern_is_json = pattern.is_object();
  route.pattern = pattern.is_object() ? pattern.json() : pattern.route();
  route.route = pattern.route();
  return route;
}

}  // namespace

std::shared_ptr<const Contract> Contract::read(const spi::Options& options, const std::string& directory,
                                               const spi::Serializer& serializer) {
  if (!wanted(options)) {
    for (const char* name : {"package", "loader", "routes"}) {
      if (options.given(name)) spi::config_error(options.place(name), "without protoPath", "name the .proto files in protoPath");
    }
    return nullptr;
  }
  if (!serializer.json_text()) {
    spi::config_error(options.place("protoPath"), "the serializer " + std::string(serializer.name()) + " beside a .proto",
                      "leave the serializer out: the .proto says how messages are written");
  }
  const spi::Options loader = options.object("loader");
  Protos::Source source{options.strings("protoPath"), loader.strings("includeDirs"), options.strings("package"), directory,
                        options.place("protoPath"), options.place("package")};
  std::shared_ptr<Contract> contract(new Contract(source, read_loader(loader), serializer));
  if (options.given("routes")) contract->add_routes(options.any("routes"), options.place("routes"));
  contract->add_names();
  return contract;
}

void Contract::add_routes(const json& routes, const spi::ConfigPlace& place) {
  if (!routes.is_array()) {
    spi::config_error(place, "it is no array", "write [{\"pattern\": {\"cmd\": \"sum\"}, \"method\": \"MathService/Sum\"}]");
  }
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const spi::Options one = spi::Options::parse(routes[i], route_table, place.element(i));
    const Rpc* rpc = protos_.find(one.string("method"));
    if (rpc == nullptr) {
      spi::config_error(one.place("method"), "no method " + one.string("method") + " in " + protos_.files(),
                        "there are: " + protos_.list());
    }
    const json& pattern = one.any("pattern");
    if (!pattern.is_object() && !pattern.is_string()) {
      spi::config_error(one.place("pattern"), pattern.dump(), "write a string or an object");
    }
    Route route = route_of(*rpc, pattern.is_string() ? Pattern(pattern.get<std::string>()) : Pattern::from_json(pattern.dump()));
    route.request = field_named(*rpc->request, one.string("request"), one.place("request"));
    route.response = field_named(*rpc->response, one.string("response"), one.place("response"));
    if (this->route(route.route) != nullptr) {
      spi::config_error(one.place("pattern"), pattern.dump() + " stands for two methods", "leave one of them out");
    }
    add(std::move(route));
  }
}

/// The patterns that name a method: NestJS's, and "Service/Method".
void Contract::add_names() {
  for (const bool relative : {true, false}) {
    for (const Rpc& rpc : protos_.rpcs()) {
      if (!relative) add_names(rpc, rpc.service);
      else for (const std::string& service : rpc.short_services) add_names(rpc, service);
    }
  }
}

void Contract::add_names(const Rpc& rpc, const std::string& service) {
  add(route_of(rpc, Pattern({"service", service}, {"rpc", rpc.name})));
  for (const char* streaming : {"no_stream", "rx_stream", "pt_stream"}) {
    if (rpc.request_stream == (*streaming == 'n')) continue;
    add(route_of(rpc, Pattern({"service", service}, {"rpc", rpc.name}, {"streaming", streaming})));
  }
  add(route_of(rpc, Pattern(service + "/" + rpc.name)));
}

/// What came first holds.
void Contract::add(Route route) {
  if (this->route(route.route) != nullptr) return;
  using Side = MessageSerializer::Side;
  const PayloadType request{route.rpc->request, route.request};
  const PayloadType response{route.rpc->response, route.response};
  const LoaderOptions& loader = protos_.loader();
  route.client = std::make_unique<MessageSerializer>(Side::client, route.rpc->path, request, response, loader, json_);
  route.service = std::make_unique<MessageSerializer>(Side::service, route.rpc->path, response, request, loader, json_);
  routes_.push_back(std::make_unique<Route>(std::move(route)));
  by_route_.emplace(routes_.back()->route, routes_.back().get());
}

const spi::Serializer* Contract::find(const Pattern& pattern) const {
  const Route* meant = route(pattern.route());
  return meant == nullptr ? nullptr : meant->client.get();
}

const Route* Contract::route(std::string_view route) const noexcept {
  const auto found = by_route_.find(route);
  return found == by_route_.end() ? nullptr : found->second;
}

std::vector<const Route*> Contract::routes_to(const Rpc& rpc) const {
  std::vector<const Route*> all;
  for (const auto& route : routes_) {
    if (route->rpc == &rpc) all.push_back(route.get());
  }
  return all;
}

}  // namespace ferry::grpc
