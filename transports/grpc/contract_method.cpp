#include "transports/grpc/contract_method.hpp"

#include <limits>
#include <map>
#include <utility>

#include "transports/common/base64.hpp"
#include "transports/grpc/metadata.hpp"

namespace ferry::grpc {
namespace {

using nlohmann::json;

/// Metadata as a caller's `RpcError` has it: names in any case, the bytes of those that end in "-bin" in base64.
void add_trailer(std::string_view as_written, std::string text, CallStatus& status, Answer& answer) {
  std::string name = lower(as_written);
  std::string bytes;
  if (name.ends_with("-bin") && transports::from_base64(text, bytes)) text = std::move(bytes);
  auto& trailers = name == details_name ? status.trailers : answer.trailers;   // gRPC writes the details itself
  trailers.emplace_back(std::move(name), std::move(text));
}

/// What NestJS makes of an error without a filter: `code` if it is an integer, `details` if it is text, else `message`.
CallStatus status_of(const json& body, Answer& answer) {
  CallStatus status{static_cast<int>(Code::unknown), "Unknown Error"};
  if (!body.is_object()) return status;
  const auto text = [&](const char* name) {
    const auto found = body.find(name);
    return found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto code = body.find("code");
  if (code != body.end() && code->is_number_integer()) {
    const auto number = code->get<std::int64_t>();
    // 0 is no failure, and a good status without a reply is nothing that gRPC could send.
    if (number > 0 && number <= std::numeric_limits<int>::max()) status.code = static_cast<int>(number);
  }
  if (const std::string details = text("details"); !details.empty()) status.details = details;
  else if (const std::string message = text("message"); !message.empty()) status.details = message;
  const auto metadata = body.find("metadata");
  if (metadata == body.end() || !metadata->is_object()) return status;
  for (const auto& [name, value] : metadata->items()) {
    if (value.is_string()) add_trailer(name, value.get<std::string>(), status, answer);
  }
  return status;
}

/// Whether a pattern means a method: by a service and an rpc, or by "Service/..." of a service that there is.
bool names_method(const std::string& route, const Protos& protos) {
  const json pattern = json::parse(route, nullptr, false);
  if (pattern.is_object()) return pattern.contains("service") && pattern.contains("rpc");
  const std::size_t slash = route.find('/');
  return slash != std::string::npos && protos.has_service(std::string_view(route).substr(0, slash));
}

/// Empty, or what is wrong with a handler for such a method.
std::string kind_fault(const Rpc& rpc, const spi::Subscription& handler) {
  if (handler.event) return rpc.request_stream ? "an event is one message, and it takes a stream of requests" : "";
  if (rpc.request_stream && !handler.request_stream) return "it takes a stream of requests: let the handler take a RequestReader";
  if (!rpc.request_stream && handler.request_stream) return "it takes one request, and the handler reads a stream of them";
  if (!rpc.response_stream && handler.reply_stream) return "it returns one reply, and the handler writes a stream of them";
  return {};
}

/// The same of the classes that it takes and gives. Where a field stands for a message JSON lies in between, and any will do.
std::string type_fault(const Route& route, const spi::Subscription& handler) {
  if (!route.service->protobuf()) return {};
  const auto differ = [](std::string_view what, std::string_view of_handler, const Shape& shape) {
    if (of_handler.empty() || of_handler == shape.full_name) return std::string();
    return std::string(what) + " is " + shape.full_name + ", and that of the handler " + std::string(of_handler);
  };
  const std::string request = differ("its request", handler.request_type, *route.rpc->request);
  return request.empty() ? differ("its response", handler.reply_type, *route.rpc->response) : request;
}

}  // namespace

// ---- the service's side ----------------------------------------------------------------------------------------------

void ContractServerMethod::fill(Incoming& out) const {
  using Form = spi::RequestView::PatternForm;
  out.view.pattern_form = route_.pattern_is_json ? Form::json : Form::text;
  out.view.pattern = route_.pattern;
  out.metadata_headers = true;
}

bool ContractServerMethod::begins(Incoming& out) const {
  if (!route_.rpc->request_stream) return false;
  fill(out);
  out.stream = true;
  return true;
}

std::optional<CallStatus> ContractServerMethod::read(std::string_view body, Incoming& out) const {
  fill(out);
  out.view.has_payload = true;
  out.view.payload = body;
  return std::nullopt;
}

const char* ContractServerMethod::read_next(std::string_view body, std::string_view& payload) const {
  payload = body;
  return nullptr;
}

Answer ContractServerMethod::answer(spi::ReplyKind kind, std::string& payload, bool first) const {
  using ReplyKind = spi::ReplyKind;
  const bool one = !route_.rpc->response_stream;
  Answer answer;
  answer.last = kind != ReplyKind::item;
  if (kind == ReplyKind::error) {
    answer.status = status_of(json::parse(payload, nullptr, false), answer);
  } else if (kind == ReplyKind::no_handler) {
    answer.status = {static_cast<int>(Code::unimplemented), "The server does not implement the method " + route_.rpc->name};
  } else if (kind != ReplyKind::end) {
    answer.has_message = first || !one;
    if (!answer.has_message) {
      answer.last = true;
      answer.status = {static_cast<int>(Code::internal), "the handler gave several values for one reply"};
    }
  } else if (one && first) {
    // A handler that returns nothing answers with a message that has nothing; any other wants a value.
    if (route_.rpc->response->fields.empty()) answer.has_message = true;   // `payload` is empty
    else answer.status = {static_cast<int>(Code::internal), "Error serializing response: the handler gave no value"};
  }
  return answer;
}

// ---- the client's side -----------------------------------------------------------------------------------------------

const char* ContractClientMethod::fault(bool request_stream) const noexcept {
  if (request_stream == route_.rpc->request_stream) return nullptr;
  return request_stream ? "it takes one request, not a stream of them" : "it takes a stream of requests: see Client::duplex";
}

bool ContractClientMethod::write(const spi::OutgoingMessage& message, std::string&) const { return !message.request_stream; }

const char* ContractClientMethod::read(std::string_view body, std::string&, spi::ReplyView& out) const {
  out.has_value = true;
  out.value = body;
  out.serializer = route_.client.get();
  out.last = one_reply();
  return nullptr;
}

ClientMethod::End ContractClientMethod::end(const CallStatus& status, std::string_view where) const {
  switch (static_cast<Code>(status.code)) {
    case Code::ok:
      if (one_reply()) return {unreadable("it ended the call without a reply", where), {}};
      return {};
    case Code::unavailable:
    case Code::deadline_exceeded:
    case Code::cancelled:
    case Code::unimplemented: return {call_failure(status, std::string(where) + ", " + route_.rpc->path), {}};
    default: break;
  }
  Failure failure = call_failure(status, where);
  if (failure.code == errc::bad_payload) return {std::move(failure), {}};
  return {std::nullopt, dump(error_body(status))};
}

const ClientMethod* ContractMethods::find(const Pattern& pattern, Failure& failure) {
  const Route* route = contract_->route(pattern.route());
  if (route == nullptr) {
    failure = Failure(errc::bad_pattern, "no method for the pattern " + pattern.route() + " in " + contract_->files() +
                                             "; there are: " + contract_->protos().list(), Fate::not_sent);
    return nullptr;
  }
  auto& made = made_[route];
  if (!made) made = std::make_unique<ContractClientMethod>(contract_, *route);
  return made.get();
}

// ---- paths -----------------------------------------------------------------------------------------------------------

ContractPaths::ContractPaths(std::shared_ptr<const Contract> contract, const std::vector<spi::Subscription>& subscriptions,
                             bool strict, std::optional<Failure>& failure, std::vector<std::string>& warnings)
    : contract_(std::move(contract)) {
  std::map<std::string, const spi::Subscription*, std::less<>> handled;
  std::string unreachable;
  const auto refuse = [&](const std::string& what) {
    if (!failure) failure = Failure(errc::bad_config, what, Fate::not_sent);
  };
  for (const spi::Subscription& subscription : subscriptions) {
    handled.emplace(subscription.route, &subscription);
    if (contract_->route(subscription.route) != nullptr) continue;
    if (names_method(subscription.route, contract_->protos())) {
      refuse("a handler is registered for " + subscription.route + ", and " + contract_->files() +
             " has no such method; there are: " + contract_->protos().list());
    }
    unreachable += (unreachable.empty() ? "" : ", ") + subscription.route;
  }
  std::string missing;
  for (const Rpc& rpc : contract_->protos().rpcs()) {
    auto& method = methods_[rpc.path];
    for (const Route* route : contract_->routes_to(rpc)) {
      const auto handler = handled.find(route->route);
      if (method || handler == handled.end()) continue;
      std::string fault = kind_fault(rpc, *handler->second);
      if (fault.empty()) fault = type_fault(*route, *handler->second);
      if (!fault.empty()) {
        refuse("the handler of " + route->route + " does not fit " + rpc.path + " of " + contract_->files() + ": " + fault);
      }
      method = std::make_unique<ContractServerMethod>(contract_, *route);
    }
    if (method && !rpc.request_stream && !rpc.response_stream) unary_.push_back(method.get());
    if (!method) missing += (missing.empty() ? "" : ", ") + rpc.path.substr(1);
  }
  if (!missing.empty()) {
    const std::string text = "no handler for these methods of " + contract_->files() + ": " + missing;
    if (strict) refuse(text + " (strict)");
    warnings.push_back(text + "; they answer UNIMPLEMENTED");
  }
  if (!unreachable.empty()) {
    warnings.push_back("no gRPC method leads to the handlers of " + unreachable + "; name one in options.routes");
  }
}

const ServerMethod* ContractPaths::find(std::string_view path, CallStatus& refusal) const {
  const auto found = methods_.find(path);
  if (found != methods_.end() && found->second) return found->second.get();
  // grpc-js's words: of a method it knows the name, of any other the path.
  const std::string_view name = found == methods_.end() ? path : path.substr(path.rfind('/') + 1);
  refusal = {static_cast<int>(Code::unimplemented), "The server does not implement the method " + std::string(name)};
  return nullptr;
}

}  // namespace ferry::grpc
