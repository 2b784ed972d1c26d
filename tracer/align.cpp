#include "tracer/align.h"

#include <cstring>

#include "ir/text.h"

namespace etch::tracer {
namespace {

using ir::Node;
using ir::NodeId;
using ir::Value;

std::string place(const ir::GraphLoc& l) {
  std::string text = to_text(SourceLoc(l.file.c_str(), l.line));
  return text.empty() ? "an unknown line" : text;
}

/// The graph's inputs of kind Input, in order; they belong to TraceData::inputs.
std::vector<const ir::GraphInput*> declared(const TraceData& d) {
  std::vector<const ir::GraphInput*> out;
  for (const ir::GraphInput& in : d.graph.inputs()) {
    if (in.kind == ir::InputKind::Input) out.push_back(&in);
  }
  return out;
}

/// The symbols of `of` under the input sizes of `at`.
SymbolBindings bind_sizes(const TraceData& of, const TraceData& at) {
  SymbolBindings out;
  std::vector<const ir::GraphInput*> inputs = declared(of);
  for (size_t i = 0; i < inputs.size() && i < at.input_sizes.size(); ++i) {
    const Shape& shape = of.graph.type(inputs[i]->value).shape;
    const Sizes& sizes = at.input_sizes[i];
    for (size_t k = 0; k < shape.size() && k < sizes.size(); ++k) {
      if (!shape[k].is_const()) out.push_back({shape[k], sizes[k]});
    }
  }
  return out;
}

/// One recording while it is walked; inputs and constants are compared where they are used.
struct Cursor {
  explicit Cursor(const TraceData& d) : data(d), at(d.graph.first()) { skip(); }
  void skip() {
    while (at != ir::kNoNode) {
      const Node& n = data.graph.node(at);
      if (!ir::is_input(n) && !ir::is_constant(n)) return;
      at = n.next;
    }
  }
  void next() {
    at = data.graph.node(at).next;
    ++steps;
    skip();
  }
  /// The guard in front of the next operator, or null.
  const TraceGuard* guard() const {
    bool here = guards < data.guards.size() && data.guards[guards].at <= steps;
    return here ? &data.guards[guards] : nullptr;
  }
  std::string text() const {
    if (at == ir::kNoNode) return "the end";
    const Node& n = data.graph.node(at);
    return cat(ir::print_node(data.graph, at), " (", place(data.graph.loc(n.loc)), ")");
  }

  const TraceData& data;
  NodeId at;
  size_t steps = 0;   // operators before `at`
  size_t guards = 0;  // passed so far
};

class Comparison {
 public:
  Comparison(const TraceData& a, const TraceData& b)
      : a_(a),
        b_(b),
        x_(a),
        y_(b),
        a_at_a_(bind_sizes(a, a)),
        a_at_b_(bind_sizes(a, b)),
        b_at_a_(bind_sizes(b, a)),
        partner_(a.graph.capacity(), ir::kNoNode) {}

  Alignment run() {
    Alignment out;
    for (;;) {
      if (!pass_guards(out)) return out;
      if (x_.at == ir::kNoNode && y_.at == ir::kNoNode) break;
      if (x_.at == ir::kNoNode || y_.at == ir::kNoNode || !same_node(x_.at, y_.at)) {
        out.difference = cat("one run does ", x_.text(), ", the other ", y_.text());
        return out;
      }
      partner_[x_.at] = y_.at;
      x_.next();
      y_.next();
    }
    if (!same_results()) out.difference = "the runs return or write back different values";
    return out;
  }

 private:
  /// Passes the guards in front of the next operators. False when the recordings part or differ.
  bool pass_guards(Alignment& out) {
    for (;;) {
      const TraceGuard *g = x_.guard(), *h = y_.guard();
      if (g != nullptr && g->on_sizes()) {
        if (!holds(*g, a_at_b_)) return part(out);
        ++x_.guards;
      } else if (h != nullptr && h->on_sizes()) {
        if (!holds(*h, b_at_a_)) return part(out);
        ++y_.guards;
      } else if (g == nullptr && h == nullptr) {
        return true;
      } else {
        if (g == nullptr || h == nullptr || g->what != h->what || !same_guarded(*g, *h)) {
          const TraceGuard& only = g != nullptr ? *g : *h;
          out.difference =
              cat("the host asks for ", only.what, " (", place(only.loc), ") in one run");
          return false;
        }
        if (range(a_, *g) != range(b_, *h)) return part(out);
        ++x_.guards;
        ++y_.guards;
      }
    }
  }
  bool part(Alignment& out) const {
    out.parted_at = static_cast<int>(y_.guards);
    return false;
  }

  static ir::GuardRange range(const TraceData& d, const TraceGuard& g) {
    return *d.graph.results()[static_cast<size_t>(g.result)].guard;
  }
  bool same_guarded(const TraceGuard& g, const TraceGuard& h) const {
    return same_value(a_.graph.results()[static_cast<size_t>(g.result)].value,
                      b_.graph.results()[static_cast<size_t>(h.result)].value);
  }
  static bool holds(const TraceGuard& g, const SymbolBindings& sizes) {
    ir::Constraint c{g.lhs, g.relation, g.rhs};
    return ir::first_violated({&c, 1}, sizes) < 0;
  }

  bool same_dim(Dim x, Dim y) const {
    if (x.same_as(y)) return true;
    try {
      return dim_eval(x, a_at_a_) == dim_eval(y, b_at_a_);
    } catch (const UserError&) {  // no size of an input: nothing to compare by
      return false;
    }
  }
  bool same_dims(const Shape& x, const Shape& y) const {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                      [&](Dim p, Dim q) { return same_dim(p, q); });
  }
  bool same_types(const ir::Types& x, const ir::Types& y) const {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), [&](const auto& p, const auto& q) {
      return p.dtype == q.dtype && same_dims(p.shape, q.shape);
    });
  }

  bool same_bodies(const ir::Graph& x, const ir::Graph& y) const {
    auto at = [](const SymbolBindings& sizes) {
      return [&](Dim d) { return d.is_const() ? d : Dim(dim_eval(d, sizes)); };
    };
    return ir::same_graph(*ir::with_sizes(x, at(a_at_a_)), *ir::with_sizes(y, at(b_at_a_)));
  }

  bool same_attrs(const ir::AttrBox& x, const ir::AttrBox& y) const {
    for (int i = 0; i < x.count(); ++i) {
      ir::AttrValue p = x.get(i), q = y.get(i);
      const Shape *s = std::get_if<Shape>(&p), *t = std::get_if<Shape>(&q);
      const auto *g = std::get_if<ir::GraphRef>(&p), *h = std::get_if<ir::GraphRef>(&q);
      if (g != nullptr && h != nullptr) {
        if (!same_bodies(**g, **h)) return false;
        continue;
      }
      if (s != nullptr && t != nullptr ? !same_dims(*s, *t) : !ir::same_value(p, q)) return false;
    }
    return true;
  }

  /// Where operands come from: the same input, equal contents, or operators found alike.
  bool same_value(Value x, Value y) const {
    const Node &m = a_.graph.node(x.node), &n = b_.graph.node(y.node);
    if (ir::is_input(m) && ir::is_input(n)) return same_input(x, y);
    if (ir::is_constant(m) && ir::is_constant(n)) {
      const ir::Constant &c = *m.constant, &d = *n.constant;
      return c.dtype == d.dtype && c.sizes == d.sizes && c.bytes == d.bytes &&
             std::memcmp(c.data.get(), d.data.get(), c.bytes) == 0;
    }
    return partner_[x.node] == y.node && x.index == y.index;
  }

  bool same_input(Value x, Value y) const {
    const ir::GraphInput *p = nullptr, *q = nullptr;
    for (const ir::GraphInput& in : a_.graph.inputs()) p = in.value == x ? &in : p;
    for (const ir::GraphInput& in : b_.graph.inputs()) q = in.value == y ? &in : q;
    if (p->kind != q->kind || p->name != q->name) return false;
    return p->kind == ir::InputKind::Input || live(a_, p->name) == live(b_, q->name);
  }
  /// The memory of a captured tensor: another tensor under the same name is another capture.
  static const void* live(const TraceData& d, const std::string& name) {
    for (const NamedTensor& s : d.state) {
      if (s.name == name) return runtime::impl(s.tensor).data;
    }
    return nullptr;
  }

  bool same_node(NodeId x, NodeId y) const {
    const Node &m = a_.graph.node(x), &n = b_.graph.node(y);
    return m.op == n.op && same_attrs(m.attrs, n.attrs) && same_types(m.outputs, n.outputs) &&
           std::equal(m.inputs.begin(), m.inputs.end(), n.inputs.begin(), n.inputs.end(),
                      [&](Value p, Value q) { return same_value(p, q); });
  }

  bool same_results() const {
    auto unguarded = [](const ir::Graph& g) {
      std::vector<const ir::GraphResult*> out;
      for (const ir::GraphResult& r : g.results()) {
        if (!r.guard) out.push_back(&r);
      }
      return out;
    };
    auto same_grad = [](const TraceData::GradLeft& g, const TraceData::GradLeft& h) {
      const bool same = g.input < 0 ? g.leaf.impl() == h.leaf.impl() : g.input == h.input;
      return same && g.output == h.output;
    };
    if (!std::equal(a_.grads.begin(), a_.grads.end(), b_.grads.begin(), b_.grads.end(),
                    same_grad)) {
      return false;
    }
    std::vector<const ir::GraphResult*> p = unguarded(a_.graph), q = unguarded(b_.graph);
    return std::equal(p.begin(), p.end(), q.begin(), q.end(), [&](auto* r, auto* s) {
      return r->name == s->name && (r->state < 0) == (s->state < 0) &&
             same_value(r->value, s->value);
    });
  }

  const TraceData& a_;
  const TraceData& b_;
  Cursor x_, y_;
  SymbolBindings a_at_a_, a_at_b_, b_at_a_;
  std::vector<NodeId> partner_;  // operator of b for each of a
};

}  // namespace

bool same_signature(const TraceData& a, const TraceData& b) {
  std::vector<const ir::GraphInput*> p = declared(a), q = declared(b);
  // What the host gives by input() comes after what the caller passes, and only as far as it ran.
  const size_t count = a.input_sizes.size() - a.host_inputs.size();
  if (count != b.input_sizes.size() - b.host_inputs.size()) return false;
  for (size_t i = 0; i < count; ++i) {
    if (!ir::same_type(a.graph.type(p[i]->value), b.graph.type(q[i]->value))) return false;
  }
  return true;
}

Alignment align(const TraceData& a, const TraceData& b) { return Comparison(a, b).run(); }

}  // namespace etch::tracer
