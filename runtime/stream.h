// Stores that bypass the caches: for results so large that nobody finds them there again.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etch::runtime {

/// More than half of the last level of cache.
bool beyond_cache(int64_t bytes);
/// Whether results are better stored past the caches: large, and bound by memory with at least two
/// large operands (below that, full cache lines are written without being read first). `cost` is in
/// vector operations per element.
bool worth_streaming(int64_t result_bytes, int large_operands, double cost);
/// memcpy past the caches, fastest at addresses that are multiples of 64. Before another thread
/// reads, call stream_fence() on the thread that copied.
void stream_copy(void* to, const void* from, size_t bytes);
void stream_fence();

}  // namespace etch::runtime
