#include "transports/grpc/contract_method.hpp"

#include <limits>
#include <set>

#include "transports/grpc/codec.hpp"

namespace ferry::grpc {
namespace {

using nlohmann::json;

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

/// The message, or the field of it that stands for it.
std::string payload_of(const json& message, const Field* field) {
  if (field == nullptr) return dump(message);
  const auto found = message.find(field->name);
  return dump(found == message.end() ? default_of(*field) : *found);
}

/// The other way round. Nothing at all is an empty message.
bool message_from(const Shape& shape, const Field* field, std::string_view payload, std::string& out, std::string& fault) {
  json value = payload.empty() ? json() : json::parse(payload, nullptr, false);
  if (value.is_discarded()) return fault = "a payload that is no JSON", false;
  if (field != nullptr) value = json{{field->name, std::move(value)}};
  if (value.is_null()) value = json::object();
  CodecFault found;
  if (encode_message(shape, value, out, found)) return true;
  fault = found.text(shape);
  return false;
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
    if (number >= 0 && number <= std::numeric_limits<int>::max()) status.code = static_cast<int>(number);
  }
  if (const std::string details = text("details"); !details.empty()) status.details = details;
  else if (const std::string message = text("message"); !message.empty()) status.details = message;
  const auto metadata = body.find("metadata");
  if (metadata == body.end() || !metadata->is_object()) return status;
  for (const auto& [name, value] : metadata->items()) {
    if (value.is_string()) answer.trailers.emplace_back(name, value.get<std::string>());
  }
  return status;
}

}  // namespace

// ---- the service's side ----------------------------------------------------------------------------------------------

std::optional<CallStatus> ContractServerMethod::read(std::string_view body, Incoming& out) const {
  json message;
  CodecFault fault;
  if (!decode_message(*route_.rpc->request, contract_->protos().loader(), body, message, fault)) {
    return CallStatus{static_cast<int>(Code::internal), "Error deserializing request: " + fault.text(*route_.rpc->request)};
  }
  out.text = payload_of(message, route_.request);
  using Form = spi::RequestView::PatternForm;
  out.view.pattern_form = route_.pattern_is_json ? Form::json : Form::text;
  out.view.pattern = route_.pattern;
  out.view.has_payload = true;
  out.view.payload = out.text;
  out.metadata_headers = true;
  return std::nullopt;
}

void ContractServerMethod::add_message(const std::string& payload, Answer& answer) const {
  std::string fault;
  answer.has_message = message_from(*route_.rpc->response, route_.response, payload, answer.payload, fault);
  if (answer.has_message) return;
  answer.payload.clear();
  answer.last = true;
  answer.status = {static_cast<int>(Code::internal), "Error serializing response: " + fault};
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
    if (first || !one) add_message(payload, answer);   // of several values for one reply, the first counts
  } else if (one && first) {
    // A handler that returns nothing answers with a message that has nothing; any other wants a value.
    if (route_.rpc->response->fields.empty()) answer.has_message = true;
    else answer.status = {static_cast<int>(Code::internal), "Error serializing response: the handler gave no value"};
  }
  return answer;
}

// ---- the client's side -----------------------------------------------------------------------------------------------

bool ContractClientMethod::write(const spi::OutgoingMessage& message, std::string& head, Failure& failure) const {
  std::string fault;
  const std::string_view payload = message.has_payload ? std::string_view(*message.payload) : std::string_view();
  if (!message_from(*route_.rpc->request, route_.request, payload, head, fault)) {
    failure = Failure(errc::bad_payload, route_.rpc->path + ": " + fault, Fate::not_sent);
    return false;
  }
  if (message.has_payload) message.payload->clear();
  return true;
}

const char* ContractClientMethod::read(std::string_view body, std::string& text, spi::ReplyView& out) const {
  json message;
  CodecFault fault;
  if (!decode_message(*route_.rpc->response, contract_->protos().loader(), body, message, fault)) {
    text = fault.text(*route_.rpc->response);
    return text.c_str();
  }
  text = payload_of(message, route_.response);
  out.has_value = true;
  out.value = text;
  out.last = one_reply();
  return nullptr;
}

ClientMethod::End ContractClientMethod::end(const CallStatus& status, std::string_view where) const {
  switch (static_cast<Code>(status.code)) {
    case Code::ok: return {};
    case Code::unavailable:
    case Code::deadline_exceeded:
    case Code::cancelled:
    case Code::unimplemented: return {call_failure(status, std::string(where) + ", " + route_.rpc->path), {}};
    default: break;
  }
  Failure failure = call_failure(status, where);
  if (failure.code == errc::bad_payload) return {std::move(failure), {}};
  // As NestJS's client has it.
  return {std::nullopt, dump({{"code", status.code},
                              {"details", status.details},
                              {"message", std::to_string(status.code) + " " + code_name(status.code) + ": " + status.details}})};
}

const ClientMethod* ContractMethods::find(const Pattern& pattern, Failure& failure) {
  const Route* route = contract_->find(pattern.route());
  if (route == nullptr) {
    failure = Failure(errc::bad_pattern, "no method for the pattern " + pattern.route() + " in " + contract_->files() +
                                             "; there are: " + contract_->protos().list(), Fate::not_sent);
    return nullptr;
  }
  if (route->rpc->request_stream) {
    failure = Failure(errc::unsupported, route->rpc->path + " takes a stream of requests, which a call does not send yet", Fate::not_sent);
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
  std::set<std::string, std::less<>> handled;
  std::string unreachable;
  const auto refuse = [&](const std::string& what) {
    if (!failure) failure = Failure(errc::bad_config, what, Fate::not_sent);
  };
  for (const spi::Subscription& subscription : subscriptions) {
    handled.insert(subscription.route);
    if (contract_->find(subscription.route) != nullptr) continue;
    // Who names a service and an rpc means a method.
    const json pattern = json::parse(subscription.route, nullptr, false);
    if (pattern.is_object() && pattern.contains("service") && pattern.contains("rpc")) {
      refuse("a handler is registered for " + subscription.route + ", and " + contract_->files() +
             " has no such method; there are: " + contract_->protos().list());
    }
    unreachable += (unreachable.empty() ? "" : ", ") + subscription.route;
  }
  std::string missing;
  for (const Rpc& rpc : contract_->protos().rpcs()) {
    auto& method = methods_[rpc.path];
    for (const Route* route : contract_->routes_to(rpc)) {
      if (method || !handled.contains(route->route)) continue;
      if (rpc.request_stream) refuse(rpc.path + " takes a stream of requests, which a handler cannot read yet");
      method = std::make_unique<ContractServerMethod>(contract_, *route);
    }
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
