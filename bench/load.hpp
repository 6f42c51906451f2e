#pragma once
// What every benchmark client shares: its job, the window in which it counts, and the line it prints.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

/// One measurement, as the command line says: PORT JOB SIZE IN_FLIGHT SECONDS SERVICE_PID [TRANSPORT].
struct Job {
  std::uint16_t port = 0;       ///< of the service, or of the broker
  std::string name;             ///< sum, echo, event, or raw and raw-event: an echo and events that nobody looks into
  std::string payload;          ///< the JSON text of the data: `[1,2,3]`, or records of about SIZE bytes
  std::size_t in_flight = 1;
  double seconds = 1;
  int service_pid = 0;
  std::string transport = "tcp";

  /// Ends the program with a message if the command line is not of that form.
  static Job from_command_line(int argc, char** argv);
  bool event() const { return name == "event" || name == "raw-event"; }
  /// The JSON text of the reply.
  std::string reply() const { return name == "sum" ? "6" : payload; }
};

/// The command line of a service: [TRANSPORT PORT IN_FLIGHT], the broker's port, and how much is to come at once. A service
/// says that it is ready by printing the port: the broker's, or the one it chose.
struct Place {
  std::string transport = "tcp";
  std::uint16_t port = 0;
  std::size_t in_flight = 1;

  Place(int argc, char** argv);
  void print_ready() const;
};

/// JSON text of records as `Order` in orders.hpp, close to `bytes` long.
std::string orders_text(std::size_t bytes);

/// Counts messages after a warm-up, for as long as the job says.
class Window {
 public:
  explicit Window(const Job& job);

  /// A message has ended. False when the time is over.
  bool completed() {
    ++count_;
    return every_ > 1 && count_ % every_ != 0 ? !over_ : look();
  }
  /// Ends the window: for events, when the service has told that all have come.
  void close();
  bool over() const { return over_; }
  /// Prints one line of JSON: count, seconds, CPU time of client and service, peak memory, latencies at one in flight.
  void print() const;

 private:
  bool look();
  void open(Clock::time_point now);

  const Job job_;
  const std::uint64_t every_;       // how many messages between two looks at the clock
  const Clock::time_point open_at_;
  Clock::time_point opened_ = {};   // zero: warming up
  Clock::time_point last_ = {};
  double elapsed_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t counted_from_ = 0;
  bool over_ = false;
  double client_cpu_ = 0;           // seconds
  double service_cpu_ = 0;
  std::vector<float> latencies_;    // microseconds
};

}  // namespace bench
