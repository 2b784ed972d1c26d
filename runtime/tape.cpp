#include "runtime/tape.h"

#include <algorithm>
#include <unordered_map>

#include "ir/grad.h"
#include "ir/ops/create.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/view.h"
#include "runtime/eager.h"
#include "runtime/recorder.h"

namespace etch::runtime {
namespace {

thread_local bool grad_mode = true;
std::atomic<uint64_t> next_order{1};

/// Nodes of a long chain are destroyed one by one, not by recursion.
void drop_edges(std::vector<Edge>& edges) {
  thread_local std::vector<std::shared_ptr<TapeNode>>* pending = nullptr;
  if (pending != nullptr) {
    for (Edge& e : edges) {
      if (e.node != nullptr) pending->push_back(std::move(e.node));
    }
    return;
  }
  std::vector<std::shared_ptr<TapeNode>> list;
  pending = &list;
  for (Edge& e : edges) {
    if (e.node != nullptr) list.push_back(std::move(e.node));
  }
  while (!list.empty()) {
    std::shared_ptr<TapeNode> next = std::move(list.back());
    list.pop_back();
    next.reset();
  }
  pending = nullptr;
}

bool tracks(const Tensor& t) {
  const GradMeta* m = impl(t).grad.get();
  return m != nullptr && (m->requires_grad || m->producer != nullptr);
}

Edge edge_of(const Tensor& t) {
  if (!is_float(impl(t).dtype) || !tracks(t)) return {};
  const GradMeta& m = *impl(t).grad;
  if (m.producer != nullptr) return {m.producer, m.output, {}};
  return {nullptr, 0, t};
}

/// A vjp's reads depend on operator, dtypes and attributes at most; found once per combination.
ir::VjpReads cached_reads(const ir::OpDef& op, const void* attrs, std::span<const Tensor> in,
                          std::span<const Tensor> out, uint32_t wants) {
  struct Entry {
    ir::AttrBox attrs;
    uint32_t wants;
    size_t count;
    ir::VjpReads reads;
  };
  thread_local std::unordered_map<const ir::OpDef*, std::vector<Entry>> cache;
  std::vector<Entry>& entries = cache[&op];
  bool simple = op.schema->count == 0;
  ir::AttrBox box;
  if (!simple) box = ir::AttrBox::copy(*op.schema, attrs);
  for (const Entry& e : entries) {
    if (e.wants == wants && e.count == in.size() && (simple || e.attrs == box)) return e.reads;
  }
  ir::Types types_in, types_out;
  for (const Tensor& t : in) types_in.push_back(type_of(impl(t)));
  for (const Tensor& t : out) types_out.push_back(type_of(impl(t)));
  ir::VjpReads reads = ir::vjp_reads(op, types_in, types_out, attrs, wants);
  if (entries.size() > 256) entries.clear();
  entries.push_back({std::move(box), wants, in.size(), reads});
  return reads;
}

Saved save(const Tensor& t, bool read) {
  Saved s;
  s.version = impl(t).storage->version;
  s.type = type_of(impl(t));
  if (auto* r = recorder()) {
    for (int i = 0; i < s.type.rank(); ++i) s.shape.push_back(r->size_of(t, i, current_loc()));
    if (is_static(s.shape)) s.shape.clear();
  }
  if (read) s.tensor = t;
  return s;
}

/// A result is kept without its own tape entry, or node and tensor would own each other.
Saved save_result(const Tensor& t, bool read) {
  Saved s = save(t, false);
  if (read) {
    const TensorImpl& i = impl(t);
    s.tensor = Tensor(new_view(i, i.sizes, i.strides, i.data));
    impl(s.tensor).trace = i.trace;
    impl(s.tensor).trace_value = i.trace_value;
    impl(s.tensor).trace_version = i.trace_version;
  }
  return s;
}

/// Stands in for a tensor whose contents the vjp does not read.
Tensor placeholder(const Saved& s) {
  if (recorder() != nullptr && !s.shape.empty()) {
    Tensor zero = run<ir::Full>({{}, ir::make_number(s.type.dtype, int64_t{0})}, {});
    return run<ir::Expand>({s.shape}, {&zero, 1});
  }
  Tensor t = empty(SizeList(Shape{}), s.type.dtype);
  Sizes sizes = shape_eval(s.type.shape, {});
  Sizes strides(sizes.size(), 0);
  return Tensor(new_view(impl(t), sizes, strides, impl(t).data));
}

Tensor restore(const TapeNode& node, const Saved& s, bool is_result, uint32_t index) {
  if (!s.tensor.defined()) return placeholder(s);
  if (impl(s.tensor).storage->version != s.version) {
    fail(node.op->name(),
         cat("a tensor saved for the backward pass (", is_result ? "result " : "operand ", index,
             ") was changed in place: version ", s.version, " then, ",
             impl(s.tensor).storage->version, " now"),
         "Clone it before changing it", node.loc);
  }
  return s.tensor;
}

using GradMap = std::unordered_map<TapeNode*, std::vector<Tensor>>;

std::vector<Tensor> run_vjp(const std::shared_ptr<TapeNode>& node, std::vector<Tensor>& grads,
                            uint32_t wants) {
  if (node->custom) return node->custom(*node, grads);
  ir::Vars in, out, g;
  for (uint32_t i = 0; i < node->in.size(); ++i) {
    in.push_back(EagerEmitter::var(restore(*node, node->in[i], false, i)));
  }
  for (uint32_t i = 0; i < node->out.size(); ++i) {
    Tensor t = restore(*node, node->out[i], true, i);
    // Differentiating again goes through the result's own tape entry.
    if (grad_mode && is_float(impl(t).dtype) && node->out[i].tensor.defined()) {
      const TensorImpl& s = impl(t);
      Tensor again(new_view(s, s.sizes, s.strides, s.data));
      impl(again).trace = s.trace;
      impl(again).trace_value = s.trace_value;
      impl(again).trace_version = s.trace_version;
      impl(again).grad = std::make_unique<GradMeta>();
      impl(again).grad->producer = node;
      impl(again).grad->output = i;
      t = again;
    }
    out.push_back(EagerEmitter::var(t));
    if (grads[i].defined()) {
      g.push_back(EagerEmitter::var(grads[i]));
    } else {
      g.emplace_back();
    }
  }
  At at(node->loc);
  std::vector<Tensor> result;
  for (const ir::Var& v : ir::differentiate({*node->op, node->attrs.data(), in, out, g, wants})) {
    result.push_back(v ? EagerEmitter::tensor(v) : Tensor());
  }
  return result;
}

void add_to(Tensor& slot, Tensor g) { slot = slot.defined() ? slot + g : std::move(g); }

}  // namespace

GradMeta::~GradMeta() {
  if (producer != nullptr) {
    std::vector<Edge> one(1);
    one[0].node = std::move(producer);
    drop_edges(one);
  }
}
TapeNode::~TapeNode() { drop_edges(edges); }

bool grad_mode_exchange(bool next) { return std::exchange(grad_mode, next); }
bool grad_mode_now() { return grad_mode; }

bool needs_tape(std::span<const Tensor> in) {
  return grad_mode && std::any_of(in.begin(), in.end(), tracks);
}

void tape(const ir::OpDef& op, const void* attrs, const void* numbers, std::span<const Tensor> in,
          std::span<const Tensor> out) {
  bool any =
      std::any_of(out.begin(), out.end(), [](const Tensor& t) { return is_float(impl(t).dtype); });
  if (!any || op.vjp == nullptr) return;
  auto node = std::make_shared<TapeNode>();
  node->op = &op;
  if (op.schema->count != 0) node->attrs = ir::AttrBox::copy(*op.schema, attrs);
  node->loc = current_loc();
  node->order = next_order.fetch_add(1, std::memory_order_relaxed);
  uint32_t wants = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    node->edges.push_back(edge_of(in[i]));
    if (i < 32) wants |= uint32_t{node->edges.back().wanted()} << i;
  }
  if (wants == 0) return;
  ir::VjpReads reads = cached_reads(op, numbers, in, out, wants);
  for (size_t i = 0; i < in.size(); ++i) {
    node->in.push_back(save(in[i], i >= 32 || ((reads.operands >> i) & 1) != 0));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    node->out.push_back(save_result(out[i], i >= 32 || ((reads.results >> i) & 1) != 0));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    TensorImpl& t = impl(out[i]);
    if (!is_float(t.dtype)) continue;
    t.grad = std::make_unique<GradMeta>();
    t.grad->producer = node;
    t.grad->output = static_cast<uint32_t>(i);
  }
}

Tensor tape_custom(std::span<const Tensor> in, const Tensor& out, const VjpFn& vjp) {
  static const ir::OpDef* custom_op = [] {
    auto* def = new ir::OpDef;  // lives as long as the process; only its name is used
    def->info.name = "custom_vjp";
    def->schema = &ir::attr_schema<ir::NoAttrs>();
    return def;
  }();
  require_defined(out, "custom_vjp");
  if (!needs_tape(in) || !is_float(impl(out).dtype)) return out;
  // A handle of its own: the forward function may return one of its inputs.
  Tensor result = out.detach();
  auto node = std::make_shared<TapeNode>();
  node->op = custom_op;
  node->loc = current_loc();
  node->order = next_order.fetch_add(1, std::memory_order_relaxed);
  for (const Tensor& t : in) {
    node->edges.push_back(edge_of(t));
    node->in.push_back(save(t, true));
  }
  node->out.push_back(save_result(result, true));
  node->custom = [vjp](const TapeNode& n, std::span<const Tensor> grads) {
    std::vector<Tensor> inputs;
    for (uint32_t i = 0; i < n.in.size(); ++i) inputs.push_back(restore(n, n.in[i], false, i));
    std::vector<Tensor> down = vjp(inputs, restore(n, n.out[0], true, 0), grads[0]);
    if (down.size() != inputs.size()) {
      fail("custom_vjp",
           cat("the gradient function gave ", down.size(), " gradients for ", inputs.size(),
               " inputs"),
           "Give an undefined Tensor where there is none", n.loc);
    }
    for (size_t i = 0; i < down.size(); ++i) {
      if (down[i].defined() && impl(down[i]).sizes != impl(inputs[i]).sizes) {
        fail("custom_vjp",
             cat("the gradient of input ", i, " has shape ", impl(down[i]).sizes, ", the input ",
                 impl(inputs[i]).sizes),
             "Return gradients of the inputs' shapes", n.loc);
      }
    }
    return down;
  };
  TensorImpl& t = impl(result);
  t.grad = std::make_unique<GradMeta>();
  t.grad->producer = node;
  return result;
}

std::vector<Tensor> backward(std::span<const Tensor> roots, std::span<const Tensor> gradients,
                             std::span<const Tensor> inputs, bool create_graph) {
  bool mode_before = std::exchange(grad_mode, create_graph);
  struct Restore {
    bool before;
    ~Restore() { grad_mode = before; }
  } restore_mode{mode_before};

  std::unordered_map<TensorImpl*, Tensor> leaf_grads;  // leaves and wanted tensors
  std::unordered_map<TapeNode*, std::vector<std::pair<uint32_t, size_t>>> wanted_results;
  std::vector<Tensor> result(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const GradMeta* m = impl(inputs[i]).grad.get();
    if (m != nullptr && m->producer != nullptr) {
      wanted_results[m->producer.get()].push_back({m->output, i});
    }
  }
  // Highest order first: every path into a node has been walked when it comes up.
  auto later = [](const std::shared_ptr<TapeNode>& a, const std::shared_ptr<TapeNode>& b) {
    return a->order < b->order;
  };
  std::vector<std::shared_ptr<TapeNode>> heap;
  GradMap grads;
  auto give = [&](const Edge& e, Tensor g) {
    if (e.node == nullptr) return add_to(leaf_grads[e.leaf.impl()], std::move(g));
    auto [it, fresh] = grads.try_emplace(e.node.get(), e.node->out.size());
    if (fresh) {
      heap.push_back(e.node);
      std::push_heap(heap.begin(), heap.end(), later);
    }
    add_to(it->second[e.output], std::move(g));
  };
  std::vector<Tensor> leaves;  // keeps leaf handles alive while their pointers are keys
  for (size_t i = 0; i < roots.size(); ++i) {
    Edge e = edge_of(roots[i]);
    if (!e.wanted()) {
      fail("backward", "the tensor does not depend on anything that requires a gradient",
           "Call requires_grad_() on a leaf before computing with it", current_loc());
    }
    if (e.leaf.defined()) leaves.push_back(e.leaf);
    give(e, gradients[i]);
  }
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    std::shared_ptr<TapeNode> node = std::move(heap.back());
    heap.pop_back();
    std::vector<Tensor> g = std::move(grads[node.get()]);
    grads.erase(node.get());
    if (auto it = wanted_results.find(node.get()); it != wanted_results.end()) {
      for (auto [output, slot] : it->second) result[slot] = g[output];
    }
    if (node->in.empty() && !node->edges.empty()) {
      fail("backward", "the graph of this tensor was already used and freed",
           "Call backward(gradient, true) the first time", node->loc);
    }
    uint32_t wants = 0;
    for (size_t i = 0; i < node->edges.size() && i < 32; ++i) {
      wants |= uint32_t{node->edges[i].wanted()} << i;
    }
    std::vector<Tensor> down = run_vjp(node, g, wants);
    for (size_t i = 0; i < down.size(); ++i) {
      if (!down[i].defined() || !node->edges[i].wanted()) continue;
      if (node->edges[i].leaf.defined()) leaves.push_back(node->edges[i].leaf);
      give(node->edges[i], std::move(down[i]));
    }
    if (!create_graph) {  // free early, and make a second backward an error
      node->in.clear();
      node->out.clear();
      node->out.resize(g.size());
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    auto it = leaf_grads.find(inputs[i].impl());
    if (it != leaf_grads.end()) result[i] = it->second;
  }
  if (inputs.empty()) {
    for (auto& [impl, g] : leaf_grads) {
      retain(impl);
      Tensor leaf(impl), sum = leaf.grad();
      add_to(sum, std::move(g));
      leaf.set_grad(std::move(sum));
    }
  }
  return result;
}

}  // namespace etch::runtime

namespace etch {

using runtime::grad_mode_exchange;

NoGrad::NoGrad() : before_(grad_mode_exchange(false)) {}
NoGrad::~NoGrad() { grad_mode_exchange(before_); }
EnableGrad::EnableGrad() : before_(grad_mode_exchange(true)) {}
EnableGrad::~EnableGrad() { grad_mode_exchange(before_); }
bool grad_enabled() { return runtime::grad_mode_now(); }

std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> gradients, bool create_graph) {
  std::vector<Tensor> seeds(gradients.begin(), gradients.end());
  for (size_t i = seeds.size(); i < outputs.size(); ++i) {
    seeds.push_back(ones(SizeList(outputs[i].shape()), outputs[i].dtype()));
  }
  return runtime::backward(outputs, seeds, inputs, create_graph);
}

std::function<Tensor(std::span<const Tensor>)> custom_vjp(
    std::function<Tensor(std::span<const Tensor>)> forward, VjpFn backward) {
  return [forward = std::move(forward),
          backward = std::move(backward)](std::span<const Tensor> in) -> Tensor {
    Tensor out;
    {
      NoGrad no_grad;
      out = forward(in);
    }
    return runtime::tape_custom(in, out, backward);
  };
}

Tensor grad(const Tensor& output, const Tensor& input, bool create_graph) {
  return std::move(grad({&output, 1}, {&input, 1}, {}, create_graph).front());
}

}  // namespace etch
