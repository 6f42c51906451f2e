#include "bench_report.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "output.hpp"

namespace ferry::tool {
namespace {

using nlohmann::ordered_json;

constexpr std::array<std::pair<const char*, double>, 4> shares{
    {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}}};

double milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

const char* outcome_word(const LoadPlan& plan) { return plan.events ? "emitted" : "answered"; }

std::string plan_text(const LoadPlan& plan) {
  const std::string in_flight = std::to_string(plan.in_flight) + " in flight";
  const std::string duration = " for " + milliseconds_text(milliseconds(plan.duration));
  if (plan.rate == 0) return "closed loop: " + in_flight + duration;
  return "open loop: " + number_text(plan.rate) + " a second" + duration + ", at most " + in_flight +
         "; timed from the moment each was to be sent";
}

std::string failures_text(const LoadResult& result) {
  std::string text;
  for (const auto& [kind, failures] : result.failures) {
    text += "\n  " + kind + ' ' + std::to_string(failures.count) + ", the first: " + failures.first.text;
  }
  return text;
}

}  // namespace

double rate_of(const LoadResult& result) {
  const double seconds = std::chrono::duration<double>(result.elapsed).count();
  return seconds > 0 ? static_cast<double>(result.latency.count()) / seconds : 0;
}

std::string number_text(double value) {
  char text[64];
  std::snprintf(text, sizeof(text), value < 100 ? "%.3g" : "%.0f", value);
  return text;
}

std::string latency_text(const Histogram& latency) {
  std::string text;
  for (const auto& [name, share] : shares) {
    text += std::string(name) + ' ' + milliseconds_text(milliseconds(latency.quantile(share))) + "   ";
  }
  return text + "max " + milliseconds_text(milliseconds(latency.max()));
}

std::string report_text(const LoadPlan& plan, const LoadResult& result) {
  std::string text = plan_text(plan) + '\n' + outcome_word(plan) + ' ' + std::to_string(result.latency.count()) + " in " +
                     milliseconds_text(milliseconds(result.elapsed)) + ": " + number_text(rate_of(result)) + " a second\n";
  if (result.latency.count() != 0) text += "latency  " + latency_text(result.latency) + '\n';
  if (plan.rate > 0) {
    text += "late     " + std::to_string(result.late) + " sent more than " +
            milliseconds_text(milliseconds(LoadResult::late_after)) + " behind their moment\n" + "not sent " +
            std::to_string(result.not_sent) + (result.not_sent != 0 ? ", because all in flight were taken\n" : "\n");
  }
  return text + "failed   " + std::to_string(result.failed) + failures_text(result);
}

ordered_json report_json(const LoadPlan& plan, const LoadResult& result) {
  ordered_json all{{"loop", plan.rate > 0 ? "open" : "closed"}, {"inFlight", plan.in_flight}};
  if (plan.rate > 0) all["rateAsked"] = plan.rate;
  all["seconds"] = std::chrono::duration<double>(result.elapsed).count();
  all["sent"] = result.sent;
  all[outcome_word(plan)] = result.latency.count();
  all["rate"] = rate_of(result);
  all["late"] = result.late;
  all["notSent"] = result.not_sent;
  all["failed"] = result.failed;
  all["failures"] = ordered_json::object();
  for (const auto& [kind, failures] : result.failures) {
    all["failures"][kind] = {{"count", failures.count}, {"first", failures.first.json()}};
  }
  ordered_json& latency = all["latencyMs"] = ordered_json::object();
  if (result.latency.count() == 0) return all;
  latency["mean"] = milliseconds(result.latency.mean());
  for (const auto& [name, share] : shares) latency[name] = milliseconds(result.latency.quantile(share));
  latency["max"] = milliseconds(result.latency.max());
  return all;
}

}  // namespace ferry::tool
