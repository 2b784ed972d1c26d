// The loop IR: what a fusion group computes, without saying how. The block interpreter and every
// code generator consume it.
//
// A kernel walks a space of `outer` axes (independent) times `inner` axes (reduced over; none for a
// pointwise kernel). Its scalar expressions live in one ExprGraph. Besides primitives and functions
// the graph holds:
//   Load   bits = index into `loads`: the operand's element at the current (outer, inner) point
//   Index  bits = axis number: the current index on that axis as i64 (outer axes first, then inner)
//   Param  bits = index into `params`: a run-time scalar known before the kernel starts
//   Reduce bits = index into `reductions`, in[0] = operand: reduced over all inner axes, one value
//          per outer point
// An expression has level Outer when it depends on no inner axis (loads with inner strides all 0,
// reduces, params, indices of outer axes); otherwise level Inner.
//
// Meaning: for each outer point, reductions are evaluated in dependency order, each over the inner
// points numbered row-major, in the canonical order of reductions (chunks of 4096; in a chunk
// element i goes to lane i mod 64; lanes fold pairwise 32, 16, ..., 1; chunk results fold in a
// balanced tree by index, an odd one carried). An inner-level expression may be evaluated any
// number of times: it is pure. Outputs overlap nothing, except that a kernel's only output may lie
// exactly on an input that is read at the same addresses. A kernel has at most 2 * kMaxRank axes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ir/op.h"
#include "ir/scalar/expr.h"

namespace etch::ir::loop {

inline constexpr int64_t kReduceChunk = 4096;
inline constexpr int64_t kReduceLanes = 64;

/// How a buffer is addressed: element offset = offset + sum over axes of stride * index.
struct Access {
  int buffer = 0;  // inputs first, then outputs
  Shape strides;   // outer axes, then inner axes; in elements
  Dim offset;
};

struct Buffer {
  DType dtype = DType::F32;
};

struct Store {
  Access access;       // buffer is an output; inner strides all 0 for an outer-level store
  uint32_t value;      // ExprGraph id
  bool inner = false;  // one element per inner point, or one per outer point
};

struct Reduction {
  ReduceKind kind = ReduceKind::Sum;
};

/// One fusion group, lowered. Sizes, strides and offsets may be symbolic; see BoundKernel.
struct Kernel {
  std::string name;  // from the operators it computes: "k_mul_add_sigmoid"
  Shape outer;
  Shape inner;
  ExprGraph exprs;
  std::vector<Buffer> inputs;
  std::vector<Buffer> outputs;
  std::vector<Access> loads;
  std::vector<Store> stores;
  std::vector<Reduction> reductions;
  std::vector<Dim> params;  // i64 values; expressions cast them

  int axes() const { return static_cast<int>(outer.size() + inner.size()); }
  int buffers() const { return static_cast<int>(inputs.size() + outputs.size()); }
};

/// Per expression: whether its level is Inner.
std::vector<bool> inner_nodes(const Kernel& k);

/// The canonical text of everything that decides a kernel's code and results, except the values of
/// sizes and strides that are run-time arguments. Two kernels with equal keys compute the same
/// function of (sizes, strides, params, buffers). Strides appear as classes: 0, 1 or other, per
/// axis.
std::string kernel_key(const Kernel& k);

/// Numbers for one call: what the interpreter and native code read.
struct KernelArgs {
  void* const* buffers;    // base pointers, inputs then outputs
  const int64_t* sizes;    // outer axes, then inner axes
  const int64_t* strides;  // [access][axis], accesses = loads then stores; in elements
  const int64_t* offsets;  // [access], in elements
  const int64_t* params;
  int64_t begin, end;  // flattened outer points to compute
  void* scratch;       // per thread, see scratch_bytes of the engine
};
/// Native entry point.
using KernelFn = void (*)(const KernelArgs*);

/// A kernel's dims under one set of bindings. Buffers are reused between calls.
struct BoundKernel {
  SmallVec<int64_t, 8> sizes;
  SmallVec<int64_t, 64> strides;
  SmallVec<int64_t, 16> offsets;
  SmallVec<int64_t, 4> params;
  int64_t outer_points = 0;
  int64_t inner_points = 1;
};
void bind(const Kernel& k, std::span<const SymbolBinding> bindings, BoundKernel& out);

}  // namespace etch::ir::loop
