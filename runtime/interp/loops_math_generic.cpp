// Any x86-64-v2 machine, and other processors. Here a math function costs what fma costs in the C
// library; the evaluator, which is there anyway, computes them one by one.
#define ETCH_ISA_NAMESPACE generic
#define ETCH_VECTOR_BYTES 16
#include "ir/math.h"
#include "ir/scalar/eval.h"
#include "runtime/interp/loops_isa.h"
#include "runtime/interp/loops_random.inc"

namespace etch::runtime::generic {

namespace {

template <class T>
[[gnu::noinline]] void evaluate(Prim op, unsigned mask, const LoopArgs& g) {
  const int arity = ir::arity(op);
  for (int64_t i = 0; i < g.n; ++i) {
    uint64_t x[3] = {};
    for (int k = 0; k < arity; ++k) x[k] = ir::to_bits(input<T>(g, k)[mask >> k & 1 ? 0 : i]);
    output<T>(g)[i] = ir::from_bits<T>(ir::eval_prim(op, dtype_of<T>, dtype_of<T>, x));
  }
}
template <class T, Prim kOp, unsigned kMask>
void evaluated(const LoopArgs& g) {
  evaluate<T>(kOp, kMask, g);
}

template <class T>
LoopFn func_loop(Prim op, unsigned mask) {
  switch (op) {
#define ETCH_CASE(Name, fn) \
  case Prim::Name:          \
    return mask == 0 ? &evaluated<T, Prim::Name, 0> : nullptr;
    ETCH_MATH_UNARY(ETCH_CASE)
#undef ETCH_CASE
#define ETCH_CASE(Name)                               \
  case Prim::Name:                                    \
    return mask == 0   ? &evaluated<T, Prim::Name, 0> \
           : mask == 1 ? &evaluated<T, Prim::Name, 1> \
           : mask == 2 ? &evaluated<T, Prim::Name, 2> \
                       : nullptr;
    ETCH_CASE(Pow)
    ETCH_CASE(Atan2)
#undef ETCH_CASE
    default:
      return nullptr;
  }
}

}  // namespace

/// Without vectors there is nothing to gain.
LoopFn find_fused(Fused, unsigned) { return nullptr; }

LoopFn find_func_loop(Prim op, DType t, unsigned mask) {
  if (op == Prim::Philox || op == Prim::Philox64) return random_loop(op, mask);
  return t == DType::F32 ? func_loop<float>(op, mask) : func_loop<double>(op, mask);
}

}  // namespace etch::runtime::generic
