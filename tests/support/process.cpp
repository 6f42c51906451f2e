#include "process.hpp"

#include <chrono>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ferry::test {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
    read = ends[0];
    write = ends[1];
  }
  int read = -1;
  int write = -1;
};

/// In the child, where only what is safe in a signal handler may be called: other threads held locks.
[[noreturn]] void become(char* const* argv, std::array<int, 3> streams, int failure, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);   // it went before we said so
  // A socket that somebody else still has does not end when its owner closes it, and Asio's are inherited.
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  for (int i = 0; i < 3; ++i) dup2(streams[static_cast<std::size_t>(i)], i);
  execv(argv[0], argv);
  const int error = errno;
  static_cast<void>(!write(failure, &error, sizeof error));
  _exit(127);
}

}  // namespace

// The input has to fit the pipe: it is written before anything is read.
Process::Process(std::vector<std::string> arguments, std::string_view standard_input) {
  const Pipe in;
  const Pipe out;
  const Pipe err;
  const Pipe failure;   // closed by a program that starts; else tells why not
  if (standard_input.empty()) {
    close(in.read);
    dup3(open("/dev/null", O_RDONLY | O_CLOEXEC), in.read, O_CLOEXEC);
  }
  std::vector<char*> argv;
  for (std::string& each : arguments) argv.push_back(each.data());
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) become(argv.data(), {in.read, out.write, err.write}, failure.write, parent);
  const int forked = pid_ < 0 ? errno : 0;
  if (forked == 0 && !standard_input.empty()) {
    static_cast<void>(!::write(in.write, standard_input.data(), standard_input.size()));
  }
  for (const int end : {in.read, in.write, out.write, err.write, failure.write}) close(end);
  pipes_ = {out.read, err.read};
  int error = forked;
  if (forked == 0 && ::read(failure.read, &error, sizeof error) != sizeof error) error = 0;
  close(failure.read);
  if (error == 0) return;
  for (const int end : pipes_) close(end);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  throw std::system_error(error, std::generic_category(), arguments[0]);
}

Process::~Process() {
  for (const int end : pipes_) close(end);
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) { kill(pid_, number); }

bool Process::ended() const {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_;
}

bool Process::read_some() {
  std::array<pollfd, 2> ready{};
  for (std::size_t i = 0; i < 2; ++i) ready[i] = {pipes_[i], POLLIN, 0};   // a closed one is -1: ignored
  if (pipes_[0] < 0 && pipes_[1] < 0) return false;
  if (poll(ready.data(), ready.size(), deadline_seconds * 1000) <= 0) {
    throw std::runtime_error("the process is silent; stdout: " + read_[0] + "\nstderr: " + read_[1]);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    if (ready[i].revents == 0) continue;
    std::array<char, 4096> buffer;
    const ssize_t size = read(pipes_[i], buffer.data(), buffer.size());
    if (size > 0) {
      read_[i].append(buffer.data(), static_cast<std::size_t>(size));
    } else {
      close(std::exchange(pipes_[i], -1));
    }
  }
  return true;
}

std::string Process::line(std::size_t stream, std::string_view text) {
  do {
    const std::string& all = read_[stream];
    const std::size_t at = all.find(text);
    const std::size_t end = at == std::string::npos ? at : all.find('\n', at);
    if (end == std::string::npos) continue;
    const std::size_t before = all.rfind('\n', at);
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    return all.substr(begin, end - begin);
  } while (read_some());
  throw std::runtime_error("the process ended without \"" + std::string(text) + "\"; stdout: " + read_[0] +
                           "\nstderr: " + read_[1]);
}

Finished Process::wait() {
  while (read_some()) {
  }
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), std::move(read_[0]), std::move(read_[1])};
}

}  // namespace ferry::test
