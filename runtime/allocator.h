// The caching allocator: 64-byte aligned blocks from per-thread free lists.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etch::runtime {

/// At least `bytes` bytes, 64-byte aligned, with unspecified contents. Raises UserError when the
/// process's budget (set_memory_budget) would be passed or the system has no memory.
void* allocate(size_t bytes);
/// Gives a block back; `bytes` as asked for. Any thread.
void deallocate(void* block, size_t bytes);

/// Bytes that live blocks and caches may take together; the default is unlimited.
void set_memory_budget(size_t bytes);
struct MemoryStats {
  size_t live = 0;    // in blocks that are in use
  size_t cached = 0;  // in free lists
  size_t peak = 0;    // highest live
};
MemoryStats memory_stats();
/// Returns this thread's cached blocks to the system.
void release_cached_memory();

}  // namespace etch::runtime
