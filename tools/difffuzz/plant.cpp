// Ten bugs of the kinds that compilers have, to see whether the tester finds them.
#include "ir/registry.h"
#include "tools/difffuzz/run.h"

namespace etch::difffuzz {
namespace {

using ir::ExprNode;
using ir::Prim;

/// Rebuilds every fusion body with `change` applied to each node's (op, operands, attrs).
using NodeChange = std::function<void(const ir::OpDef*& op, SmallVec<ir::Value, 4>& in)>;

void change_bodies(ir::Graph& g, const NodeChange& change) {
  std::vector<ir::NodeId> ids;
  for (ir::NodeId id : g) {
    if (ir::is_fusion(g.node(id))) ids.push_back(id);
  }
  for (ir::NodeId id : ids) {
    const ir::Graph& from = *g.node(id).body;
    auto body = std::make_shared<ir::Graph>();
    std::unordered_map<ir::Value, ir::Value, ir::ValueHash> map;
    for (const ir::GraphInput& i : from.inputs()) {
      map[i.value] = body->add_input(i.name, from.type(i.value));
    }
    for (ir::NodeId k : from) {
      const ir::Node& n = from.node(k);
      if (ir::is_input(n)) continue;
      SmallVec<ir::Value, 4> in;
      for (ir::Value v : n.inputs) in.push_back(map.at(v));
      const ir::OpDef* op = n.op;
      if (ir::is_constant(n)) {
        map[{k, 0}] = body->add_constant(n.constant);
        continue;
      }
      change(op, in);
      map[{k, 0}] = {body->add_node(*op, in, n.attrs, n.outputs), 0};
    }
    for (const ir::GraphResult& r : from.results()) body->add_result(map.at(r.value), r.name);
    ir::NodeId fresh = g.add_fusion(body, g.node(id).inputs, id);
    for (uint32_t i = 0; i < body->results().size(); ++i) g.replace_uses({id, i}, {fresh, i});
    g.erase(id);
  }
}

/// Replaces one operator by another of the same signature.
Plant swap_operator(std::string_view from, std::string_view to, bool swap_operands = false) {
  return {[=](ir::Graph& g) {
            change_bodies(g, [&](const ir::OpDef*& op, SmallVec<ir::Value, 4>& in) {
              if (op->name() != from) return;
              op = ir::find_op(to);
              if (swap_operands) std::swap(in[0], in[1]);
            });
          },
          {}};
}

/// Rewrites the expression nodes of every kernel, in order.
Plant change_exprs(std::function<void(ExprNode&, const ir::ExprGraph&)> change) {
  return {{}, [change = std::move(change)](ir::loop::Kernel& k) {
            ir::ExprGraph fresh;
            std::vector<uint32_t> map;
            for (const ExprNode& old : k.exprs.nodes()) {
              ExprNode n = old;
              for (uint32_t& i : n.in) {
                if (i != ir::kNoExpr) i = map[i];
              }
              change(n, fresh);
              map.push_back(fresh.add(n).id);
            }
            k.exprs = std::move(fresh);
            for (ir::loop::Store& s : k.stores) s.value = map[s.value];
          }};
}

}  // namespace

std::vector<PlantedBug> planted_bugs() {
  std::vector<PlantedBug> bugs;
  bugs.push_back({"pass: a - b becomes b - a", swap_operator("sub", "sub", true)});
  bugs.push_back({"pass: maximum becomes minimum", swap_operator("maximum", "minimum")});
  bugs.push_back({"pass: floor becomes trunc", swap_operator("floor", "trunc")});
  bugs.push_back({"pass: amax becomes amin", swap_operator("amax", "amin")});
  bugs.push_back({"pass: a <= b becomes a < b", swap_operator("le", "lt")});
  bugs.push_back({"codegen: a / b by a reciprocal", change_exprs([](ExprNode& n, const auto& g) {
                    if (n.op != Prim::Div || !is_float(n.dtype)) return;
                    auto& graph = const_cast<ir::ExprGraph&>(g);
                    ir::Expr one = graph.lit(n.dtype, 1.0);
                    ExprNode inverse = n;
                    inverse.in[0] = one.id;
                    uint32_t id = graph.add(inverse).id;
                    n.op = Prim::Mul;
                    n.in[1] = id;
                  })});
  bugs.push_back({"codegen: ordered not-equal", change_exprs([](ExprNode& n, const auto& g) {
                    if (n.op != Prim::Ne || !is_float(g.node(n.in[0]).dtype)) return;
                    auto& graph = const_cast<ir::ExprGraph&>(g);
                    ExprNode less = n, more = n;
                    less.op = more.op = Prim::Lt;
                    std::swap(more.in[0], more.in[1]);
                    uint32_t a = graph.add(less).id, b = graph.add(more).id;
                    n.op = Prim::Or;
                    n.in[0] = a;
                    n.in[1] = b;
                  })});
  bugs.push_back({"codegen: -x as 0 - x", change_exprs([](ExprNode& n, const auto& g) {
                    if (n.op != Prim::Neg || !is_float(n.dtype)) return;
                    auto& graph = const_cast<ir::ExprGraph&>(g);
                    uint32_t zero = graph.lit(n.dtype, 0.0).id;
                    n.op = Prim::Sub;
                    n.in[1] = n.in[0];
                    n.in[0] = zero;
                  })});
  bugs.push_back(
      {"codegen: a * b + c contracted to fma", change_exprs([](ExprNode& n, const auto& g) {
         if (n.op != Prim::Add || !is_float(n.dtype)) return;
         const ExprNode product = g.node(n.in[0]);
         if (product.op != Prim::Mul) return;
         n.op = Prim::Fma;
         n.in[2] = n.in[1];
         n.in[0] = product.in[0];
         n.in[1] = product.in[1];
       })});
  bugs.push_back({"codegen: max forgets a NaN", change_exprs([](ExprNode& n, const auto& g) {
                    if (n.op != Prim::Max || !is_float(n.dtype)) return;
                    auto& graph = const_cast<ir::ExprGraph&>(g);
                    ExprNode less = n;
                    less.op = Prim::Lt;
                    less.dtype = DType::Bool;
                    uint32_t condition = graph.add(less).id;
                    n.op = Prim::Select;
                    n.in[2] = n.in[0];
                    n.in[0] = condition;
                  })});
  return bugs;
}

}  // namespace etch::difffuzz
