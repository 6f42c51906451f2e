#pragma once
// What `ferry bench` says of a load.

#include <string>

#include <nlohmann/json.hpp>

#include "load.hpp"

namespace ferry::tool {

std::string report_text(const LoadPlan& plan, const LoadResult& result);
nlohmann::ordered_json report_json(const LoadPlan& plan, const LoadResult& result);

/// `answered` or `emitted` messages a second.
double rate_of(const LoadResult& result);
/// `45210`, `3.2`
std::string number_text(double value);
/// `p50 0.34 ms   p90 ...   p99 ...   p99.9 ...   max ...`
std::string latency_text(const Histogram& latency);

}  // namespace ferry::tool
