#include "owner_lock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "ferry/saga/error.hpp"

namespace ferry::detail {
namespace {

constexpr std::int64_t preparing = std::int64_t{1} << 62;   // nobody's number

struct flock byte_of(std::int64_t owner) {
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = owner;
  range.l_len = 1;
  return range;
}

}  // namespace

OwnerLock::OwnerLock(std::string file) : file_(std::move(file)) {
  descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail("cannot be opened");
}

OwnerLock::~OwnerLock() { ::close(descriptor_); }

void OwnerLock::take(std::int64_t owner) {
  struct flock range = byte_of(owner);
  if (::fcntl(descriptor_, F_OFD_SETLK, &range) != 0) fail("cannot be locked");
}

void OwnerLock::prepare_alone(std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  struct flock range = byte_of(preparing);
  while (::fcntl(descriptor_, F_OFD_SETLK, &range) != 0) {
    if (errno != EAGAIN && errno != EACCES) fail("cannot be locked");
    if (std::chrono::steady_clock::now() >= end) {
      throw SagaStoreError(saga_errc::store_locked, "another process has been making the log of sagas beside " + file_ +
                                                        " ready for longer than lock_timeout: see which, and what it does there");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));   // such a lock has no wait with a limit
  }
}

void OwnerLock::prepared() {
  struct flock range = byte_of(preparing);
  range.l_type = F_UNLCK;
  if (::fcntl(descriptor_, F_OFD_SETLK, &range) != 0) fail("cannot be unlocked");
}

bool OwnerLock::lives(std::int64_t owner) const {
  struct flock range = byte_of(owner);
  if (::fcntl(descriptor_, F_OFD_GETLK, &range) != 0) fail("cannot be asked for locks");
  return range.l_type != F_UNLCK;
}

void OwnerLock::fail(const char* what) const {
  const int number = errno;
  const bool forbidden = number == EACCES || number == EPERM || number == EROFS || number == ENOENT;
  throw SagaStoreError(forbidden ? saga_errc::store_not_writable : saga_errc::store_failed,
                       "the file " + file_ + ", which says who runs the sagas of the log beside it, " + what + ": " +
                           std::generic_category().message(number) +
                           "; it has to be writable, on a file system with locks, and never deleted while the log is used");
}

}  // namespace ferry::detail
