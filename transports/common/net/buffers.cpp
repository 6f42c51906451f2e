#include "transports/common/net/buffers.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>


namespace ferry::net {
namespace {

constexpr std::size_t largest_usual_chunk = 64 * 1024;
constexpr std::size_t largest_kept_chunk = 256 * 1024;   // a larger one goes when it is empty
constexpr std::size_t taken_over = 16 * 1024;            // payloads from here on are not copied
constexpr std::size_t few_bytes = 512;                   // quicker appended one by one
constexpr std::size_t crowded = 1024 * 1024;             // from here on memory counts for more than a copy
constexpr std::size_t full_segment = 32 * 1024;
constexpr std::size_t copied_when_spliced = 4 * 1024;
constexpr std::size_t largest_spare = 64 * 1024;
constexpr std::size_t most_spares = 2;

}  // namespace

// --- ChunkPtr -------------------------------------------------------------------------------------------------------

ChunkPtr ChunkPtr::make(std::size_t capacity) {
  void* memory = std::malloc(sizeof(Chunk) + capacity);
  if (memory == nullptr) throw std::bad_alloc();
  ChunkPtr result;
  result.chunk_ = new (memory) Chunk{{1}, capacity};
  return result;
}

ChunkPtr ChunkPtr::copy_of(std::string_view bytes) {
  ChunkPtr result = make(bytes.size());
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

void ChunkPtr::grow(std::size_t capacity) {
  // Chunk is trivially copyable in all but name (an atomic nobody else sees now), and realloc moves large blocks by
  // their page tables.
  void* memory = std::realloc(static_cast<void*>(chunk_), sizeof(Chunk) + capacity);
  if (memory == nullptr) throw std::bad_alloc();
  chunk_ = new (memory) Chunk{{1}, capacity};
}

void ChunkPtr::release(Chunk* chunk) noexcept { std::free(chunk); }

// --- InBuffer -------------------------------------------------------------------------------------------------------

std::span<char> InBuffer::prepare(std::size_t expected) {
  const std::size_t unread = end_ - begin_;
  if (unread == 0 && chunk_) {
    if (chunk_.capacity() > largest_kept_chunk && expected < chunk_.capacity()) clear();
    else if (chunk_.unique()) begin_ = end_ = 0;
  }
  // A peer that announces much has not sent it: double what is there, up to what is expected.
  const std::size_t missing = expected - std::min(expected, unread);
  const std::size_t room = std::max(usual_ / 4, std::min(missing, std::max(unread, usual_)));
  if (!chunk_ || chunk_.capacity() - end_ < room) make_room(unread + room);
  return {chunk_.data() + end_, chunk_.capacity() - end_};
}

void InBuffer::make_room(std::size_t wanted) {
  const std::size_t unread = end_ - begin_;
  const bool unique = chunk_ && chunk_.unique();
  if (unique) {
    std::memmove(chunk_.data(), chunk_.data() + begin_, unread);
    if (chunk_.capacity() < wanted) chunk_.grow(std::max(wanted, usual_));
  } else {
    ChunkPtr fresh = ChunkPtr::make(std::max(wanted, usual_));
    if (unread != 0) std::memcpy(fresh.data(), chunk_.data() + begin_, unread);
    chunk_ = std::move(fresh);
  }
  begin_ = 0;
  end_ = unread;
}

void InBuffer::commit(std::size_t bytes) noexcept {
  end_ += bytes;
  if (end_ == chunk_.capacity()) usual_ = std::min(usual_ * 4, largest_usual_chunk);
}

void InBuffer::clear() noexcept {
  chunk_ = ChunkPtr();
  begin_ = end_ = 0;
}

// --- OutQueue -------------------------------------------------------------------------------------------------------

void OutQueue::append(std::string_view prefix, std::string_view head, std::string& payload, std::string_view tail) {
  bytes_ += prefix.size() + head.size() + payload.size() + tail.size();
  if (payload.size() >= taken_over) {
    this->tail().append(prefix).append(head);
    take(std::move(payload));
    payload.clear();
    this->tail().append(tail);
    return;
  }
  std::string& out = this->tail();
  const std::size_t at = out.size();
  const std::size_t all = prefix.size() + head.size() + payload.size() + tail.size();
  if (all <= few_bytes) {
    out.append(prefix).append(head).append(payload).append(tail);
    return;
  }
  out.resize(at + all);   // once for all of it
  char* p = out.data() + at;
  for (const std::string_view part : {prefix, head, std::string_view(payload), tail}) p = std::copy(part.begin(), part.end(), p);
}

void OutQueue::append(std::string_view bytes) {
  bytes_ += bytes.size();
  tail().append(bytes);
}

void OutQueue::splice(OutQueue& other) {
  for (std::size_t i = other.first_; i < other.segments_.size(); ++i) {
    std::string& segment = other.segments_[i];
    if (segment.size() <= copied_when_spliced) {
      tail().append(segment);
      other.recycle(segment);
    } else {
      take(std::move(segment));
    }
  }
  bytes_ += other.bytes_;   // nothing is sent from a queue that is spliced: its first segment is whole
  other.sent_ += other.bytes_;
  other.bytes_ = 0;
  other.segments_.clear();
  other.first_ = 0;
  other.tail_open_ = false;
}

std::size_t OutQueue::gather(std::span<iovec> out) const noexcept {
  std::size_t count = 0;
  std::size_t skip = offset_;
  for (std::size_t i = first_; i < segments_.size() && count < out.size(); ++i, skip = 0) {
    const std::string& segment = segments_[i];
    if (segment.size() == skip) continue;
    out[count++] = {const_cast<char*>(segment.data()) + skip, segment.size() - skip};
  }
  return count;
}

void OutQueue::consume(std::size_t bytes) {
  bytes_ -= bytes;
  sent_ += bytes;
  offset_ += bytes;
  while (first_ < segments_.size() && offset_ >= segments_[first_].size()) {
    offset_ -= segments_[first_].size();
    recycle(segments_[first_++]);
  }
  if (first_ == segments_.size()) {
    segments_.clear();
    first_ = 0;
    tail_open_ = false;
  } else if (first_ >= 64) {
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void OutQueue::clear() {
  bytes_ = 0;
  segments_ = {};
  spare_ = {};
  first_ = offset_ = 0;
  tail_open_ = false;
}

std::string& OutQueue::tail() {
  if (tail_open_ && segments_.back().size() < full_segment) return segments_.back();
  if (spare_.empty()) {
    segments_.emplace_back();
  } else {
    segments_.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
  tail_open_ = true;
  return segments_.back();
}

void OutQueue::take(std::string&& segment) {
  // Text that grew as it was written keeps up to twice its size, which nobody counts.
  if (bytes_ > crowded && segment.capacity() > segment.size() + segment.size() / 4) segment.shrink_to_fit();
  segments_.push_back(std::move(segment));
  tail_open_ = false;
}

void OutQueue::recycle(std::string& segment) {
  if (spare_.size() >= most_spares || segment.capacity() > largest_spare) {
    segment = std::string();   // large ones must not wait for the queue to run empty
    return;
  }
  segment.clear();
  spare_.push_back(std::move(segment));
}

}  // namespace ferry::net
