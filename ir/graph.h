// The SSA graph: functional, typed, owned in a slab with stable 32-bit ids.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/op.h"
#include "ir/support/function_ref.h"
#include "ir/support/hash.h"

namespace etch::ir {

using NodeId = uint32_t;
inline constexpr NodeId kNoNode = ~NodeId{0};

/// Result `index` of node `node`.
struct Value {
  NodeId node = kNoNode;
  uint32_t index = 0;
  bool operator==(const Value&) const = default;
  bool valid() const { return node != kNoNode; }
};
struct ValueHash {
  size_t operator()(Value v) const { return (size_t{v.node} << 4) ^ v.index; }
};

/// Operand `operand` of node `user`.
struct Use {
  NodeId user = kNoNode;
  uint32_t operand = 0;
  bool operator==(const Use&) const = default;
};

/// Immutable tensor contents, shared between graphs. Row-major, little endian.
struct Constant {
  DType dtype = DType::F32;
  Sizes sizes;
  std::shared_ptr<const void> data;
  size_t bytes = 0;
  Hash128 hash;  // of the bytes; names the constant in the text form
};
std::shared_ptr<const Constant> make_constant(DType dtype, std::span<const int64_t> sizes,
                                              std::shared_ptr<const void> data);

class Graph;

struct Node {
  const OpDef* op = nullptr;  // null once erased
  SmallVec<Value, 4> inputs;
  Types outputs;
  AttrBox attrs;
  std::shared_ptr<const Constant> constant;  // op "constant"
  std::shared_ptr<const Graph> body;         // op "fusion": what it computes
  std::vector<Use> uses;                     // of all outputs
  NodeId prev = kNoNode;
  NodeId next = kNoNode;
  uint32_t scope = 0;  // Graph::scope()
  uint32_t loc = 0;    // Graph::loc()
  bool erased() const { return op == nullptr; }
};

enum class InputKind : uint8_t {
  Input,  // given by the caller at each call
  State,  // a parameter, buffer or counter; lives in the program's State
};
struct GraphInput {
  Value value;
  std::string name;
  InputKind kind = InputKind::Input;
};
/// What a guard allows. The value, a rank-0 bool or integer, decided the recorded run's course on
/// the host; another value means that the graph does not hold.
struct GuardRange {
  int64_t low = 0;
  int64_t high = 0;
  bool operator==(const GuardRange&) const = default;
};
/// A result. `state` is the index of the input it is written back to, or -1.
struct GraphResult {
  Value value;
  std::string name;
  int state = -1;
  std::optional<GuardRange> guard = {};
  uint32_t loc = 0;  // Graph::loc() of the host's decision, for guards
  /// Neither written back nor checked, but handed out.
  bool for_caller() const { return state < 0 && !guard; }
};
/// A named size with the values it may take.
struct SymbolRange {
  Dim symbol;
  int64_t low = 0;
  int64_t high = (int64_t{1} << 61) - 1;
};

/// A relation between sizes that the graph relies on: an operator needed two sizes to be equal, or
/// a branch was taken. Checked when a program binds its inputs.
struct Constraint {
  Dim lhs;
  Relation relation = Relation::Equal;
  Dim rhs;
  uint32_t loc = 0;  // Graph::loc() of what needed it
};

/// A user's source line, kept as text so that it survives saving.
struct GraphLoc {
  std::string file;
  uint32_t line = 0;
};

/// Nodes in a doubly linked list whose order is a topological order. Mutators keep use lists.
class Graph {
 public:
  Graph();
  Graph(const Graph&) = default;
  Graph(Graph&&) = default;
  Graph& operator=(const Graph&) = default;
  Graph& operator=(Graph&&) = default;

  std::string name = "main";
  std::vector<SymbolRange> symbols;
  std::vector<Constraint> constraints;

  const Node& node(NodeId id) const { return nodes_[id]; }
  const TensorType& type(Value v) const { return nodes_[v.node].outputs[v.index]; }
  /// Ids run from 0 to capacity(); some are erased.
  NodeId capacity() const { return static_cast<NodeId>(nodes_.size()); }
  size_t size() const { return live_; }
  NodeId first() const { return first_; }
  NodeId last() const { return last_; }
  const std::vector<GraphInput>& inputs() const { return inputs_; }
  const std::vector<GraphResult>& results() const { return results_; }
  /// True when v is some result of the graph.
  bool is_result(Value v) const;

  /// Adds an input; inputs come before every other node.
  Value add_input(std::string name, TensorType type, InputKind kind = InputKind::Input);
  Value add_constant(std::shared_ptr<const Constant> constant, NodeId before = kNoNode);
  /// Adds a node with the given result types, at the end or before another node.
  NodeId add_node(const OpDef& op, std::span<const Value> inputs, AttrBox attrs, Types outputs,
                  NodeId before = kNoNode);
  /// Adds a fusion node running `body` (one operand per body input, one result per body result).
  NodeId add_fusion(std::shared_ptr<const Graph> body, std::span<const Value> inputs,
                    NodeId before = kNoNode);
  void add_result(Value v, std::string name, int state = -1);
  void add_guard(Value v, std::string name, GuardRange range, uint32_t loc = 0);
  void set_result(size_t i, Value v);

  /// Given %3 = f(%1, %2), set_operand(%3, 0, %4): %3 = f(%4, %2).
  void set_operand(NodeId id, uint32_t operand, Value v);
  /// Every use of `from`, results included, becomes a use of `to`.
  void replace_uses(Value from, Value to);
  /// Removes a node without uses. Its id is never used again.
  void erase(NodeId id);
  /// Moves a node in the order; the caller keeps operands before users.
  void move_before(NodeId id, NodeId before);
  void move_to_end(NodeId id);
  /// Removes input i, which has no uses.
  void erase_input(size_t i);
  void set_output_type(Value v, TensorType t) { nodes_[v.node].outputs[v.index] = std::move(t); }
  void set_attrs(NodeId id, AttrBox attrs) { nodes_[id].attrs = std::move(attrs); }
  void set_body(NodeId id, GraphRef body) { nodes_[id].body = std::move(body); }
  void rename_input(size_t i, std::string name) { inputs_[i].name = std::move(name); }

  /// Adds a constraint, stamped with `loc`, unless the ranges and constraints so far imply it.
  void require(Dim lhs, Relation relation, Dim rhs, uint32_t loc = 0);
  /// Takes over what `other` says about sizes: for the body of a node of `other`.
  void assume_sizes(const Graph& other);

  // Scope paths ("encoder.layer.3") and source lines; entry 0 is "unknown".
  uint32_t intern_scope(std::string_view path);
  uint32_t intern_loc(std::string_view file, uint32_t line);
  const std::string& scope(uint32_t id) const { return scopes_[id]; }
  const GraphLoc& loc(uint32_t id) const { return locs_[id]; }
  /// What add_node stamps on new nodes.
  void set_origin(uint32_t scope, uint32_t loc) {
    current_scope_ = scope;
    current_loc_ = loc;
  }
  void copy_origin(NodeId to, const Graph& from_graph, NodeId from);

  /// Range over live nodes in order; the current node may be erased while looping.
  class Iterator {
   public:
    Iterator(const Graph* g, NodeId at) : g_(g), at_(at) {
      next_ = at_ == kNoNode ? kNoNode : g_->nodes_[at_].next;
    }
    NodeId operator*() const { return at_; }
    Iterator& operator++() {
      at_ = next_;
      next_ = at_ == kNoNode ? kNoNode : g_->nodes_[at_].next;
      return *this;
    }
    bool operator!=(const Iterator& o) const { return at_ != o.at_; }

   private:
    const Graph* g_;
    NodeId at_, next_;
  };
  Iterator begin() const { return {this, first_}; }
  Iterator end() const { return {this, kNoNode}; }

 private:
  void link(NodeId id, NodeId before);
  void unlink(NodeId id);
  void drop_use(Value v, Use use);

  std::vector<Node> nodes_;
  NodeId first_ = kNoNode, last_ = kNoNode;
  NodeId last_input_ = kNoNode;
  size_t live_ = 0;
  std::vector<GraphInput> inputs_;
  std::vector<GraphResult> results_;
  std::vector<std::string> scopes_;
  std::vector<GraphLoc> locs_;
  std::unordered_map<std::string, uint32_t> scope_ids_, loc_ids_;
  uint32_t current_scope_ = 0, current_loc_ = 0;
};

/// The ranges and constraints of `g`. KnownFacts(facts_of(g)) lets inference and lowering use them.
DimFacts facts_of(const Graph& g);

/// Index of the first constraint that does not hold under `bindings` (one that cannot be computed,
/// as it divides by 0, does not hold), or -1.
int first_violated(std::span<const Constraint> constraints,
                   std::span<const SymbolBinding> bindings);

// The structural operators.
const OpDef& input_op();
const OpDef& constant_op();
const OpDef& fusion_op();
inline bool is_input(const Node& n) { return n.op == &input_op(); }
inline bool is_constant(const Node& n) { return n.op == &constant_op(); }
inline bool is_fusion(const Node& n) { return n.op == &fusion_op(); }

/// The result types of `op` on operands of the given types; raises UserError.
Types infer_types(const OpDef& op, std::span<const TensorType> in, const void* attrs);

/// Records operators into a graph; a Var's payload is a Value.
class GraphEmitter : public Emitter {
 public:
  explicit GraphEmitter(Graph& graph, NodeId before = kNoNode) : graph_(graph), before_(before) {}
  Vars emit(const OpDef& op, std::span<const Var> operands, const void* attrs) override;
  TensorType type_of(uint64_t payload) const override { return graph_.type(unpack(payload)); }
  Var constant(const std::shared_ptr<const Constant>& contents) override {
    return var(graph_.add_constant(contents, before_));
  }
  Var var(Value v) { return Var(this, pack(v)); }
  static Value value(const Var& v) { return unpack(v.payload()); }
  Graph& graph() { return graph_; }

  static uint64_t pack(Value v) { return (uint64_t{v.node} << 32) | v.index; }
  static Value unpack(uint64_t p) {
    return {static_cast<NodeId>(p >> 32), static_cast<uint32_t>(p)};
  }

 private:
  Graph& graph_;
  NodeId before_;
};

/// The graphs that a node runs: the body of a fusion, the graph attributes of control flow.
std::vector<GraphRef> bodies_of(const Node& n);

/// Emits the nodes of `g`, which has neither state nor guards, with `operands` for its inputs;
/// returns its results.
Vars replay(const Graph& g, Emitter& emitter, std::span<const Var> operands);

/// The same graph with every size replaced by number(size), in nested graphs too; what it says
/// about symbols is left out.
GraphRef with_sizes(const Graph& g, FunctionRef<Dim(Dim)> number);
/// A copy of attributes treated the same way; null when they hold no symbolic size.
std::shared_ptr<void> with_sizes(const AttrSchema& schema, const void* attrs,
                                 FunctionRef<Dim(Dim)> number);

/// Copies the nodes of `from` into `to` (before `before`), with `operands` for its inputs; returns
/// the values of its results.
std::vector<Value> inline_graph(Graph& to, const Graph& from, std::span<const Value> operands,
                                NodeId before = kNoNode);

}  // namespace etch::ir
