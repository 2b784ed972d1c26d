// Oracles by the letter: graphs node by node on dense tensors, kernels point by point.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "ir/loop/kernel.h"

namespace etch::test {

/// A dense row-major tensor that owns its bytes.
struct Dense {
  DType dtype = DType::F32;
  Sizes sizes;
  std::vector<std::byte> bytes;

  Dense() = default;
  Dense(DType t, Sizes s);
  int64_t numel() const;
  uint64_t at(int64_t i) const;  // the element's bits, zero-extended
  void set(int64_t i, uint64_t bits);
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(bytes.data());
  }
};

/// Same dtype, sizes and bits, all NaNs counting as one value.
bool same_bits(const Dense& a, const Dense& b);
/// The first differing element, for messages.
std::string first_difference(const Dense& a, const Dense& b);

/// The canonical reduction of `values` (bits of type t): absent lanes are skipped.
uint64_t reduce_naive(ir::ReduceKind kind, DType t, std::span<const uint64_t> values);

/// One result per graph result. Elementwise, view, reduction and creation operators.
std::vector<Dense> run_graph_naive(const ir::Graph& g, const std::vector<Dense>& inputs,
                                   std::span<const SymbolBinding> bindings = {});

/// Fills the outputs: buffers are inputs, then outputs.
void run_kernel_naive(const ir::loop::Kernel& k, const ir::loop::BoundKernel& b,
                      void* const* buffers);

}  // namespace etch::test
