// Runs operators while a body or a test emits them, on small dense tensors, by the letter.
#pragma once

#include "tests/support/naive.h"

namespace etch::test {

/// Composites run their bodies, contractions and opaque operators their reference kernels,
/// everything else the naive runner. Types stay symbolic; `bindings` give the sizes of the data.
class DenseEmitter : public ir::Emitter {
 public:
  explicit DenseEmitter(SymbolBindings bindings) : bindings_(std::move(bindings)) {}

  ir::Var value(ir::TensorType type, Dense data);
  const Dense& data(const ir::Var& v) const { return values_[v.payload()].data; }

  ir::Vars emit(const ir::OpDef& op, std::span<const ir::Var> operands, const void* attrs) override;
  ir::TensorType type_of(uint64_t payload) const override { return values_[payload].type; }
  ir::Var constant(const std::shared_ptr<const ir::Constant>& contents) override;

 private:
  std::shared_ptr<void> numbers(const ir::OpDef& op, const void* attrs) const;
  struct Value {
    ir::TensorType type;
    Dense data;
  };
  SymbolBindings bindings_;
  std::vector<Value> values_;
};

}  // namespace etch::test
