// What the parts of kernel_bench share.
#pragma once

#include <string>
#include <vector>

#include "bench/kernel_bench_hand.h"
#include "bench/measure.h"
#include "etch/tensor.h"

namespace etch::bench {

void measure_small_ops(Session& session);
void measure_eager_kernels(Session& session);
void measure_graphs(Session& session);

/// A size by the memory that its operands live in.
struct Level {
  const char* name;
  int64_t numel;
};
inline constexpr Level kLevels[] = {{"L2", 1 << 15}, {"L3", 1 << 20}, {"memory", 1 << 24}};

/// Tensors x, y, m [rows, cols] and w, b [cols] with values in the usual range of all functions,
/// and the same memory as Operands.
struct Data {
  Tensor x, y, m, w, b;
  Data(int64_t rows, int64_t cols);
  Operands operands() const;
};

/// InternalError unless the two agree to `tolerance` times the peer's largest magnitude (0: in
/// every bit): a fast wrong answer is no measurement.
void require_same(const std::string& what, const std::vector<float>& own,
                  const std::vector<float>& peer, double tolerance);

/// libtorch, behind closures that own their tensors; without gradients under InferenceMode.
namespace torch_peer {

std::string version();

struct Computation {
  Run run;
  /// The result of the latest run; Adam: the parameters.
  std::function<std::vector<float>()> result;
};
Computation graph(Graph graph, const Operands& o);

/// One operator on x, y [rows, cols], run once a call.
enum class Op { Add, Mul, Exp, Gelu, SumRows, Softmax, LayerNorm };
Computation op(Op op, const Operands& o);

/// `count` small operators a call on n elements (Matmul: n x n). AddChain: each takes the result of
/// the one before; with gradients it also runs backward.
enum class Small { Add, Mul, Tanh, AddInPlace, Matmul, Reshape, Slice, AddChain };
Run small(Small op, int64_t n, int count, bool gradient);

}  // namespace torch_peer

}  // namespace etch::bench
