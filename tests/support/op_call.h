// The sample calls of op_cases.h on tensors.
#pragma once

#include "ir/graph.h"
#include "runtime/tensor_impl.h"
#include "tests/onnx_export/op_cases.h"

namespace etch::test {

inline Tensor to_tensor(const Dense& d) { return from_bytes(d.bytes.data(), d.sizes, d.dtype); }
Dense to_dense(const Tensor& t);

/// Attributes with symbolic sizes replaced by numbers.
std::shared_ptr<void> concrete(const OpCase& c, const SymbolBindings& bindings = case_bindings());

/// x0, x1, ... -> op -> y0, ...; the last input has the shape [N, M], to tell the symbolic sizes.
ir::Graph graph_of(const OpCase& c);
/// What `graph_of` takes last.
Tensor size_carrier(const SymbolBindings& bindings = case_bindings());

/// Operands of `sizes`, whose elements are those of draw_operands() over and over, or special
/// values: zeros of both signs, infinities, NaN, denormals, and the ends of integers.
std::vector<Dense> draw_sized(const OpCase& c, uint64_t seed, const SymbolBindings& sizes,
                              bool specials);

}  // namespace etch::test
