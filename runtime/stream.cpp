#include "runtime/stream.h"

#include <algorithm>
#include <cstring>

#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "runtime/isa.h"

namespace etch::runtime {

bool beyond_cache(int64_t bytes) {
  static const int64_t limit = [] {
    long last_level = sysconf(_SC_LEVEL3_CACHE_SIZE);
    // Virtual machines report the whole socket's, or nothing.
    return std::clamp<int64_t>(last_level / 2, int64_t{8} << 20, int64_t{16} << 20);
  }();
  return bytes > limit;
}

bool worth_streaming(int64_t result_bytes, int large_operands, double cost) {
  return large_operands >= 2 && cost <= 2.0 * (large_operands + 1) && beyond_cache(result_bytes);
}

#if defined(__x86_64__)
namespace {

constexpr size_t kLine = 64;

// Halves of a line are the widest stores that all processors combine well.
__attribute__((target("avx"))) void stream_lines(std::byte* to, const std::byte* from, size_t n) {
  for (size_t i = 0; i < n; i += sizeof(__m256i)) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
  }
}

}  // namespace

void stream_copy(void* to, const void* from, size_t bytes) {
  if (active_isa() == Isa::Generic) {
    std::memcpy(to, from, bytes);
    return;
  }
  auto* o = static_cast<std::byte*>(to);
  auto* x = static_cast<const std::byte*>(from);
  const size_t head = std::min(bytes, (kLine - reinterpret_cast<uintptr_t>(o) % kLine) % kLine);
  const size_t lines = (bytes - head) / kLine * kLine;
  std::memcpy(o, x, head);
  stream_lines(o + head, x + head, lines);
  std::memcpy(o + head + lines, x + head + lines, bytes - head - lines);
}

void stream_fence() { _mm_sfence(); }
#else
void stream_copy(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
void stream_fence() {}
#endif

}  // namespace etch::runtime
