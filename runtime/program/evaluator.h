// Runs graphs on constants: constant folding, weight packing, export verification.
#pragma once

#include "ir/interfaces.h"
#include "runtime/program/program.h"

namespace etch::runtime {

/// Evaluates by building a Program and running it once, so with the bits of every other engine.
class ProgramEvaluator final : public ir::Evaluator {
 public:
  /// `kernels` as in BuildOptions.
  explicit ProgramEvaluator(KernelSource* kernels = nullptr) : kernels_(kernels) {}

  /// `budget_bytes` bounds results and temporaries together; it is checked before memory is taken.
  /// Inputs of kind State take part in order like the others; writes to them are ordinary results.
  std::vector<std::shared_ptr<const ir::Constant>> evaluate(
      const ir::Graph& g, std::span<const std::shared_ptr<const ir::Constant>> inputs,
      size_t budget_bytes) override;

 private:
  KernelSource* kernels_;
};

}  // namespace etch::runtime
