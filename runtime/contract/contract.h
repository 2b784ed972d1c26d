// Matrix products and 2-d convolutions in the canonical order: the same bits at every instruction
// set, thread count, memory layout and batch split. reference.h states the order as naive loops.
//
// Callers check shapes, dtypes and sizes (the product of sizes fits int64, nothing is negative);
// these functions only refuse dtypes that they do not know. Outputs never overlap inputs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ir/contraction.h"
#include "ir/dtype.h"
#include "runtime/contract/scratch.h"
#include "runtime/isa.h"

namespace etch::runtime::contract {

/// Element types with kernels: f32, f64 and all integers (wrapping).
inline constexpr DTypeSet kContractTypes = kNumeric;

using ir::contract::Conv2dDesc;
using ir::contract::MatmulDesc;

/// Bytes that matmul() takes from its Scratch with the present thread count and tier.
size_t matmul_scratch_bytes(const MatmulDesc& d);
void matmul(const MatmulDesc& d, Scratch& scratch);

/// A k x n right-hand side in the layout that the kernels of one tier read directly. Reusable for
/// any m and batch for as long as the values of B stay the same; not portable between tiers.
struct PackedB {
  DType dtype = DType::F32;
  Isa isa = Isa::Generic;
  int64_t k = 0, n = 0;
  const void* data = nullptr;  // packed_b_bytes() bytes, 64-byte aligned
};

size_t packed_b_bytes(DType dtype, int64_t k, int64_t n, Isa isa);
/// Packs B(p, j) = b[p * b_row + j * b_col] into `out` (64-byte aligned) for `isa`.
PackedB pack_b(DType dtype, int64_t k, int64_t n, const void* b, int64_t b_row, int64_t b_col,
               Isa isa, void* out);

size_t matmul_packed_scratch_bytes(const MatmulDesc& d, const PackedB& b);
/// As matmul() with B given packed: d.b and its strides are not read, and all batches share B.
void matmul_packed(const MatmulDesc& d, const PackedB& b, Scratch& scratch);

/// y = conv(x, weight). A padded tap counts as fma(w, +0, acc).
void conv2d_forward(const Conv2dDesc& d, const void* x, const void* weight, void* y,
                    Scratch& scratch);
/// dx[n, c, h, w] from dy[n, oc, out_h, out_w]: the gradient of conv2d_forward in x.
void conv2d_backward_data(const Conv2dDesc& d, const void* dy, const void* weight, void* dx,
                          Scratch& scratch);
/// dweight[oc, c / groups, kh, kw]: summed over the whole batch, so the bits of a gradient do
/// depend on how a batch is split.
void conv2d_backward_weights(const Conv2dDesc& d, const void* x, const void* dy, void* dweight,
                             Scratch& scratch);

/// Weights packed once per version for conv2d_forward_packed(); independent of n, h, w, strides,
/// padding and dilation.
struct PackedConvWeight {
  DType dtype = DType::F32;
  Isa isa = Isa::Generic;
  const void* data = nullptr;  // packed_conv_weight_bytes() bytes, 64-byte aligned
};

size_t packed_conv_weight_bytes(const Conv2dDesc& d, Isa isa);
PackedConvWeight pack_conv_weight(const Conv2dDesc& d, const void* weight, Isa isa, void* out);
void conv2d_forward_packed(const Conv2dDesc& d, const void* x, const PackedConvWeight& weight,
                           void* y, Scratch& scratch);

}  // namespace etch::runtime::contract
