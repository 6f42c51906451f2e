#include "owner_lock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "ferry/saga/error.hpp"

namespace ferry::detail {
namespace {

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
