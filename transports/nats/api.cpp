#include "transports/nats/api.hpp"

#include "transports/nats/error.hpp"

namespace ferry::nats::api {

using nlohmann::json;

json error_of(const json& answer) { return answer.is_object() ? answer.value("error", json()) : json(); }

int number_of(const json& error, const char* name) {
  const auto found = error.find(name);
  return found != error.end() && found->is_number_integer() ? found->get<int>() : 0;
}

std::string text_of(const json& error) {
  const auto found = error.find("description");
  return found != error.end() && found->is_string() ? found->get<std::string>() : error.dump();
}

Failure no_jetstream(const std::string& what) {
  return Failure(make_code(NATS_NO_RESPONDERS),
                 what + ": nobody answers for JetStream; start the server with it (-js), and the stream with this account",
                 Fate::not_sent);
}

}  // namespace ferry::nats::api
