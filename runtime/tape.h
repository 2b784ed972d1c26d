// The autograd tape: one node per recorded operator call.
#pragma once

#include <functional>

#include "etch/autograd.h"
#include "ir/attrs.h"
#include "runtime/tensor_impl.h"

namespace etch::runtime {

struct TapeNode;

/// What a tensor knows about gradients.
struct GradMeta {
  bool requires_grad = false;          // a leaf that collects grad
  Tensor grad;                         // of a leaf
  std::shared_ptr<TapeNode> producer;  // null for leaves
  uint32_t output = 0;                 // which result of producer
  ~GradMeta();
};

/// An operand or result kept for the backward pass, with the version it had.
struct Saved {
  Tensor tensor;  // undefined when the vjp does not read it; then only `type` counts
  uint32_t version = 0;
  ir::TensorType type;
  Shape shape = {};  // the type's as a recording sees it, when that has symbols
};

/// Where a gradient goes: a producer's result, or a leaf.
struct Edge {
  std::shared_ptr<TapeNode> node;
  uint32_t output = 0;
  Tensor leaf;  // defined for leaves
  bool wanted() const { return node != nullptr || leaf.defined(); }
};

struct TapeNode {
  const ir::OpDef* op = nullptr;
  ir::AttrBox attrs;
  std::vector<Saved> in, out;
  std::vector<Edge> edges;  // one per operand
  SourceLoc loc;
  uint64_t order = 0;  // increases along every path
  std::function<std::vector<Tensor>(const TapeNode&, std::span<const Tensor> grads)> custom;
  ~TapeNode();
};

/// Whether this thread records for gradients; sets it and returns what it was.
bool grad_mode_exchange(bool next);
bool grad_mode_now();

/// True when an operator on `in` has to be taped.
bool needs_tape(std::span<const Tensor> in);
/// Tapes one call and marks `out` as its results. `numbers` is attrs with this run's sizes.
void tape(const ir::OpDef& op, const void* attrs, const void* numbers, std::span<const Tensor> in,
          std::span<const Tensor> out);

/// Tapes a call whose gradient is the user's function; the result carries it.
Tensor tape_custom(std::span<const Tensor> in, const Tensor& out, const VjpFn& vjp);

/// Reverse sweep from `roots`; returns the gradients of `inputs`, or adds to every leaf's grad when
/// `inputs` is empty.
std::vector<Tensor> backward(std::span<const Tensor> roots, std::span<const Tensor> gradients,
                             std::span<const Tensor> inputs, bool create_graph);

}  // namespace etch::runtime
