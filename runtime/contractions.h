// The packed kernels behind contraction operators.
#pragma once

#include "ir/op.h"
#include "runtime/contraction_library.h"
#include "runtime/tensor_impl.h"

namespace etch::runtime {

/// An operand window: base pointer of its first element, sizes and strides in elements.
struct Operand {
  const void* data = nullptr;
  DType dtype = DType::F32;
  std::span<const int64_t> sizes;
  std::span<const int64_t> strides;
};

/// Runs `op` with its packed kernel into the dense `out`; false when it has none for these
/// operands. Operands are strided windows; kernels that need dense ones say false for others. With
/// `use`, the library goes first (level `fast`).
bool run_contraction(const ir::OpDef& op, std::span<const Operand> in, const void* attrs, void* out,
                     std::span<const int64_t> out_sizes, LibraryUse* use = nullptr);
bool run_contraction(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
                     std::span<const Tensor> out);

}  // namespace etch::runtime
