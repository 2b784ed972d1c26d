#include "ir/graph.h"

#include <algorithm>

#include "ir/facts.h"

namespace etch::ir {
namespace {

const OpDef* structural(std::string_view name, int max_operands) {
  auto* def = new OpDef;  // lives as long as the process
  def->info.name = name;
  def->info.onnx = kNoOnnx("made by the graph itself");
  def->kind = OpKind::Structural;
  def->max_operands = max_operands;
  def->schema = &attr_schema<NoAttrs>();
  return def;
}

}  // namespace

const OpDef& input_op() {
  static const OpDef* def = structural("input", 0);
  return *def;
}
const OpDef& constant_op() {
  static const OpDef* def = structural("constant", 0);
  return *def;
}
const OpDef& fusion_op() {
  static const OpDef* def = structural("fusion", 1 << 20);
  return *def;
}

std::shared_ptr<const Constant> make_constant(DType dtype, std::span<const int64_t> sizes,
                                              std::shared_ptr<const void> data) {
  auto c = std::make_shared<Constant>();
  c->dtype = dtype;
  c->sizes = Sizes(sizes);
  Dim n = shape_numel(to_shape(sizes));
  c->bytes = static_cast<size_t>(n.value()) * itemsize(dtype);
  c->data = std::move(data);
  c->hash = hash128({static_cast<const std::byte*>(c->data.get()), c->bytes});
  return c;
}

Graph::Graph() {
  scopes_.emplace_back();
  locs_.emplace_back();
}

bool Graph::is_result(Value v) const {
  return std::any_of(results_.begin(), results_.end(), [&](auto& r) { return r.value == v; });
}

void Graph::link(NodeId id, NodeId before) {
  Node& n = nodes_[id];
  if (before == kNoNode) {
    n.prev = last_;
    n.next = kNoNode;
    (last_ == kNoNode ? first_ : nodes_[last_].next) = id;
    last_ = id;
    return;
  }
  Node& b = nodes_[before];
  n.next = before;
  n.prev = b.prev;
  (b.prev == kNoNode ? first_ : nodes_[b.prev].next) = id;
  b.prev = id;
}

void Graph::unlink(NodeId id) {
  Node& n = nodes_[id];
  (n.prev == kNoNode ? first_ : nodes_[n.prev].next) = n.next;
  (n.next == kNoNode ? last_ : nodes_[n.next].prev) = n.prev;
  n.prev = n.next = kNoNode;
}

void Graph::drop_use(Value v, Use use) {
  auto& uses = nodes_[v.node].uses;
  // From the end: what is erased was mostly added last.
  auto it = std::find(uses.rbegin(), uses.rend(), use);
  invariant(it != uses.rend(), "a use list lost an entry");
  *it = uses.back();
  uses.pop_back();
}

NodeId Graph::add_node(const OpDef& op, std::span<const Value> inputs, AttrBox attrs, Types outputs,
                       NodeId before) {
  NodeId id = capacity();
  Node& n = nodes_.emplace_back();
  n.op = &op;
  n.inputs = SmallVec<Value, 4>(inputs);
  n.outputs = std::move(outputs);
  n.attrs = std::move(attrs);
  n.scope = current_scope_;
  n.loc = current_loc_;
  for (uint32_t i = 0; i < inputs.size(); ++i) nodes_[inputs[i].node].uses.push_back({id, i});
  link(id, before);
  ++live_;
  return id;
}

Value Graph::add_input(std::string input_name, TensorType type, InputKind kind) {
  NodeId before = last_input_ == kNoNode ? first_ : nodes_[last_input_].next;
  NodeId id = add_node(input_op(), {}, {}, {std::move(type)}, before);
  last_input_ = id;
  inputs_.push_back({{id, 0}, std::move(input_name), kind});
  return {id, 0};
}

Value Graph::add_constant(std::shared_ptr<const Constant> constant, NodeId before) {
  TensorType type{constant->dtype, to_shape(constant->sizes)};
  NodeId id = add_node(constant_op(), {}, {}, {std::move(type)}, before);
  nodes_[id].constant = std::move(constant);
  return {id, 0};
}

NodeId Graph::add_fusion(std::shared_ptr<const Graph> body, std::span<const Value> inputs,
                         NodeId before) {
  Types outputs;
  for (const GraphResult& r : body->results()) outputs.push_back(body->type(r.value));
  NodeId id = add_node(fusion_op(), inputs, {}, std::move(outputs), before);
  nodes_[id].body = std::move(body);
  return id;
}

void Graph::add_result(Value v, std::string result_name, int state) {
  results_.push_back({v, std::move(result_name), state});
}
void Graph::add_guard(Value v, std::string guard_name, GuardRange range, uint32_t loc) {
  results_.push_back({v, std::move(guard_name), -1, range, loc});
}
void Graph::set_result(size_t i, Value v) { results_[i].value = v; }

void Graph::set_operand(NodeId id, uint32_t operand, Value v) {
  drop_use(nodes_[id].inputs[operand], {id, operand});
  nodes_[id].inputs[operand] = v;
  nodes_[v.node].uses.push_back({id, operand});
}

void Graph::replace_uses(Value from, Value to) {
  if (from == to) return;
  std::vector<Use> uses = std::exchange(nodes_[from.node].uses, {});
  for (Use u : uses) {
    Value& operand = nodes_[u.user].inputs[u.operand];
    bool moves = operand == from;
    if (moves) operand = to;
    nodes_[moves ? to.node : from.node].uses.push_back(u);
  }
  for (GraphResult& r : results_) {
    if (r.value == from) r.value = to;
  }
}

void Graph::erase(NodeId id) {
  Node& n = nodes_[id];
  invariant(n.uses.empty(), "erase() of a node that still has uses");
  for (uint32_t i = 0; i < n.inputs.size(); ++i) drop_use(n.inputs[i], {id, i});
  if (last_input_ == id) last_input_ = n.prev;
  unlink(id);
  n = Node{};
  --live_;
}

void Graph::move_before(NodeId id, NodeId before) {
  unlink(id);
  link(id, before);
}
void Graph::move_to_end(NodeId id) {
  unlink(id);
  link(id, kNoNode);
}

void Graph::erase_input(size_t i) {
  erase(inputs_[i].value.node);
  inputs_.erase(inputs_.begin() + static_cast<std::ptrdiff_t>(i));
  for (GraphResult& r : results_) {
    invariant(r.state != static_cast<int>(i), "erase_input() of a state that is written");
    if (r.state > static_cast<int>(i)) --r.state;
  }
}

void Graph::require(Dim lhs, Relation relation, Dim rhs, uint32_t loc) {
  if (dim_holds(lhs, relation, rhs, facts_of(*this)) == Truth::Yes) return;
  constraints.push_back({lhs, relation, rhs, loc});
}

void Graph::assume_sizes(const Graph& other) {
  const SymbolRange any;
  for (const SymbolRange& s : other.symbols) {
    if (s.low != any.low || s.high != any.high) symbols.push_back(s);
  }
  for (const Constraint& c : other.constraints) {
    constraints.push_back({c.lhs, c.relation, c.rhs, 0});
  }
}

DimFacts facts_of(const Graph& g) {
  DimFacts facts;
  for (const SymbolRange& s : g.symbols) facts.add_range(s.symbol, s.low, s.high);
  for (const Constraint& c : g.constraints) facts.add(c.lhs, c.relation, c.rhs);
  return facts;
}

int first_violated(std::span<const Constraint> constraints,
                   std::span<const SymbolBinding> bindings) {
  for (size_t i = 0; i < constraints.size(); ++i) {
    const Constraint& c = constraints[i];
    try {
      int64_t a = dim_eval(c.lhs, bindings), b = dim_eval(c.rhs, bindings);
      if (!relation_holds(a, c.relation, b)) return static_cast<int>(i);
    } catch (const UserError&) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

uint32_t Graph::intern_scope(std::string_view path) {
  if (path.empty()) return 0;
  auto [it, fresh] =
      scope_ids_.try_emplace(std::string(path), static_cast<uint32_t>(scopes_.size()));
  if (fresh) scopes_.emplace_back(path);
  return it->second;
}

uint32_t Graph::intern_loc(std::string_view file, uint32_t line) {
  if (line == 0) return 0;
  auto [it, fresh] =
      loc_ids_.try_emplace(cat(file, ":", line), static_cast<uint32_t>(locs_.size()));
  if (fresh) locs_.push_back({std::string(file), line});
  return it->second;
}

void Graph::copy_origin(NodeId to, const Graph& from_graph, NodeId from) {
  const Node& source = from_graph.node(from);
  const GraphLoc& l = from_graph.loc(source.loc);
  uint32_t scope_id = intern_scope(from_graph.scope(source.scope));
  uint32_t loc_id = intern_loc(l.file, l.line);
  nodes_[to].scope = scope_id;
  nodes_[to].loc = loc_id;
}

Types infer_types(const OpDef& op, std::span<const TensorType> in, const void* attrs) {
  Infer c{op, in, attrs};
  if (static_cast<int>(in.size()) < op.min_operands ||
      static_cast<int>(in.size()) > op.max_operands) {
    c.fail(cat("expected ", op.min_operands,
               op.min_operands == op.max_operands ? "" : cat(" to ", op.max_operands),
               " operands, got ", in.size()));
  }
  for (int i = op.typed_from; i < std::min<int>(static_cast<int>(in.size()), op.typed_to); ++i) {
    DType t = in[static_cast<size_t>(i)].dtype;
    if (!contains(op.info.types, t)) {
      c.fail(cat("operand ", i, " is ", in[static_cast<size_t>(i)], ", which it does not take"),
             "Cast it first; docs/ops.md lists the dtypes");
    }
  }
  Types out;
  op.infer(c, out);
  return out;
}

Vars GraphEmitter::emit(const OpDef& op, std::span<const Var> operands, const void* attrs) {
  SmallVec<Value, 4> inputs;
  Types types;
  for (const Var& v : operands) {
    inputs.push_back(value(v));
    types.push_back(graph_.type(value(v)));
  }
  Types outputs = infer_types(op, types, attrs);
  AttrBox box = attrs == nullptr ? AttrBox{} : AttrBox::copy(*op.schema, attrs);
  NodeId id = graph_.add_node(op, inputs, std::move(box), std::move(outputs), before_);
  Vars out;
  for (uint32_t i = 0; i < graph_.node(id).outputs.size(); ++i) out.push_back(var({id, i}));
  return out;
}

std::vector<GraphRef> bodies_of(const Node& n) {
  std::vector<GraphRef> out;
  if (n.body != nullptr) out.push_back(n.body);
  if (!n.op->is_control()) return out;
  for (int i = 0; i < n.attrs.count(); ++i) {
    AttrValue v = n.attrs.get(i);
    if (auto* g = std::get_if<GraphRef>(&v); g != nullptr && *g != nullptr) out.push_back(*g);
  }
  return out;
}

Vars replay(const Graph& g, Emitter& emitter, std::span<const Var> operands) {
  std::vector<Vars> values(g.capacity());
  for (size_t i = 0; i < g.inputs().size(); ++i) {
    values[g.inputs()[i].value.node] = {operands[i]};
  }
  for (NodeId id : g) {
    const Node& n = g.node(id);
    if (is_input(n)) continue;
    if (is_constant(n)) {
      values[id] = {emitter.constant(n.constant)};
      continue;
    }
    Vars in;
    for (Value v : n.inputs) in.push_back(values[v.node][v.index]);
    const NoAttrs none;
    values[id] = is_fusion(n)
                     ? replay(*n.body, emitter, in)
                     : emitter.emit(*n.op, in, n.attrs.count() == 0 ? &none : n.attrs.data());
  }
  Vars out;
  for (const GraphResult& r : g.results()) out.push_back(values[r.value.node][r.value.index]);
  return out;
}

namespace {

bool has_sizes(const Graph& g) {
  for (NodeId id : g) {
    for (const TensorType& t : g.node(id).outputs) {
      if (!is_static(t.shape)) return true;
    }
  }
  return !g.symbols.empty();
}

}  // namespace

std::shared_ptr<void> with_sizes(const AttrSchema& schema, const void* attrs,
                                 FunctionRef<Dim(Dim)> number) {
  // Every call of an operator with attributes comes by here: look at fields where they lie.
  constexpr const AttrValue* kAny = nullptr;
  constexpr uint8_t kShape = detail::index_of<Shape>(kAny);
  constexpr uint8_t kGraph = detail::index_of<GraphRef>(kAny);
  std::shared_ptr<void> copy;
  for (int i = 0; i < schema.count; ++i) {
    const uint8_t kind = schema.fields[i].kind;
    if (kind != kShape && kind != kGraph) continue;
    const void* field = schema.field(const_cast<void*>(attrs), i);
    const auto* shape = static_cast<const Shape*>(kind == kShape ? field : nullptr);
    const auto* graph = static_cast<const GraphRef*>(kind == kGraph ? field : nullptr);
    if (shape != nullptr && is_static(*shape)) continue;
    if (graph != nullptr && (*graph == nullptr || !has_sizes(**graph))) continue;
    if (copy == nullptr) copy = schema.clone(attrs);
    if (shape != nullptr) {
      for (Dim& d : *static_cast<Shape*>(schema.field(copy.get(), i))) d = number(d);
    } else {
      *static_cast<GraphRef*>(schema.field(copy.get(), i)) = with_sizes(**graph, number);
    }
  }
  return copy;
}

GraphRef with_sizes(const Graph& g, FunctionRef<Dim(Dim)> number) {
  auto out = std::make_shared<Graph>(g);
  out->symbols.clear();
  out->constraints.clear();
  for (NodeId id : g) {
    const Node& n = g.node(id);
    for (uint32_t i = 0; i < n.outputs.size(); ++i) {
      TensorType t = n.outputs[i];
      for (Dim& d : t.shape) d = number(d);
      out->set_output_type({id, i}, std::move(t));
    }
    if (n.body != nullptr) out->set_body(id, with_sizes(*n.body, number));
    if (n.attrs.count() == 0) continue;
    if (auto attrs = with_sizes(*n.op->schema, n.attrs.data(), number)) {
      out->set_attrs(id, AttrBox(*n.op->schema, std::move(attrs)));
    }
  }
  return out;
}

std::vector<Value> inline_graph(Graph& to, const Graph& from, std::span<const Value> operands,
                                NodeId before) {
  std::unordered_map<Value, Value, ValueHash> map;
  for (size_t i = 0; i < from.inputs().size(); ++i) map[from.inputs()[i].value] = operands[i];
  for (NodeId id : from) {
    const Node& n = from.node(id);
    if (is_input(n)) continue;
    SmallVec<Value, 4> inputs;
    for (Value v : n.inputs) inputs.push_back(map.at(v));
    NodeId copy = kNoNode;
    if (is_constant(n)) {
      copy = to.add_constant(n.constant, before).node;
    } else if (is_fusion(n)) {
      copy = to.add_fusion(n.body, inputs, before);
    } else {
      copy = to.add_node(*n.op, inputs, n.attrs, n.outputs, before);
    }
    if (n.scope != 0 || n.loc != 0) to.copy_origin(copy, from, id);
    for (uint32_t i = 0; i < n.outputs.size(); ++i) map[{id, i}] = {copy, i};
  }
  std::vector<Value> results;
  for (const GraphResult& r : from.results()) results.push_back(map.at(r.value));
  return results;
}

}  // namespace etch::ir
