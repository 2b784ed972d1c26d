// Shared by the blocked contractions: the kernel table of a tier, and work handed to threads with
// one private buffer each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "ir/contraction.h"
#include "ir/support/function_ref.h"
#include "runtime/contract/kernels.h"
#include "runtime/isa.h"
#include "runtime/threads.h"

namespace etch::runtime::contract {

static_assert(kDepth == ir::contract::kChunk, "kernels work chunk by chunk");

template <class T>
const Kernels<T>& kernels(Isa isa) {
  if constexpr (std::is_same_v<T, float>) {
    static constexpr const Kernels<float>* kAll[] = {&generic::kF32, &avx2::kF32, &avx512::kF32};
    return *kAll[static_cast<int>(isa)];
  } else {
    static constexpr const Kernels<double>* kAll[] = {&generic::kF64, &avx2::kF64, &avx512::kF64};
    return *kAll[static_cast<int>(isa)];
  }
}

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

/// Multiply-adds below which waking another thread costs more than it brings.
inline constexpr int64_t kParallelWork = int64_t{1} << 17;

/// Threads worth using for `work` multiply-adds; each gets its own buffer.
inline int64_t task_slots(int64_t work) {
  return work < kParallelWork || in_parallel_region() ? 1 : num_threads();
}

/// Calls f(slot, item) for every item, at most `slots` at a time; no slot is in use twice at once.
void run_tasks(int64_t slots, int64_t items, FunctionRef<void(int64_t slot, int64_t item)> f);

/// Elements to bytes, rounded so that the next buffer stays aligned.
template <class T>
constexpr int64_t buffer_elems(int64_t elems) {
  return round_up(elems, int64_t{64} / static_cast<int64_t>(sizeof(T)));
}

}  // namespace etch::runtime::contract
