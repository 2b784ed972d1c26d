#include "onnx_export/lowering.h"

#include "ir/support/error.h"

namespace etch::onnx {
namespace {

constexpr int kMaxDepth = 32;  // of composites in composites

void lower_graph_in_place(Builder& b, const ir::Graph& body, std::span<const std::string> operands,
                          const Builder::Origin& origin, int depth,
                          const std::function<void(size_t, const std::string&)>& result) {
  Frame inner(body);
  for (size_t i = 0; i < body.inputs().size(); ++i) inner.set(body.inputs()[i].value, operands[i]);
  std::vector<ir::Value> roots;
  for (const ir::GraphResult& r : body.results()) roots.push_back(r.value);
  inner.live = live_nodes(body, roots);
  lower_nodes(b, inner, &origin, depth + 1);
  for (size_t i = 0; i < roots.size(); ++i) {
    if (inner.has(roots[i])) result(i, inner.name(roots[i]));
  }
}

/// One node's OnnxWriter.
class NodeWriter : public ir::OnnxWriter {
 public:
  NodeWriter(Builder& b, Frame& frame, ir::NodeId id, int depth)
      : b_(b), frame_(frame), id_(id), node_(frame.graph.node(id)), depth_(depth) {}

  int opset() const override { return b_.opset(); }
  bool require_opset(int n, std::string_view why) override { return b_.require_opset(n, why); }
  bool prefer_opset(int n) override { return b_.prefer_opset(n); }
  void unsupported(std::string_view reason) override { b_.block(reason); }

  const ir::OpDef& op() const override { return *node_.op; }
  const void* attrs() const override {
    static const ir::NoAttrs none;
    return node_.attrs.count() == 0 ? static_cast<const void*>(&none) : node_.attrs.data();
  }
  int count() const override { return static_cast<int>(node_.inputs.size()); }
  int results() const override { return static_cast<int>(node_.outputs.size()); }
  ir::TensorType in_type(int i) const override { return frame_.graph.type(operand(i)); }
  ir::TensorType out_type(int i) const override { return node_.outputs[static_cast<size_t>(i)]; }
  std::string in(int i) override { return frame_.name(operand(i)); }
  const ir::Constant* constant_in(int i) const override {
    return frame_.graph.node(operand(i).node).constant.get();
  }
  std::string out(int i) override {
    ir::Value v{id_, static_cast<uint32_t>(i)};
    if (frame_.has(v)) return frame_.name(v);
    auto wanted = frame_.wanted.find(v);
    frame_.set(v, wanted != frame_.wanted.end() ? wanted->second : b_.fresh(node_.op->name()));
    return frame_.name(v);
  }
  void node_to(std::string_view onnx_op, const ir::OnnxNames& inputs, const ir::OnnxNames& outputs,
               const ir::OnnxAttrs& attrs) override {
    b_.node(onnx_op, inputs, outputs, attrs);
  }
  std::string fresh(std::string_view hint) override { return b_.fresh(hint); }
  void alias(int i, const std::string& name) override {
    frame_.set({id_, static_cast<uint32_t>(i)}, name);
  }
  std::string constant_bytes(DType t, std::span<const int64_t> sizes,
                             std::span<const std::byte> bytes) override {
    return b_.constant_bytes(t, sizes, bytes);
  }
  std::string shape_of(std::span<const Dim> dims) override { return b_.shape_of(dims); }
  std::string dim(Dim d) override { return b_.dim(d); }

  void inline_body() override {
    ir::Graph body;
    ir::GraphEmitter emitter(body);
    ir::Vars operands;
    std::vector<std::string> names;
    for (int i = 0; i < count(); ++i) {
      operands.push_back(emitter.var(body.add_input(cat("x", i), in_type(i))));
      names.push_back(in(i));
    }
    ir::Vars results = node_.op->body(ir::Call(*node_.op, attrs(), operands));
    for (const ir::Var& r : results) body.add_result(ir::GraphEmitter::value(r), "y");
    lower_graph_in_place(
        b_, body, names, b_.origin(), depth_,
        [&](size_t i, const std::string& name) { alias(static_cast<int>(i), name); });
  }

  void inline_fusion() {
    std::vector<std::string> names;
    for (int i = 0; i < count(); ++i) names.push_back(in(i));
    lower_graph_in_place(
        b_, *node_.body, names, b_.origin(), depth_,
        [&](size_t i, const std::string& name) { alias(static_cast<int>(i), name); });
  }

  /// The ONNX operator of the rule with the same operands and attributes.
  void plain() {
    ir::OnnxNames inputs, outputs;
    for (int i = 0; i < count(); ++i) inputs.push_back(in(i));
    for (int i = 0; i < results(); ++i) outputs.push_back(out(i));
    b_.node(node_.op->info.onnx.op, inputs, outputs, plain_attrs());
  }

 private:
  ir::Value operand(int i) const { return node_.inputs[static_cast<size_t>(i)]; }

  ir::OnnxAttrs plain_attrs() {
    ir::OnnxAttrs out;
    for (int i = 0; i < node_.attrs.count(); ++i) {
      ir::AttrValue v = node_.attrs.get(i);
      std::string name(node_.attrs.name(i));
      if (auto* flag = std::get_if<bool>(&v)) out.push_back({name, int64_t{*flag}});
      if (auto* integer = std::get_if<int64_t>(&v)) out.push_back({name, *integer});
      if (auto* real = std::get_if<double>(&v)) out.push_back({name, *real});
      if (auto* dtype = std::get_if<DType>(&v)) out.push_back({name, *dtype});
      if (auto* number = std::get_if<ir::Number>(&v)) out.push_back({name, *number});
      if (auto* axes = std::get_if<Axes>(&v)) out.push_back({name, *axes});
      if (auto* word = std::get_if<std::string>(&v)) out.push_back({name, *word});
      if (auto* shape = std::get_if<Shape>(&v)) {
        Axes sizes;
        for (Dim d : *shape) {
          if (!d.is_const())
            return unsupported(cat("attribute ", name, " is the symbolic size ", d)), out;
          sizes.push_back(d.value());
        }
        out.push_back({name, sizes});
      }
    }
    return out;
  }

  Builder& b_;
  Frame& frame_;
  ir::NodeId id_;
  const ir::Node& node_;
  int depth_;
};

void lower_node(NodeWriter& w, const ir::OpDef& op, const ir::Node& n) {
  const ir::OnnxRule& rule = op.info.onnx;
  if (ir::is_fusion(n)) return w.inline_fusion();
  if (op.to_onnx != nullptr) return op.to_onnx(w);
  bool has_body = op.body != nullptr;
  if (!rule.op.empty() && has_body) {
    // The operator itself where the opset has it, else what it is made of.
    return w.prefer_opset(rule.since) ? w.plain() : w.inline_body();
  }
  if (!rule.op.empty()) {
    if (w.require_opset(rule.since, cat(rule.op, " means the same"))) w.plain();
    return;
  }
  if (rule.via_body && has_body) return w.inline_body();
  w.unsupported(rule.reason.empty() ? "ONNX has no such operator" : rule.reason);
}

std::string where_text(const ir::GraphLoc& loc) {
  if (loc.line == 0) return "";
  size_t slash = loc.file.rfind('/');
  return cat(slash == std::string::npos ? loc.file : loc.file.substr(slash + 1), ":", loc.line);
}

}  // namespace

std::vector<bool> live_nodes(const ir::Graph& g, std::span<const ir::Value> roots) {
  std::vector<bool> live(g.capacity(), false);
  std::vector<ir::NodeId> work;
  auto visit = [&](ir::Value v) {
    if (live[v.node]) return;
    live[v.node] = true;
    work.push_back(v.node);
  };
  for (ir::Value v : roots) visit(v);
  while (!work.empty()) {
    const ir::Node& n = g.node(work.back());
    work.pop_back();
    for (ir::Value v : n.inputs) visit(v);
  }
  return live;
}

void lower_nodes(Builder& b, Frame& frame, const Builder::Origin* outer, int depth) {
  if (depth > kMaxDepth) return b.block("its body nests too deep");
  for (ir::NodeId id : frame.graph) {
    const ir::Node& n = frame.graph.node(id);
    if (!frame.live[id] || ir::is_input(n)) continue;
    if (ir::is_constant(n)) {
      frame.set({id, 0}, b.constant(*n.constant));
      continue;
    }
    if (outer == nullptr) {
      b.set_origin({std::string(n.op->name()), frame.graph.scope(n.scope),
                    where_text(frame.graph.loc(n.loc))});
    }
    NodeWriter w(b, frame, id, depth);
    size_t blocked = b.blocked();
    lower_node(w, *n.op, n);
    for (uint32_t i = 0; i < n.outputs.size(); ++i) {
      ir::Value v{id, i};
      if (!frame.has(v)) {
        // After a blocker anything will do; without one the operator forgot a result.
        invariant(b.blocked() > blocked, "an operator's ONNX form left a result out");
        frame.set(v, b.fresh("missing"));
      }
      b.set_dtype(frame.name(v), n.outputs[i].dtype);
      if (outer == nullptr) b.describe(frame.name(v), n.outputs[i]);
    }
  }
}

}  // namespace etch::onnx
