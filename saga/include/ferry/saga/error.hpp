#pragma once

#include <string>
#include <system_error>

#include "ferry/error.hpp"

namespace ferry {

/// What is wrong with a saga or with its log, beside what `errc` has names for.
enum class saga_errc {
  bad_definition = 1,   ///< a saga that could leave a step half done, or that nobody can tell from another
  unknown_definition,   ///< the log, or the caller, names a saga or a version that the program has not added
  duplicate_id,         ///< the log has a saga with this id already
  not_found,            ///< the log has no saga with this id
  not_owner,            ///< another process runs it
  interrupted,          ///< its process ended, or was closed, in the middle of it
  store_locked,         ///< another process kept the log's file to itself for too long
  store_full,           ///< no room for the log
  store_corrupt,        ///< the log cannot be read
  store_not_writable,   ///< the log's file or directory cannot be written
  store_foreign,        ///< the log's file is another program's, or another ferry's
  store_failed,         ///< the log failed in a way that has no name above
};

const std::error_category& saga_category() noexcept;
std::error_code make_error_code(saga_errc value) noexcept;
std::error_condition make_error_condition(saga_errc value) noexcept;

// As for `errc`: a comparison always means the condition.
inline bool operator==(const std::error_code& code, saga_errc value) noexcept {
  return code == make_error_condition(value);
}

/// A saga that cannot be started, found or gone on with. What it had done before is in the log.
class SagaError : public Error {
 public:
  SagaError(saga_errc code, std::string detail, Fate fate = Fate::not_sent)
      : Error(Failure(make_error_code(code), std::move(detail), fate)) {}
};

/// The log could not be written or read: the text names it, and says what to do.
class SagaStoreError : public SagaError { using SagaError::SagaError; };

}  // namespace ferry

template <>
struct std::is_error_code_enum<ferry::saga_errc> : std::true_type {};
template <>
struct std::is_error_condition_enum<ferry::saga_errc> : std::true_type {};
