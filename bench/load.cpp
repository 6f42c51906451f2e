#include "load.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace bench {
namespace {

using namespace std::chrono_literals;

constexpr auto warm_up = 300ms;
constexpr std::size_t most_latencies = 4'000'000;

double own_cpu() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Of all threads of a process, to the nanosecond; /proc/PID/stat counts in ticks of 10 ms.
double cpu_of(int pid) {
  double nanoseconds = 0;
  std::error_code ignored;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", ignored)) {
    double running = 0;
    std::ifstream(task.path() / "schedstat") >> running;
    nanoseconds += running;
  }
  return nanoseconds * 1e-9;
}

/// KiB.
long peak_memory_of(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  long value = 0;
  while (status >> word) {
    if (word == "VmHWM:") {
      status >> value;
      break;
    }
  }
  return value;
}

}  // namespace

Job Job::from_command_line(int argc, char** argv) {
  if (argc != 7 && argc != 8) {
    std::fprintf(stderr, "usage: %s PORT sum|echo|raw|event|raw-event SIZE IN_FLIGHT SECONDS SERVICE_PID [TRANSPORT]\n", argv[0]);
    std::exit(64);
  }
  Job job;
  job.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  job.name = argv[2];
  const auto size = static_cast<std::size_t>(std::atol(argv[3]));
  job.payload = size < 64 ? "[1,2,3]" : orders_text(size);
  job.in_flight = static_cast<std::size_t>(std::atol(argv[4]));
  job.seconds = std::atof(argv[5]);
  job.service_pid = std::atoi(argv[6]);
  if (argc == 8) job.transport = argv[7];
  return job;
}

Place::Place(int argc, char** argv) {
  if (argc > 1) transport = argv[1];
  if (argc > 2) port = static_cast<std::uint16_t>(std::atoi(argv[2]));
  if (argc > 3) in_flight = static_cast<std::size_t>(std::atol(argv[3]));
}

void Place::print_ready() const {
  std::printf("%d\n", port);
  std::fflush(stdout);
}

std::string orders_text(std::size_t bytes) {
  std::string text = "[";
  for (int i = 0; text.size() < bytes; ++i) {
    if (i != 0) text += ',';
    const std::string n = std::to_string(1000 + i);
    text += R"({"id":)" + n + R"(,"customer":"customer-)" + n + R"(","total":)" + n + R"(.25,"paid":true,"items":["pen","ink"]})";
  }
  return text + "]";
}

Window::Window(const Job& job)
    : job_(job), every_(job.in_flight == 1 && !job.event() ? 1 : 32), open_at_(Clock::now() + warm_up) {}

bool Window::look() {
  if (over_) return false;
  const Clock::time_point now = Clock::now();
  if (opened_ == Clock::time_point()) {
    if (now >= open_at_) open(now);
  } else {
    if (every_ == 1 && latencies_.size() < most_latencies) {
      latencies_.push_back(std::chrono::duration<float, std::micro>(now - last_).count());
    }
    if (now >= opened_ + std::chrono::duration<double>(job_.seconds)) {
      if (!job_.event()) close();
      over_ = true;
    }
  }
  last_ = now;
  return !over_;
}

void Window::open(Clock::time_point now) {
  opened_ = now;
  counted_from_ = count_;
  client_cpu_ = own_cpu();
  service_cpu_ = cpu_of(job_.service_pid);
  latencies_.clear();
}

void Window::close() {
  if (elapsed_ != 0) return;
  over_ = true;
  elapsed_ = std::chrono::duration<double>(Clock::now() - opened_).count();
  client_cpu_ = own_cpu() - client_cpu_;
  service_cpu_ = cpu_of(job_.service_pid) - service_cpu_;
  count_ -= counted_from_;
}

void Window::print() const {
  std::vector<float> sorted = latencies_;
  std::sort(sorted.begin(), sorted.end());
  const auto quantile = [&sorted](double q) {
    return sorted.empty() ? 0.0F : sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
  };
  std::printf(R"({"count":%llu,"seconds":%.6f,"client_cpu":%.6f,"service_cpu":%.6f,"client_kib":%ld,"service_kib":%ld,)"
              R"("p50_us":%.2f,"p99_us":%.2f})"
              "\n",
              static_cast<unsigned long long>(count_), elapsed_, client_cpu_, service_cpu_, peak_memory_of(::getpid()),
              peak_memory_of(job_.service_pid), static_cast<double>(quantile(0.5)), static_cast<double>(quantile(0.99)));
}

}  // namespace bench
