#include "ending.hpp"

#include <cstdio>
#include <utility>

#include "output.hpp"

namespace ferry::tool {
namespace {

constexpr std::pair<errc, const char*> kinds[] = {
    {errc::timed_out, "timed_out"},       {errc::cancelled, "cancelled"},
    {errc::closed, "closed"},             {errc::not_connected, "not_connected"},
    {errc::no_handler, "no_handler"},     {errc::connection_lost, "connection_lost"},
    {errc::rejected, "rejected"},         {errc::bad_payload, "bad_payload"},
    {errc::bad_pattern, "bad_pattern"},   {errc::bad_message, "bad_message"},
    {errc::overloaded, "overloaded"},     {errc::circuit_open, "circuit_open"},
    {errc::no_reply, "no_reply"},         {errc::bad_config, "bad_config"},
    {errc::unsupported, "unsupported"},   {errc::plugin_refused, "plugin_refused"},
};

std::string kind_of(const std::error_code& code) {
  for (const auto& [condition, name] : kinds) {
    if (code == condition) return name;
  }
  return "transport_failure";
}

const char* word_of(Fate fate) {
  return fate == Fate::not_sent ? "not_sent" : fate == Fate::confirmed ? "confirmed" : "unknown";
}

Ending ending_of(const Error& error, ExitCode code) {
  return {code, kind_of(error.code()), error.what(), error.fate(), error.failure().remote_body};
}

// A service that cannot listen keeps the system's code: the config may be right, and the address taken.
ExitCode code_of(const ConfigError& error) {
  const bool config = error.code() == errc::bad_config || error.code() == errc::plugin_refused;
  return config ? ExitCode::usage : ExitCode::no_connection;
}

// Nothing was sent: it was the connection that did not come in time.
ExitCode code_of(const TimeoutError& error) {
  return error.fate() == Fate::not_sent ? ExitCode::no_connection : ExitCode::timed_out;
}

ExitCode code_of(const Error& error) {
  if (error.code() == errc::bad_pattern || error.code() == errc::unsupported) return ExitCode::usage;
  return ExitCode::failed;
}

}  // namespace

Ending ending_of_current_exception() {
  try {
    throw;
  } catch (const UsageError& error) {
    return {ExitCode::usage, "usage", error.what(), std::nullopt, ""};
  } catch (const ConfigError& error) {
    Ending ending = ending_of(error, code_of(error));
    ending.fate.reset();
    return ending;
  } catch (const NoHandlerError& error) {
    return ending_of(error, ExitCode::no_handler);
  } catch (const RpcError& error) {
    return ending_of(error, ExitCode::remote_error);
  } catch (const TimeoutError& error) {
    return ending_of(error, code_of(error));
  } catch (const ConnectionError& error) {
    return ending_of(error, ExitCode::no_connection);
  } catch (const Error& error) {
    return ending_of(error, code_of(error));
  } catch (const std::exception& error) {
    return {ExitCode::failed, "failed", error.what(), std::nullopt, ""};
  }
}

nlohmann::ordered_json Ending::json() const {
  nlohmann::ordered_json all{{"kind", kind}, {"message", text}};
  if (fate) all["fate"] = word_of(*fate);
  if (remote_body.empty()) return all;
  auto body = nlohmann::ordered_json::parse(remote_body, nullptr, false);
  all["body"] = body.is_discarded() ? nlohmann::ordered_json(remote_body) : std::move(body);
  return all;
}

ExitCode report_current_exception() {
  const Ending ending = ending_of_current_exception();
  if (ending.code == ExitCode::remote_error) {
    const std::string line = compact_json(ending.remote_body) + '\n';
    std::fwrite(line.data(), 1, line.size(), stderr);
  } else {
    complain(ending.text);
  }
  return ending.code;
}

ExitCode report_current_exception_as_json() {
  const Ending ending = ending_of_current_exception();
  print_line(dump({{"error", ending.json()}}));
  return ending.code;
}

}  // namespace ferry::tool
