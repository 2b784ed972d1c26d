#include "runtime/interp/loops.h"

#include "runtime/interp/loops_isa.h"

namespace etch::runtime {

#if defined(__x86_64__)
#define ETCH_ON_ISA(isa, call) \
  switch (isa) {               \
    case Isa::Avx512:          \
      return avx512::call;     \
    case Isa::Avx2:            \
      return avx2::call;       \
    case Isa::Generic:         \
      break;                   \
  }                            \
  return generic::call
#else
#define ETCH_ON_ISA(isa, call) \
  static_cast<void>(isa);      \
  return generic::call
#endif

LoopFn find_loop(ir::Prim op, DType in, DType out, unsigned scalar_mask, Isa isa) {
  ETCH_ON_ISA(isa, find_loop(op, in, out, scalar_mask));
}
LoopFn find_fused(Fused f, unsigned scalar_mask, Isa isa) {
  ETCH_ON_ISA(isa, find_fused(f, scalar_mask));
}
const LaneLoops* lane_loops(LaneOp op, DType t, Isa isa) { ETCH_ON_ISA(isa, lane_loops(op, t)); }
const ArgLoops* arg_loops(LaneOp op, DType t, Isa isa) { ETCH_ON_ISA(isa, arg_loops(op, t)); }
const CopyLoops* copy_loops(size_t itemsize, Isa isa) { ETCH_ON_ISA(isa, copy_loops(itemsize)); }
void philox_words(uint64_t seed, uint64_t ordinal, uint64_t first, int64_t n, uint32_t* out,
                  Isa isa) {
  ETCH_ON_ISA(isa, philox_words(seed, ordinal, first, n, out));
}

}  // namespace etch::runtime
