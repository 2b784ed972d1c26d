// The packed kernels behind contraction operators.
#pragma once

#include <memory>

#include "ir/op.h"
#include "runtime/contraction_library.h"
#include "runtime/isa.h"
#include "runtime/tensor_impl.h"

namespace etch::runtime {

/// An operand window: base pointer of its first element, sizes and strides in elements.
struct Operand {
  const void* data = nullptr;
  DType dtype = DType::F32;
  std::span<const int64_t> sizes;
  std::span<const int64_t> strides;
};

/// The weights (operand 1) of a contraction in the layout of its kernels: made once, used for as
/// long as their values stay. Bits do not depend on whether it is used.
class PackedWeight {
 public:
  /// Packs in[1], a window `offset` elements into its buffer, for this thread's instruction set.
  /// Null when the kernels have no layout for these operands, or the memory budget has no room.
  static std::shared_ptr<const PackedWeight> make(const ir::OpDef& op, std::span<const Operand> in,
                                                  const void* attrs, int64_t offset);
  /// Whether make() would give an equal one if the values were the same.
  bool fits(const ir::OpDef& op, const Operand& weight, const void* attrs, int64_t offset) const;
  ~PackedWeight();
  PackedWeight(const PackedWeight&) = delete;
  PackedWeight& operator=(const PackedWeight&) = delete;

  Isa isa() const { return isa_; }
  const void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  PackedWeight() = default;
  const ir::OpDef* op_ = nullptr;
  Isa isa_ = Isa::Generic;
  DType dtype_ = DType::F32;
  int64_t groups_ = 1, offset_ = 0;
  Sizes sizes_, strides_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

/// Runs `op` with its packed kernel into the dense `out`; false when it has none for these
/// operands. Operands are strided windows; kernels that need dense ones say false for others. With
/// `use`, the library goes first (level `fast`). `weight`, when given, fits in[1] and is read in
/// its place by Etch's own kernels.
bool run_contraction(const ir::OpDef& op, std::span<const Operand> in, const void* attrs, void* out,
                     std::span<const int64_t> out_sizes, LibraryUse* use = nullptr,
                     const PackedWeight* weight = nullptr);
bool run_contraction(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
                     std::span<const Tensor> out);

}  // namespace etch::runtime
