#pragma once
// A child process with its standard streams on pipes.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace ferry::test {

struct Finished {
  int code = -1;   ///< the exit code; 1000 and the signal's number if a signal ended it
  std::string out;
  std::string err;
};

/// Lifetime: a process that still runs is killed by the destructor; and by the system when the thread that made it ends,
///           so that none is left behind, however the test ends.
/// Everything that waits throws `std::runtime_error` after `deadline_seconds`, with what was read so far.
class Process {
 public:
  static constexpr int deadline_seconds = 20;

  /// `arguments[0]` is the program's path.
  explicit Process(std::vector<std::string> arguments, std::string_view standard_input = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Waits for a line with `text` in it; returns the line.
  std::string line_of_stderr(std::string_view text) { return line(1, text); }
  std::string line_of_stdout(std::string_view text) { return line(0, text); }
  pid_t pid() const noexcept { return pid_; }
  void signal(int number);
  /// It has ended by itself; `wait` says how.
  bool ended() const;
  Finished wait();

 private:
  std::string line(std::size_t stream, std::string_view text);
  bool read_some();   // false: both streams have ended

  pid_t pid_ = -1;
  std::array<int, 2> pipes_{-1, -1};   // its stdout and stderr
  std::array<std::string, 2> read_;
};

}  // namespace ferry::test
