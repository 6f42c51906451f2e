#include "ferry/saga/record.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "ferry/saga/error.hpp"

namespace ferry {
namespace {

using nlohmann::json;
using namespace std::string_view_literals;

// Stand in logs: names are only ever added.
constexpr std::array statuses{"running"sv, "compensating"sv, "completed"sv, "compensated"sv, "compensation_failed"sv};
constexpr std::array phases{"waiting"sv, "started"sv, "done"sv, "unknown"sv, "failed"sv, "undone"sv};
constexpr std::array fates{"unknown"sv, "not_sent"sv, "confirmed"sv};
constexpr std::array<std::pair<errc, std::string_view>, 17> codes{{
    {errc::timed_out, "timed_out"},
    {errc::cancelled, "cancelled"},
    {errc::closed, "closed"},
    {errc::not_connected, "not_connected"},
    {errc::connection_lost, "connection_lost"},
    {errc::no_handler, "no_handler"},
    {errc::rejected, "rejected"},
    {errc::bad_payload, "bad_payload"},
    {errc::bad_pattern, "bad_pattern"},
    {errc::bad_message, "bad_message"},
    {errc::overloaded, "overloaded"},
    {errc::circuit_open, "circuit_open"},
    {errc::no_reply, "no_reply"},
    {errc::bad_config, "bad_config"},
    {errc::plugin_refused, "plugin_refused"},
    {errc::unsupported, "unsupported"},
    {errc::transport_failure, "transport_failure"},
}};
constexpr std::string_view interrupted = "interrupted";

template <class Enum, std::size_t N>
Enum value_of(const std::array<std::string_view, N>& names, const json& name) {
  const auto found = std::find(names.begin(), names.end(), name.get_ref<const std::string&>());
  if (found == names.end()) throw SagaStoreError(saga_errc::store_corrupt, "\"" + name.get<std::string>() + "\" is none");
  return static_cast<Enum>(found - names.begin());
}

// A driver's own code is kept as what it means; its words are in the detail.
std::string_view code_name(const std::error_code& code) {
  if (code == saga_errc::interrupted) return interrupted;
  for (const auto& [value, name] : codes) {
    if (code == value) return name;
  }
  return "transport_failure";
}

std::error_code code_of(std::string_view name) {
  if (name == interrupted) return saga_errc::interrupted;
  for (const auto& [value, known] : codes) {
    if (name == known) return value;
  }
  return errc::transport_failure;
}

json written(const SagaProblem& problem) {
  const Failure& failure = problem.failure;
  json out{{"step", problem.step}, {"code", code_name(failure.code)}, {"fate", fates[static_cast<std::size_t>(failure.fate)]}};
  out["detail"] = failure.detail.empty() ? failure.code.message() : failure.detail;
  if (!failure.remote_body.empty()) out["body"] = failure.remote_body;
  return out;
}

SagaProblem problem_in(const json& in) {
  SagaProblem problem{in.at("step"), Failure(code_of(in.at("code").get_ref<const std::string&>()), in.at("detail"),
                                             value_of<Fate>(fates, in.at("fate")))};
  problem.failure.remote_body = in.value("body", std::string());
  return problem;
}

}  // namespace

std::string_view to_string(SagaStatus status) noexcept { return statuses[static_cast<std::size_t>(status)]; }
std::string_view to_string(SagaStepPhase phase) noexcept { return phases[static_cast<std::size_t>(phase)]; }

std::string write_saga_record(const SagaRecord& record) {
  json out{{"id", record.id}, {"saga", record.saga}, {"version", record.version}, {"status", to_string(record.status)}};
  out["state"] = record.state;
  json& steps = out["steps"] = json::array();
  for (const SagaStepRecord& step : record.steps) steps.push_back({{"name", step.name}, {"phase", to_string(step.phase)}});
  if (record.deadline) {
    out["deadline"] = std::chrono::floor<std::chrono::milliseconds>(record.deadline->time_since_epoch()).count();
  }
  if (record.cause) out["cause"] = written(*record.cause);
  if (record.stuck) out["stuck"] = written(*record.stuck);
  return out.dump(-1, ' ', false, json::error_handler_t::replace);   // an error's text may be any bytes
}

SagaRecord read_saga_record(std::string_view text) try {
  const json in = json::parse(text);
  SagaRecord record{.id = in.at("id"), .saga = in.at("saga"), .version = in.at("version")};
  record.status = value_of<SagaStatus>(statuses, in.at("status"));
  record.state = in.at("state");
  for (const json& step : in.at("steps")) {
    record.steps.push_back({step.at("name"), value_of<SagaStepPhase>(phases, step.at("phase"))});
  }
  if (const auto deadline = in.find("deadline"); deadline != in.end()) {
    record.deadline = std::chrono::system_clock::time_point(std::chrono::milliseconds(deadline->get<std::int64_t>()));
  }
  if (in.contains("cause")) record.cause = problem_in(in["cause"]);
  if (in.contains("stuck")) record.stuck = problem_in(in["stuck"]);
  return record;
} catch (const json::exception& error) {
  throw SagaStoreError(saga_errc::store_corrupt, std::string("this is no record of a saga: ") + error.what());
}

}  // namespace ferry
