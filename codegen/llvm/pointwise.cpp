// Kernels without inner axes: vectors along the last outer axis.
#include "codegen/llvm/emitter.h"

namespace etch::codegen {

using namespace llvm;

namespace {

/// Copies of the body per iteration. Processors overlap iterations by themselves; two copies of a
/// short body save loop overhead, more only take time to compile.
int unroll_for(size_t nodes, int tier) { return tier > 0 && nodes <= 24 ? 2 : 1; }

bool has_narrow_access(const KernelPlan& p) {
  for (int i = 0; i < static_cast<int>(p.loads.size() + p.stores.size()); ++i) {
    if (bits(p.access(i).dtype) < 32) return true;
  }
  return false;
}

}  // namespace

void Emitter::emit_pointwise() {
  Frame top = root();
  if (plan_.outer == 0) {
    when(b_.CreateICmpSLT(begin(), end()), [&] {
      Frame f = child(top);
      std::vector<uint32_t> roots;
      for (const PlanStore& s : plan_.stores) roots.push_back(s.value);
      evaluate(f, roots);
      store_all(f, true);
      store_all(f, false);
    });
    return;
  }
  walk(top, 0, plan_.outer, begin(), end(),
       [&](Frame& f, Value*, Value* j0, Value* j1) { emit_points(f, j0, j1); });
}

void Emitter::emit_points(Frame& stretch, Value* j0, Value* j1) {
  int axis = plan_.outer - 1;
  std::vector<uint32_t> roots;
  for (const PlanStore& s : plan_.stores) roots.push_back(s.value);
  int unroll = unroll_for(plan_.nodes.size(), options_.tier);
  auto body = [&](Value* j, int lanes, int copies, bool masked) {
    for (int u = 0; u < copies; ++u) {
      Value* at = u == 0 ? j : b_.CreateAdd(j, b_.getInt64(static_cast<uint64_t>(u * lanes)));
      Frame f = child(stretch);
      vectorize(f, axis, at, lanes, masked ? tail_mask(b_.CreateSub(j1, at), lanes) : nullptr);
      evaluate(f, roots);
      store_all(f, true);
      store_all(f, false);
    }
  };
  // Uniform values move out of the loops; a stretch is never empty when there are outer axes to
  // fold.
  when(b_.CreateICmpSLT(j0, j1), [&] {
    evaluate(stretch, roots, ~(uint64_t{1} << axis), lanes_);
    auto main = [&](Value* from, int lanes, int copies) -> Value* {
      Value* count = b_.CreateSub(j1, from);
      int64_t step = int64_t{lanes} * copies;
      Value* full = b_.CreateAnd(count, b_.getInt64(static_cast<uint64_t>(-step)));
      Value* to = b_.CreateAdd(from, full);
      loop(from, to, step, [&](Value* j) { body(j, lanes, copies, false); });
      return to;
    };
    bool narrow = !wide_masks_ && has_narrow_access(plan_);
    Value* j = j0;
    if (unroll > 1 || narrow || options_.tier > 0) j = main(j, lanes_, unroll);
    if (narrow) {
      // No masked access to narrow elements below AVX-512: one element at a time.
      if (unroll > 1) j = main(j, lanes_, 1);
      loop(j, j1, 1, [&](Value* at) { body(at, 1, 1, false); });
    } else {
      loop(j, j1, lanes_, [&](Value* at) { body(at, lanes_, 1, true); });
    }
  });
}

}  // namespace etch::codegen
