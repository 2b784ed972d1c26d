// What each of the per-ISA loop files provides. Private to loops*.cpp.
#pragma once

#include "runtime/interp/fused.h"

namespace etch::runtime {

#define ETCH_LOOPS_OF(isa)                                                                      \
  namespace isa {                                                                               \
  LoopFn find_loop(ir::Prim op, DType in, DType out, unsigned scalar_mask);                     \
  LoopFn find_func_loop(ir::Prim op, DType in, unsigned scalar_mask);                           \
  LoopFn find_fused(Fused f, unsigned scalar_mask);                                             \
  const LaneLoops* lane_loops(LaneOp op, DType t);                                              \
  const ArgLoops* arg_loops(LaneOp op, DType t);                                                \
  const CopyLoops* copy_loops(size_t itemsize);                                                 \
  void philox_words(uint64_t seed, uint64_t ordinal, uint64_t first, int64_t n, uint32_t* out); \
  }
ETCH_LOOPS_OF(generic)
ETCH_LOOPS_OF(avx2)
ETCH_LOOPS_OF(avx512)
#undef ETCH_LOOPS_OF

}  // namespace etch::runtime
