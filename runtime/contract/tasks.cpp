#include "runtime/contract/tasks.h"

#include <atomic>

namespace etch::runtime::contract {

void run_tasks(int64_t slots, int64_t items, FunctionRef<void(int64_t, int64_t)> f) {
  if (slots <= 1 || items <= 1) {
    for (int64_t i = 0; i < items; ++i) f(0, i);
    return;
  }
  std::atomic<int64_t> next{0};
  parallel_for(std::min(slots, items), 1, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot) {
      int64_t item;
      while ((item = next.fetch_add(1, std::memory_order_relaxed)) < items) f(slot, item);
    }
  });
}

}  // namespace etch::runtime::contract
