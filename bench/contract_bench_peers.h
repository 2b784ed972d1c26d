// The libraries that contractions are measured against, as ready-to-call closures on their own
// memory. Setting up (reorders, primitive creation) happens when a closure is made.
#pragma once

#include <cstdint>
#include <functional>

#include "runtime/contract/contract.h"

namespace etch::bench {

void set_peer_threads(int threads);

/// oneDNN's C-style sgemm on plain row-major operands.
std::function<void()> dnnl_sgemm_run(int64_t m, int64_t n, int64_t k);
/// oneDNN's matmul primitive with weights in the layout it prefers.
std::function<void()> dnnl_matmul_packed_run(int64_t m, int64_t n, int64_t k);
/// OpenBLAS dgemm and sgemv-style products in f64 on row-major operands.
std::function<void()> openblas_dgemm_run(int64_t m, int64_t n, int64_t k);

enum class ConvPass { Forward, BackwardData, BackwardWeights };
/// oneDNN's direct convolution, every operand in the layout it prefers, no reorder timed.
std::function<void()> dnnl_conv_run(const runtime::contract::Conv2dDesc& d, ConvPass pass);

}  // namespace etch::bench
