#pragma once
// Memory of one connection: what was received (shared with the messages found in it) and what waits to be sent.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct iovec;

namespace ferry::net {

/// A counted block of bytes, never zero-filled. Any thread may hold and drop one; only the connection writes to it, and
/// only where nobody else looks.
class ChunkPtr {
 public:
  ChunkPtr() = default;
  static ChunkPtr make(std::size_t capacity);
  static ChunkPtr copy_of(std::string_view bytes);
  ChunkPtr(const ChunkPtr& other) noexcept : chunk_(other.chunk_) {
    if (chunk_ != nullptr) chunk_->references.fetch_add(1, std::memory_order_relaxed);
  }
  ChunkPtr(ChunkPtr&& other) noexcept : chunk_(std::exchange(other.chunk_, nullptr)) {}
  ChunkPtr& operator=(ChunkPtr other) noexcept {
    std::swap(chunk_, other.chunk_);
    return *this;
  }
  ~ChunkPtr() {
    if (chunk_ != nullptr && chunk_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) release(chunk_);
  }

  explicit operator bool() const noexcept { return chunk_ != nullptr; }
  char* data() const noexcept { return reinterpret_cast<char*>(chunk_ + 1); }
  std::size_t capacity() const noexcept { return chunk_->capacity; }
  bool unique() const noexcept { return chunk_->references.load(std::memory_order_acquire) == 1; }
  /// Only while unique. Keeps the contents.
  void grow(std::size_t capacity);

 private:
  struct Chunk {
    std::atomic<std::uint32_t> references;
    std::size_t capacity;
  };
  static void release(Chunk* chunk) noexcept;

  Chunk* chunk_ = nullptr;
};

/// Received bytes that are not consumed yet, and room for more. Bytes that were consumed stay where they are as long
/// as somebody else holds their chunk.
class InBuffer {
 public:
  std::string_view unread() const noexcept {
    return chunk_ ? std::string_view(chunk_.data() + begin_, end_ - begin_) : std::string_view();
  }
  void consume(std::size_t bytes) noexcept { begin_ += bytes; }
  /// The memory that unread bytes keep, with the room for those to come.
  std::size_t held() const noexcept { return begin_ == end_ ? 0 : chunk_.capacity(); }
  const ChunkPtr& chunk() const noexcept { return chunk_; }
  /// Where the next read may put bytes. `expected`: how many unread bytes there will be at least (it is not believed
  /// at once: the room grows with what has come). Views into unread bytes are void.
  std::span<char> prepare(std::size_t expected);
  void commit(std::size_t bytes) noexcept;
  void clear() noexcept;

 private:
  void make_room(std::size_t wanted);

  ChunkPtr chunk_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t usual_ = 4096;   // size of a new chunk; grows while reads fill it
};

/// Bytes that wait to be sent, in segments: small messages share one, a large payload is taken over as its own.
class OutQueue {
 public:
  /// One message: what the protocol puts before it, and the parts of its envelope. The contents of a large payload are
  /// moved out of it.
  void append(std::string_view prefix, std::string_view head, std::string& payload, std::string_view tail);
  void append(std::string_view bytes);
  /// Everything of `other` goes to the end; it is empty then.
  void splice(OutQueue& other);

  bool empty() const noexcept { return bytes_ == 0; }
  std::size_t bytes() const noexcept { return bytes_; }
  std::uint64_t sent() const noexcept { return sent_; }            ///< since the start
  std::uint64_t appended() const noexcept { return sent_ + bytes_; }   ///< since the start

  /// Fills `out` from the front; returns how many it filled.
  std::size_t gather(std::span<iovec> out) const noexcept;
  void consume(std::size_t bytes);
  void clear();

 private:
  std::string& tail();
  void take(std::string&& segment);
  void recycle(std::string& segment);

  std::vector<std::string> segments_;
  std::vector<std::string> spare_;
  std::size_t first_ = 0;       // segments before it are sent
  std::size_t offset_ = 0;      // of the first one, bytes sent
  bool tail_open_ = false;      // the last one takes small messages
  std::size_t bytes_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace ferry::net
