// The block interpreter: runs a loop-IR kernel with the vector loops of loops.h, some 512 elements
// at a time, so that every intermediate value stays in L1. Same bits as any other engine, for any
// split of the work.
#pragma once

#include <memory>

#include "ir/loop/kernel.h"

namespace etch::runtime {

/// A kernel made ready. Immutable for its users; any number of threads may run one at the same
/// time.
class Block {
 public:
  explicit Block(ir::loop::Kernel kernel);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  const ir::loop::Kernel& kernel() const { return kernel_; }

  /// Computes the outer points [begin, end) on this thread. `buffers` are base pointers, inputs
  /// then outputs. Outputs overlap nothing, except that the only output of a kernel may lie exactly
  /// on an input that is read at the same addresses.
  void run(const ir::loop::BoundKernel& bound, void* const* buffers, int64_t begin,
           int64_t end) const;
  /// Computes all of it on the pool (see threads.h), or here when it is not worth waking threads.
  void run_parallel(const ir::loop::BoundKernel& bound, void* const* buffers) const;

 private:
  struct Plans;
  ir::loop::Kernel kernel_;
  std::unique_ptr<Plans> plans_;
};

}  // namespace etch::runtime
