#include "runtime/program/plan.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/facts.h"
#include "ir/loop/lower.h"
#include "ir/ops/contract.h"
#include "ir/ops/control.h"
#include "runtime/contract/contract.h"
#include "runtime/program/in_place.h"
#include "runtime/program/prepare.h"

namespace etch::runtime {
namespace {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::Value;
using ir::loop::Kernel;
using ir::loop::Lowered;

bool has_symbols(const ir::AttrBox& attrs) {
  for (int i = 0; i < attrs.count(); ++i) {
    ir::AttrValue v = attrs.get(i);
    const Shape* shape = std::get_if<Shape>(&v);
    if (shape != nullptr && !is_static(*shape)) return true;
  }
  return false;
}

/// Rough scalar operations per point, for splitting work over threads.
double cost_of(const Kernel& k) {
  double cost = 1;
  for (const ir::ExprNode& n : k.exprs.nodes()) {
    if (!ir::is_leaf(n.op)) cost += ir::is_func(n.op) ? 16 : 1;
  }
  return cost;
}

/// Whether the packed kernels of `n` read strided windows.
bool reads_windows(const Node& n) {
  return n.op == &ir::op_def<ir::MatMul>() &&
         contains(contract::kContractTypes, n.outputs[0].dtype);
}

/// Types of the values that a loop moves from trip to trip, and that its condition gives.
ir::Types moving_types(const Graph& g, const Node& n) {
  ir::Types out;
  int64_t carried = 0;
  if (n.op == &ir::op_def<ir::Scan>()) carried = n.attrs.as<ir::Scan::Attrs>().carried;
  const bool loop = n.op == &ir::op_def<ir::WhileLoop>();
  if (loop) carried = n.attrs.as<ir::WhileLoop::Attrs>().carried;
  for (size_t i = 0; i < static_cast<size_t>(carried); ++i) out.push_back(g.type(n.inputs[i]));
  if (loop) out.push_back({DType::Bool, {}});
  return out;
}

/// What the plans of one program share.
struct Shared {
  KernelSource* source = nullptr;
  const ContractionLibrary* vendor = nullptr;
  bool pack_weights = false;
  std::vector<ir::SymbolRange> symbols;  // of the outermost graph
  // Graphs that run inside others; what runs one of them keeps it alive.
  std::unordered_map<const Graph*, std::shared_ptr<const Plan>> nested;
};

std::shared_ptr<const Plan> make_plan(std::shared_ptr<const Graph> graph, Shared& shared,
                                      bool nested);

class Planner {
 public:
  Planner(Plan& plan, Shared& shared, bool nested)
      : plan_(plan),
        g_(*plan.prepared),
        shared_(shared),
        nested_(nested),
        source_(shared.source),
        needed_(g_.capacity()) {}
  void run();

 private:
  uint32_t add_result_buffer(const ir::GraphResult& r);
  void mark_needed();
  void add_inputs();
  void collect_symbols();
  void check_symbols(Dim d, std::string_view where) const;
  std::vector<AxisRule> axis_rules(const Port& port) const;
  void add_node(NodeId id);
  void add_view(NodeId id, const Node& n);
  void add_kernel(NodeId id, const Node& n);
  void add_operator(NodeId id, const Node& n);
  void add_control(NodeId id, const Node& n);
  uint32_t add_temporary(const ir::TensorType& type);
  void add_results();
  void reuse_operands();

  Lowered lower(const Node& n, std::span<const Place> in) const;
  uint32_t add_buffer(Home home, uint32_t index, const ir::TensorType& type);
  uint32_t buffer_for(Value v);
  const Place& place(Value v) const { return places_.at(v); }
  Place dense(Value v);
  Step& add_step(StepKind kind, std::string name, std::vector<Place> in, NodeId origin);
  void add_kernel_step(Kernel kernel, std::vector<Place> in, std::vector<uint32_t> out,
                       NodeId origin);
  void copy(const Place& from, const ir::TensorType& type, uint32_t to, NodeId origin);
  void touch(uint32_t buffer);

  Plan& plan_;
  const Graph& g_;
  Shared& shared_;
  bool nested_;  // inside another plan, which gives the symbols
  KernelSource* source_;
  size_t bodies_ = 0;  // of the steps so far
  std::vector<bool> needed_;
  std::unordered_map<Value, Place, ir::ValueHash> places_;
  std::unordered_map<Value, uint32_t, ir::ValueHash> copies_;  // dense copies of windows
  std::unordered_map<Value, uint32_t, ir::ValueHash> direct_;  // buffers of results
};

void Planner::run() {
  mark_needed();
  add_inputs();
  collect_symbols();
  plan_.requirements = requirements(g_);
  for (const Requirement& r : plan_.requirements) check_symbols(r.value, r.what);
  for (const ir::GraphResult& r : g_.results()) {
    uint32_t b = add_result_buffer(r);
    const Node& n = g_.node(r.value.node);
    if (n.op->kind != ir::OpKind::Structural || ir::is_fusion(n)) direct_.emplace(r.value, b);
  }
  for (NodeId id : g_) {
    if (needed_[id]) add_node(id);
  }
  add_results();
  reuse_operands();
  nested_ ? find_replaceable_inputs(plan_) : find_in_place_writes(plan_);
  for (const Step& s : plan_.steps) {
    plan_.max_operands = std::max(plan_.max_operands, s.in.size() + s.out.size());
    plan_.kernels += s.kind == StepKind::Kernel;
  }
}

uint32_t Planner::add_result_buffer(const ir::GraphResult& r) {
  const ir::TensorType& type = g_.type(r.value);
  if (r.guard) {
    plan_.guards.push_back({r.name, type.dtype, *r.guard, g_.loc(r.loc)});
    return add_buffer(Home::Guard, static_cast<uint32_t>(plan_.guards.size() - 1), type);
  }
  std::vector<Port>& ports = r.state >= 0 ? plan_.nexts : plan_.outputs;
  ports.push_back({r.name, type});
  return add_buffer(r.state >= 0 ? Home::Next : Home::Output,
                    static_cast<uint32_t>(ports.size() - 1), type);
}

void Planner::mark_needed() {
  for (const ir::GraphResult& r : g_.results()) needed_[r.value.node] = true;
  for (NodeId id = g_.last(); id != ir::kNoNode; id = g_.node(id).prev) {
    if (!needed_[id]) continue;
    for (Value v : g_.node(id).inputs) needed_[v.node] = true;
  }
}

uint32_t Planner::add_buffer(Home home, uint32_t index, const ir::TensorType& type) {
  if (!contains(kSupported, type.dtype)) {
    fail("program", cat("values of type ", type, " cannot be computed yet"),
         "Use bool, integers, f32 or f64");
  }
  plan_.buffers.push_back({home, index, type.dtype, type.shape});
  return static_cast<uint32_t>(plan_.buffers.size() - 1);
}

void Planner::add_inputs() {
  std::vector<int> state_number(g_.inputs().size(), -1);
  for (size_t i = 0; i < g_.inputs().size(); ++i) {
    const ir::GraphInput& in = g_.inputs()[i];
    bool state = in.kind == ir::InputKind::State;
    std::vector<Port>& ports = state ? plan_.states : plan_.inputs;
    if (state) state_number[i] = static_cast<int>(ports.size());
    uint32_t b = add_buffer(state ? Home::State : Home::Input, static_cast<uint32_t>(ports.size()),
                            g_.type(in.value));
    ports.push_back({in.name, g_.type(in.value)});
    places_[in.value] = {b, contiguous_view(g_.type(in.value).shape)};
  }
  plan_.written.resize(plan_.states.size());
  for (const ir::GraphResult& r : g_.results()) {
    if (r.state < 0) continue;
    int state = state_number.at(static_cast<size_t>(r.state));
    if (state < 0) fail("program", cat("result '", r.name, "' is written to an input"));
    if (plan_.written[static_cast<size_t>(state)]) {
      fail("program",
           cat("state '", plan_.states[static_cast<size_t>(state)].name, "' is written twice"));
    }
    plan_.next_of.push_back(static_cast<uint32_t>(state));
    plan_.written[static_cast<size_t>(state)] = true;
  }
}

/// Symbols in the order in which inputs, then states, name them alone.
void Planner::collect_symbols() {
  if (nested_) plan_.symbols = shared_.symbols;
  plan_.given_symbols = plan_.symbols.size();
  auto bind = [&](const Port& p) {
    for (Dim d : p.type.shape) {
      SmallVec<Dim, 4> symbols;
      dim_symbols(d, symbols);
      bool alone = symbols.size() == 1 && symbols[0].same_as(d);
      bool known = std::any_of(plan_.symbols.begin(), plan_.symbols.end(),
                               [&](const ir::SymbolRange& r) { return r.symbol.same_as(d); });
      if (alone && !known) plan_.symbols.push_back({d});
    }
  };
  for (const Port& p : plan_.inputs) bind(p);
  for (const Port& p : plan_.states) bind(p);
  for (const ir::SymbolRange& range : g_.symbols) {
    for (ir::SymbolRange& r : plan_.symbols) {
      if (r.symbol.same_as(range.symbol)) r = range;
    }
  }
  if (!nested_) shared_.symbols = plan_.symbols;
  for (const ir::Constraint& c : g_.constraints) {
    check_symbols(c.lhs, "a constraint");
    check_symbols(c.rhs, "a constraint");
  }
  for (NodeId id : g_) {
    if (!needed_[id]) continue;
    const Node& n = g_.node(id);
    for (const ir::TensorType& t : n.outputs) {
      for (Dim d : t.shape) check_symbols(d, n.op->name());
    }
    for (int i = 0; i < n.attrs.count(); ++i) {
      ir::AttrValue v = n.attrs.get(i);
      if (const Shape* shape = std::get_if<Shape>(&v)) {
        for (Dim d : *shape) check_symbols(d, n.op->name());
      }
    }
  }
  for (const Port& p : plan_.inputs) plan_.input_axes.push_back(axis_rules(p));
  for (const Port& p : plan_.states) plan_.state_axes.push_back(axis_rules(p));
}

/// Every symbol of `d` is one that inputs give.
void Planner::check_symbols(Dim d, std::string_view where) const {
  SmallVec<Dim, 4> symbols;
  dim_symbols(d, symbols);
  for (Dim s : symbols) {
    bool known = std::any_of(plan_.symbols.begin(), plan_.symbols.end(),
                             [&](const ir::SymbolRange& r) { return r.symbol.same_as(s); });
    if (known) continue;
    fail("program", cat("no input's shape gives the symbolic size ", s, " in ", where),
         "Add an input with that size as an axis");
  }
}

std::vector<AxisRule> Planner::axis_rules(const Port& port) const {
  std::vector<AxisRule> rules;
  for (Dim d : port.type.shape) {
    AxisRule rule{~0u, d};
    for (uint32_t s = 0; s < plan_.symbols.size(); ++s) {
      if (plan_.symbols[s].symbol.same_as(d)) rule.symbol = s;
    }
    rules.push_back(rule);
  }
  return rules;
}

void Planner::add_node(NodeId id) {
  const Node& n = g_.node(id);
  if (ir::is_input(n)) return;
  if (ir::is_constant(n)) {
    uint32_t b =
        add_buffer(Home::Constant, static_cast<uint32_t>(plan_.constants.size()), n.outputs[0]);
    plan_.constants.push_back(n.constant);
    places_[{id, 0}] = {b, contiguous_view(n.outputs[0].shape)};
    return;
  }
  if (n.op->is_view()) return add_view(id, n);
  bool leaf = n.op->kind == ir::OpKind::Opaque && n.inputs.empty();
  bool kernel = ir::is_fusion(n) || n.op->kind == ir::OpKind::Elementwise ||
                n.op->kind == ir::OpKind::Reduction || (leaf && lower(n, {}).kernel.has_value());
  if (kernel) return add_kernel(id, n);
  if (n.op->is_control()) return add_control(id, n);
  if (n.op->kernel == nullptr) fail_internal(cat("no step runs '", n.op->name(), "'"));
  add_operator(id, n);
}

void Planner::add_view(NodeId id, const Node& n) {
  const Shape& sizes = n.outputs[0].shape;
  Place p = place(n.inputs[0]);
  bool affine = false;
  try {
    affine = n.op->view(n.attrs.data(), sizes, p.view);
  } catch (const UserError&) {  // it cannot decide about a symbolic size
  }
  if (!affine) {
    p = dense(n.inputs[0]);
    affine = n.op->view(n.attrs.data(), sizes, p.view);
  }
  if (!affine) fail_internal(cat("'", n.op->name(), "' has no window on a dense operand"));
  places_[{id, 0}] = std::move(p);
}

Lowered Planner::lower(const Node& n, std::span<const Place> in) const {
  std::vector<StridedView> views;
  for (const Place& p : in) views.push_back(p.view);
  if (ir::is_fusion(n)) return ir::loop::lower(*n.body, views);
  std::vector<ir::TensorType> types;
  for (Value v : n.inputs) types.push_back(g_.type(v));
  return ir::loop::lower_op(*n.op, types, n.attrs.data(), views);
}

void Planner::add_kernel(NodeId id, const Node& n) {
  std::vector<Place> in;
  for (Value v : n.inputs) in.push_back(place(v));
  Lowered lowered = lower(n, in);
  if (!lowered.kernel) {
    in.clear();
    for (Value v : n.inputs) in.push_back(dense(v));
    lowered = lower(n, in);
  }
  if (!lowered.kernel) {
    fail_internal(cat("'", n.op->name(), "' does not lower: ", lowered.reason));
  }
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < n.outputs.size(); ++i) out.push_back(buffer_for({id, i}));
  add_kernel_step(std::move(*lowered.kernel), std::move(in), std::move(out), id);
}

void Planner::add_operator(NodeId id, const Node& n) {
  bool contraction = n.op->kind == ir::OpKind::Contraction;
  bool windows = contraction && reads_windows(n);
  std::vector<Place> in;
  for (Value v : n.inputs) in.push_back(windows ? place(v) : dense(v));
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < n.outputs.size(); ++i) out.push_back(buffer_for({id, i}));
  Step& s = add_step(contraction ? StepKind::Contraction : StepKind::Opaque,
                     std::string(n.op->name()), std::move(in), id);
  s.op = n.op;
  s.attrs = n.attrs;
  s.symbolic_attrs = has_symbols(n.attrs);
  s.out = std::move(out);
  for (uint32_t b : s.out) touch(b);
}

/// A buffer of the present step alone.
uint32_t Planner::add_temporary(const ir::TensorType& type) {
  uint32_t b = add_buffer(Home::Arena, 0, type);
  touch(b);
  return b;
}

void Planner::add_control(NodeId id, const Node& n) {
  std::vector<Place> in;
  for (Value v : n.inputs) in.push_back(dense(v));
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < n.outputs.size(); ++i) out.push_back(buffer_for({id, i}));
  Step& s = add_step(StepKind::Control, std::string(n.op->name()), std::move(in), id);
  s.op = n.op;
  s.attrs = n.attrs;
  s.symbolic_attrs = has_symbols(n.attrs);
  s.out = std::move(out);
  s.first_body = bodies_;
  for (uint32_t b : s.out) touch(b);
  for (const ir::GraphRef& body : ir::bodies_of(n)) {
    s.bodies.push_back(make_plan(body, shared_, true));
  }
  bodies_ += s.bodies.size();
  for (const ir::TensorType& t : moving_types(g_, n)) s.moving.push_back(add_temporary(t));
  s.inside = add_temporary({DType::U8, {Dim(0)}});  // Binding knows how much there is
}

/// A fresh buffer for a value: a result's own memory where there is one.
uint32_t Planner::buffer_for(Value v) {
  auto direct = direct_.find(v);
  uint32_t b = direct != direct_.end() ? direct->second : add_buffer(Home::Arena, 0, g_.type(v));
  places_[v] = {b, contiguous_view(g_.type(v).shape)};
  return b;
}

/// The value in row-major order without gaps, through a copy when it is another window.
Place Planner::dense(Value v) {
  const Place& p = place(v);
  if (is_contiguous(p.view)) return p;
  const ir::TensorType& type = g_.type(v);
  auto [it, fresh] = copies_.try_emplace(v, 0);
  if (fresh) {
    it->second = add_buffer(Home::Arena, 0, type);
    copy(p, type, it->second, v.node);
  }
  return {it->second, contiguous_view(type.shape)};
}

void Planner::copy(const Place& from, const ir::TensorType& type, uint32_t to, NodeId origin) {
  Graph g;
  g.add_result(g.add_input("x", type), "y");
  Lowered lowered = ir::loop::lower(g, {&from.view, 1});
  if (!lowered.kernel) fail_internal(cat("a copy does not lower: ", lowered.reason));
  lowered.kernel->name = "k_copy";
  add_kernel_step(std::move(*lowered.kernel), {from}, {to}, origin);
}

void Planner::touch(uint32_t buffer) {
  BufferInfo& b = plan_.buffers[buffer];
  int32_t now = static_cast<int32_t>(plan_.steps.size()) - 1;
  if (b.first < 0) b.first = now;
  b.last = now;
}

Step& Planner::add_step(StepKind kind, std::string name, std::vector<Place> in, NodeId origin) {
  Step& s = plan_.steps.emplace_back();
  s.kind = kind;
  s.name = std::move(name);
  s.in = std::move(in);
  const ir::GraphLoc& loc = g_.loc(g_.node(origin).loc);
  s.loc = {loc.file.c_str(), loc.line};
  for (const Place& p : s.in) touch(p.buffer);
  return s;
}

void Planner::add_kernel_step(Kernel kernel, std::vector<Place> in, std::vector<uint32_t> out,
                              NodeId origin) {
  std::string name = kernel.name;
  Step& s = add_step(StepKind::Kernel, std::move(name), std::move(in), origin);
  s.cost = cost_of(kernel);
  s.out = std::move(out);
  for (uint32_t b : s.out) touch(b);
  if (source_ != nullptr) {
    s.native = std::make_shared<NativeSlot>();
    source_->request(kernel, s.native);
  }
  s.block = std::make_unique<Block>(std::move(kernel));
}

/// Results that no step wrote in place: inputs, constants, windows, and values given twice.
void Planner::add_results() {
  std::vector<uint32_t> own;  // per result, in order
  for (uint32_t b = 0; b < plan_.buffers.size(); ++b) {
    Home h = plan_.buffers[b].home;
    if (h == Home::Output || h == Home::Next || h == Home::Guard) own.push_back(b);
  }
  invariant(own.size() == g_.results().size(), "every result has a buffer");
  for (size_t i = 0; i < own.size(); ++i) {
    const ir::GraphResult& r = g_.results()[i];
    const Place& p = place(r.value);
    if (p.buffer == own[i]) continue;
    copy(p, g_.type(r.value), own[i], r.value.node);
  }
}

/// Lets kernels write over operands that die with them.
void Planner::reuse_operands() {
  std::vector<BufferInfo>& buffers = plan_.buffers;
  auto root = [&](uint32_t b) {
    while (buffers[b].same_as != ~0u) b = buffers[b].same_as;
    return b;
  };
  for (int32_t now = 0; now < static_cast<int32_t>(plan_.steps.size()); ++now) {
    const Step& s = plan_.steps[static_cast<size_t>(now)];
    if (s.kind != StepKind::Kernel || s.out.size() != 1) continue;
    BufferInfo& out = buffers[s.out[0]];
    if (out.home != Home::Arena) continue;
    for (size_t i = 0; i < s.in.size(); ++i) {
      uint32_t base = root(s.in[i].buffer);
      size_t readers = 0;
      for (const Place& p : s.in) readers += root(p.buffer) == base;
      bool fits = buffers[base].home == Home::Arena && buffers[base].last == now && readers == 1 &&
                  may_overwrite(s.block->kernel(), static_cast<int>(i), 0) &&
                  shape_numel(buffers[base].shape).same_as(shape_numel(out.shape)) &&
                  buffers[base].dtype == out.dtype;
      if (!fits) continue;
      out.same_as = base;
      buffers[base].last = std::max(buffers[base].last, out.last);
      break;
    }
  }
}

/// Marks the contractions whose weights are the same in every run until somebody sets them. Inside
/// another plan, that one knows about the inputs.
void find_weights_that_stay(Plan& plan, bool nested) {
  auto stays = [&](uint32_t buffer) {
    const BufferInfo& b = plan.buffers[buffer];
    if (b.home == Home::Input && nested) plan.weight_inputs.push_back(b.index);
    return b.home == Home::Constant || (b.home == Home::Input && nested) ||
           (b.home == Home::State && !plan.written[b.index]);
  };
  for (Step& s : plan.steps) {
    if (s.kind == StepKind::Contraction) s.weight_stays = stays(s.in[1].buffer);
    plan.reads_weights |= s.weight_stays;
    for (const std::shared_ptr<const Plan>& body : s.bodies) {
      const size_t first = s.in.size() - body->inputs.size();
      for (uint32_t i : body->weight_inputs) stays(s.in[first + i].buffer);
      plan.reads_weights |= body->reads_weights;
    }
  }
  std::vector<uint32_t>& inputs = plan.weight_inputs;
  std::sort(inputs.begin(), inputs.end());
  inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
}

std::shared_ptr<const Plan> make_plan(std::shared_ptr<const Graph> graph, Shared& shared,
                                      bool nested) {
  std::shared_ptr<const Plan>* known = nested ? &shared.nested[graph.get()] : nullptr;
  if (known != nullptr && *known != nullptr) return *known;
  KnownFacts facts(ir::facts_of(*graph));
  auto plan = std::make_shared<Plan>();
  plan->vendor = shared.vendor;
  plan->graph = graph;
  Graph prepared = *graph;
  plan->prepared = prepare(prepared) ? std::make_shared<const Graph>(std::move(prepared)) : graph;
  Planner(*plan, shared, nested).run();
  if (shared.pack_weights) find_weights_that_stay(*plan, nested);
  if (nested) shared.nested[graph.get()] = plan;
  return plan;
}

}  // namespace

std::shared_ptr<const Plan> make_plan(std::shared_ptr<const Graph> graph, KernelSource* source,
                                      const ContractionLibrary* library, bool pack_weights) {
  Shared shared;
  shared.source = source;
  shared.vendor = library;
  shared.pack_weights = pack_weights && library == nullptr;
  return make_plan(std::move(graph), shared, false);
}

void each_step(const Plan& plan, FunctionRef<void(const Step&)> f) {
  std::unordered_set<const Plan*> seen{&plan};
  std::vector<const Plan*> open{&plan};
  while (!open.empty()) {
    const Plan* p = open.back();
    open.pop_back();
    for (const Step& s : p->steps) {
      f(s);
      for (const auto& body : s.bodies) {
        if (seen.insert(body.get()).second) open.push_back(body.get());
      }
    }
  }
}

}  // namespace etch::runtime
