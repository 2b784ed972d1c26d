#include "runtime/allocator.h"

#include <atomic>
#include <bit>
#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "ir/support/error.h"

namespace etch::runtime {
namespace {

constexpr size_t kSmallest = 64;
constexpr int kClasses = 4 * 40;                     // four per power of two
constexpr size_t kCachePerClass = size_t{64} << 20;  // bytes kept per class and thread

constexpr size_t kPage = 4096, kHugePage = size_t{2} << 20;

/// Memory of the system. Large blocks ask for huge pages: a fault and a TLB entry per 2 MiB.
/// Others start on a page of their own: a store a little above a later load, counted modulo 4096,
/// holds that load up, and blocks from one heap lie just so.
void* system_block(size_t size) {
  if (size < 2 * kPage) return std::aligned_alloc(kSmallest, size);
  if (size < 2 * kHugePage) return std::aligned_alloc(kPage, (size + kPage - 1) / kPage * kPage);
  void* block = std::aligned_alloc(kHugePage, (size + kHugePage - 1) / kHugePage * kHugePage);
#if defined(MADV_HUGEPAGE)
  if (block != nullptr) madvise(block, size, MADV_HUGEPAGE);
#endif
  return block;
}

std::atomic<size_t> live_bytes{0}, cached_bytes{0}, peak_bytes{0};
std::atomic<size_t> budget{~size_t{0}};

/// Size classes are 64 * {1, 1.25, 1.5, 1.75} * 2^k: at most a quarter is lost.
int class_of(size_t bytes) {
  size_t units = (bytes + kSmallest - 1) / kSmallest;
  if (units <= 4) return static_cast<int>(units == 0 ? 0 : units - 1);
  int log = std::bit_width(units - 1) - 1;
  size_t quarter = (units - 1) >> (log - 2);  // 4..7
  return 4 * (log - 1) + static_cast<int>(quarter) - 4;
}
size_t class_bytes(int c) {
  if (c < 4) return kSmallest * static_cast<size_t>(c + 1);
  int log = c / 4 + 1;
  return kSmallest * ((size_t{4} + static_cast<size_t>(c % 4) + 1) << (log - 2));
}

struct FreeBlock {
  FreeBlock* next;
};

struct Cache {
  FreeBlock* lists[kClasses] = {};
  size_t held[kClasses] = {};
  ~Cache() { clear(); }
  void clear() {
    for (int c = 0; c < kClasses; ++c) {
      while (FreeBlock* b = lists[c]) {
        lists[c] = b->next;
        cached_bytes.fetch_sub(class_bytes(c), std::memory_order_relaxed);
        std::free(b);
      }
      held[c] = 0;
    }
  }
};

// Tensors may be destroyed after their thread's cache: then blocks go straight to the system.
thread_local bool cache_alive = false;
struct CacheHolder {
  Cache cache;
  CacheHolder() { cache_alive = true; }
  ~CacheHolder() { cache_alive = false; }
};
Cache& cache() {
  thread_local CacheHolder holder;
  return holder.cache;
}

void add_live(size_t size) {
  size_t now = live_bytes.fetch_add(size, std::memory_order_relaxed) + size;
  size_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

}  // namespace

void* allocate(size_t bytes) {
  if (bytes > (size_t{1} << 46)) {
    fail("memory", cat("a block of ", bytes, " bytes is beyond any machine"), "Check the sizes");
  }
  int c = class_of(bytes);
  size_t size = class_bytes(c);
  Cache& own = cache();
  if (cache_alive) {
    if (FreeBlock* b = own.lists[c]) {
      own.lists[c] = b->next;
      own.held[c] -= size;
      cached_bytes.fetch_sub(size, std::memory_order_relaxed);
      add_live(size);
      return b;
    }
  }
  size_t limit = budget.load(std::memory_order_relaxed);
  size_t total = live_bytes.load(std::memory_order_relaxed) + size;
  void* block = total > limit ? nullptr : system_block(size);
  if (block == nullptr) {
    std::string why = total > limit ? cat(" and the budget is ", limit, ". Raise it, or use")
                                    : std::string(". Use");
    throw UserError(cat("[memory] cannot allocate ", bytes, " bytes: ", live_bytes.load(),
                        " are in use", why, " smaller sizes"),
                    ErrorKind::Unavailable);
  }
  add_live(size);
  return block;
}

void deallocate(void* block, size_t bytes) {
  int c = class_of(bytes);
  size_t size = class_bytes(c);
  live_bytes.fetch_sub(size, std::memory_order_relaxed);
  if (!cache_alive) {
    std::free(block);
    return;
  }
  Cache& own = cache();
  if (own.held[c] + size > kCachePerClass && own.held[c] != 0) {
    std::free(block);
    return;
  }
  auto* b = static_cast<FreeBlock*>(block);
  b->next = own.lists[c];
  own.lists[c] = b;
  own.held[c] += size;
  cached_bytes.fetch_add(size, std::memory_order_relaxed);
}

void set_memory_budget(size_t bytes) { budget.store(bytes); }
MemoryStats memory_stats() { return {live_bytes.load(), cached_bytes.load(), peak_bytes.load()}; }
void release_cached_memory() { cache().clear(); }

}  // namespace etch::runtime
