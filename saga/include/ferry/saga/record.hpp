#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"

namespace ferry {

enum class SagaStatus : std::uint8_t {
  running,              ///< goes forward
  compensating,         ///< undoes what it had done, the last step first
  completed,            ///< every step is done
  compensated,          ///< every step that was done, or may have been, is undone
  compensation_failed,  ///< stuck: a compensation failed for good; somebody has to look, then `SagaRunner::retry`
};
std::string_view to_string(SagaStatus status) noexcept;
constexpr bool is_finished(SagaStatus status) noexcept { return status > SagaStatus::compensating; }

enum class SagaStepPhase : std::uint8_t {
  waiting,
  started,   ///< its request may have left
  done,
  unknown,   ///< failed, but may have been done: is compensated as if it had been
  failed,    ///< not done
  undone,    ///< compensated
};
std::string_view to_string(SagaStepPhase phase) noexcept;

struct SagaStepRecord {
  std::string name;
  SagaStepPhase phase = SagaStepPhase::waiting;
};

/// Why a saga turned back, or stuck.
struct SagaProblem {
  std::string step;   ///< at which it was then
  Failure failure;
};

/// All there is to know of one run of a saga: what its log keeps, and what it goes on from.
struct SagaRecord {
  std::string id = {};
  std::string saga = {};   ///< the definition's name
  int version = 1;    ///< the definition's
  SagaStatus status = SagaStatus::running;
  nlohmann::json state = {};
  std::vector<SagaStepRecord> steps = {};
  std::optional<std::chrono::system_clock::time_point> deadline = {};   ///< in milliseconds
  std::optional<SagaProblem> cause = {};   ///< why it turned back
  std::optional<SagaProblem> stuck = {};   ///< which compensation failed for good
};

/// The record as JSON text, and back. Reading throws `SagaStoreError` (store_corrupt) for anything else.
std::string write_saga_record(const SagaRecord& record);
SagaRecord read_saga_record(std::string_view text);

}  // namespace ferry
