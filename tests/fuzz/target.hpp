#pragma once
// What every fuzz target includes: its entry, and the check that ends it.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace ferry::fuzz {

/// What a target defines: one input, and what has to hold for it.
void run(std::string_view input);

[[noreturn]] inline void broken(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  std::abort();
}

/// True if all of `part` is in `whole`: views may not point anywhere else. An empty view may.
inline bool lies_in(std::string_view part, std::string_view whole) noexcept {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

/// A number that depends on nothing but the input (FNV-1a), for choices that must come out the same each time.
inline std::uint64_t hash_of(std::string_view input) noexcept {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : input) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

}  // namespace ferry::fuzz

#define FUZZ_CHECK(condition) ((condition) ? static_cast<void>(0) : ferry::fuzz::broken(#condition, __FILE__, __LINE__))

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ferry::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
