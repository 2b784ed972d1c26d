// The graphs of kernel_bench and their hand-written kernels. No std types with code in this header:
// the kernels are compiled for AVX-512.
#pragma once

#include <cstdint>

namespace etch::bench {

/// On x, y, m [rows, cols] and w, b [cols], all f32.
enum class Graph {
  Gelu,        // gelu(x w + b), by erf
  Swiglu,      // silu(x) y
  Mask,        // relu(x + b) m / 0.9
  Pointwise8,  // tanh(sigmoid(x) y + exp(-x x)) w
  Adam,        // one update of p, first, second by the gradient x, without bias correction
  LayerNorm,   // over rows, weight w, bias b
  Softmax,     // over rows
};

struct Operands {
  int64_t rows = 0, cols = 0;  // hand kernels take cols = 64 k up to 4096
  const float *x = nullptr, *y = nullptr, *m = nullptr, *w = nullptr, *b = nullptr;
  float *p = nullptr, *first = nullptr, *second = nullptr;  // Adam changes these
  int64_t numel() const { return rows * cols; }
};

/// One pass of AVX-512 with the functions of ir/math.h and the canonical order of reductions: the
/// same bits as Etch's. `stream` writes around the caches, `out` is aligned to 64 bytes. Adam works
/// in place, its `out` is unused.
void hand_kernel(Graph graph, const Operands& o, float* out, bool stream);

}  // namespace etch::bench
