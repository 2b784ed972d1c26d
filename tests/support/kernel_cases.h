// Small fused programs of every kernel class, over given sizes.
#pragma once

#include "tests/support/naive.h"

namespace etch::test {

struct KernelCase {
  std::string name;
  ir::Graph graph;
  SymbolBindings bindings;
};

/// All cases on [n, d]-shaped data; with `symbolic`, n is the symbol N.
std::vector<KernelCase> kernel_cases(int64_t n, int64_t d, bool symbolic);

/// Random elements with signed zeros, repeats and (floats, when asked) NaNs and infinities.
Dense random_dense(DType t, Sizes sizes, uint64_t seed, bool specials = false);
/// Inputs for a graph.
std::vector<Dense> random_inputs(const KernelCase& c, uint64_t seed, bool specials = false);

}  // namespace etch::test
