// Runs one operator on concrete tensors: which engine takes it, and the plans kept per signature.
#include <cstring>
#include <unordered_map>

#include "ir/graph.h"
#include "ir/loop/lower.h"
#include "ir/ops/elementwise.h"
#include "runtime/contractions.h"
#include "runtime/copy.h"
#include "runtime/direct.h"
#include "runtime/interp/interp.h"
#include "runtime/program/program.h"
#include "runtime/recorder.h"
#include "runtime/tape.h"

namespace etch::runtime {
namespace {

/// A call's signature: operator, attributes, and every operand's dtype, sizes and strides.
struct Signature {
  SmallVec<int64_t, 48> words;
  ir::AttrBox attrs;
  bool operator==(const Signature& o) const { return words == o.words && attrs == o.attrs; }
};

struct SignatureHash {
  size_t operator()(const Signature& s) const {
    uint64_t h = s.attrs.count() == 0 ? 0 : s.attrs.hash();
    for (int64_t w : s.words) h = (h ^ static_cast<uint64_t>(w)) * 0x9e3779b97f4a7c15u ^ (h >> 29);
    return h;
  }
};

/// A signature made ready: the results' types, and one interpreted kernel, or null when the call
/// needs another path.
struct KernelPlan {
  std::vector<std::pair<DType, Sizes>> results;
  std::unique_ptr<Block> block;
  ir::loop::BoundKernel bound;

  std::vector<Tensor> new_results() const {
    std::vector<Tensor> out;
    out.reserve(results.size());
    for (const auto& [dtype, sizes] : results) out.emplace_back(new_tensor(dtype, sizes));
    return out;
  }
};

Signature signature_of(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs) {
  Signature s;
  s.words.push_back(static_cast<int64_t>(reinterpret_cast<intptr_t>(&op)));
  for (const Tensor& t : in) {
    const TensorImpl& i = impl(t);
    s.words.push_back(static_cast<int64_t>(i.dtype) * 64 + static_cast<int64_t>(i.sizes.size()));
    s.words.append(i.sizes.data(), i.sizes.size());
    if (i.contiguous) {
      s.words.push_back(-1);
    } else {
      s.words.append(i.strides.data(), i.strides.size());
    }
  }
  if (op.schema->count != 0) s.attrs = ir::AttrBox::copy(*op.schema, attrs);
  return s;
}

StridedView operand_view(const Tensor& t) {
  return impl(t).contiguous ? contiguous_view(to_shape(impl(t).sizes)) : view_of(impl(t));
}

/// The composite's body, bodies inside it replaced by their own, as one graph.
ir::Graph body_graph(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs) {
  /// Emits composites as their bodies.
  class Decomposer : public ir::GraphEmitter {
   public:
    using GraphEmitter::GraphEmitter;
    ir::Vars emit(const ir::OpDef& def, std::span<const ir::Var> operands, const void* a) override {
      if (def.kind != ir::OpKind::Composite) return GraphEmitter::emit(def, operands, a);
      return def.body(ir::Call(def, a, operands));
    }
  };
  ir::Graph g;
  Decomposer emitter(g);
  ir::Vars vars;
  for (size_t i = 0; i < in.size(); ++i) {
    vars.push_back(emitter.var(g.add_input(cat("x", i), type_of(impl(in[i])))));
  }
  for (const ir::Var& v : op.body(ir::Call(op, attrs, vars))) {
    g.add_result(ir::GraphEmitter::value(v), "y");
  }
  return g;
}

KernelPlan infer(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs) {
  ir::Types types;
  for (const Tensor& t : in) types.push_back(type_of(impl(t)));
  KernelPlan p;
  for (const ir::TensorType& t : ir::infer_types(op, types, attrs)) {
    p.results.emplace_back(t.dtype, shape_eval(t.shape, {}));
  }
  return p;
}

KernelPlan make_plan(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs) {
  KernelPlan p = infer(op, in, attrs);
  std::vector<StridedView> views;
  for (const Tensor& t : in) views.push_back(operand_view(t));
  ir::loop::Lowered lowered;
  if (op.kind == ir::OpKind::Composite) {
    lowered = ir::loop::lower(body_graph(op, in, attrs), views);
  } else {
    ir::Types types;
    for (const Tensor& t : in) types.push_back(type_of(impl(t)));
    lowered = ir::loop::lower_op(op, types, attrs, views);
  }
  if (!lowered.kernel) return p;
  p.block = std::make_unique<Block>(std::move(*lowered.kernel));
  bind(p.block->kernel(), {}, p.bound);
  return p;
}

const KernelPlan& plan_for(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs) {
  constexpr size_t kMaxPlans = 2048;
  thread_local std::unordered_map<Signature, KernelPlan, SignatureHash> plans;
  Signature key = signature_of(op, in, attrs);
  auto it = plans.find(key);
  if (it != plans.end()) return it->second;
  if (plans.size() >= kMaxPlans) plans.clear();
  return plans.emplace(std::move(key), make_plan(op, in, attrs)).first->second;
}

void run_block(const KernelPlan& plan, std::span<const Tensor> in, std::span<const Tensor> out) {
  SmallVec<void*, 8> buffers;
  for (const Tensor& t : in) buffers.push_back(impl(t).data);
  for (const Tensor& t : out) buffers.push_back(impl(t).data);
  plan.block->run_parallel(plan.bound, buffers.data());
}

/// Node by node through eager itself: bodies that do not fit one kernel.
void run_body(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
              std::span<const Tensor> out) {
  NoGrad no_grad;
  ir::Vars vars;
  for (const Tensor& t : in) vars.push_back(EagerEmitter::var(t));
  ir::Vars results = op.body(ir::Call(op, attrs, vars));
  for (size_t i = 0; i < out.size(); ++i) copy_elements(EagerEmitter::tensor(results[i]), out[i]);
}

void run_reference(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
                   std::span<const Tensor> out) {
  std::vector<Tensor> operands;
  std::vector<ir::TensorRef> in_refs, out_refs;
  for (const Tensor& t : in) operands.push_back(dense(t));
  for (const Tensor& t : operands) in_refs.push_back(ref_of(impl(t)));
  for (const Tensor& t : out) out_refs.push_back(ref_of(impl(t)));
  op.kernel({op, in_refs, out_refs, attrs});
}

/// A program of one node; operators that run graphs have no other engine.
struct ControlRun {
  explicit ControlRun(ir::Graph g) : program(Program::build(std::move(g))), context(program) {}
  Program program;
  Context context;
};

ir::Graph graph_of(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs) {
  ir::Graph g;
  ir::GraphEmitter emitter(g);
  ir::Vars vars;
  for (size_t i = 0; i < in.size(); ++i) {
    vars.push_back(emitter.var(g.add_input(cat("x", i), type_of(impl(in[i])))));
  }
  for (const ir::Var& v : emitter.emit(op, vars, attrs)) {
    g.add_result(ir::GraphEmitter::value(v), cat("y", g.results().size()));
  }
  return g;
}

std::vector<Tensor> run_control(const ir::OpDef& op, std::span<const Tensor> in,
                                const void* attrs) {
  constexpr size_t kMaxRuns = 128;
  thread_local std::unordered_map<Signature, std::unique_ptr<ControlRun>, SignatureHash> runs;
  Signature key = signature_of(op, in, attrs);
  auto it = runs.find(key);
  if (it == runs.end()) {
    if (runs.size() >= kMaxRuns) runs.clear();
    auto run = std::make_unique<ControlRun>(graph_of(op, in, attrs));
    it = runs.emplace(std::move(key), std::move(run)).first;
  }
  return it->second->program.run(it->second->context, in);
}

}  // namespace

std::vector<Tensor> execute(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs) {
  switch (op.kind) {
    case ir::OpKind::Elementwise:
    case ir::OpKind::Reduction:
    case ir::OpKind::Composite: {
      const KernelPlan& plan = plan_for(op, in, attrs);
      const bool one_kernel = plan.block != nullptr;
      std::vector<Tensor> out = plan.new_results();
      if (one_kernel) {
        run_block(plan, in, out);
      } else {
        invariant(op.kind == ir::OpKind::Composite,
                  "an elementwise operator or reduction does not lower");
        run_body(op, in, attrs, out);
      }
      return out;
    }
    case ir::OpKind::Contraction:
    case ir::OpKind::Opaque: {
      std::vector<Tensor> out = infer(op, in, attrs).new_results();
      bool done = op.kind == ir::OpKind::Contraction && run_contraction(op, in, attrs, out);
      if (!done) run_reference(op, in, attrs, out);
      return out;
    }
    case ir::OpKind::Control:
      return run_control(op, in, attrs);
    case ir::OpKind::View:
    case ir::OpKind::Structural:
      break;
  }
  fail_internal(cat("execute() of ", op.name()));
}

Tensor dense(const Tensor& t) {
  if (impl(t).contiguous) return t;
  Tensor out(new_tensor(impl(t).dtype, impl(t).sizes));
  copy_elements(t, out);
  return out;
}

void copy_elements(const Tensor& from, const Tensor& to) {
  const TensorImpl &f = impl(from), &t = impl(to);
  size_t size = itemsize(f.dtype);
  if (f.numel == 0) return;
  if (f.contiguous && t.contiguous) {
    std::memmove(t.data, f.data, static_cast<size_t>(f.numel) * size);
    return;
  }
  // Overlapping windows of one buffer go through a copy of their own.
  if (f.storage == t.storage && !(f.contiguous && f.data == t.data)) {
    Tensor apart(new_tensor(f.dtype, f.sizes));
    copy_strided(f, impl(apart));
    return copy_strided(impl(apart), t);
  }
  copy_strided(f, t);
}

}  // namespace etch::runtime
