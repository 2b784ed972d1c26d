#include "ir/verify.h"

#include <unordered_set>

#include "ir/facts.h"
#include "ir/support/checked.h"

namespace etch::ir {
namespace {

/// "%7 = add(%1, %2) : f32[3]: <problem>".
std::string at_node(const Graph& g, NodeId id, const std::string& problem) {
  return cat("node ", id, " (", g.node(id).op->name(), "): ", problem);
}

/// The first problem that `check(node)` reports.
template <class F>
std::string each_node(const Graph& g, F&& check) {
  for (NodeId id : g) {
    std::string problem = check(id, g.node(id));
    if (!problem.empty()) return at_node(g, id, problem);
  }
  return "";
}

bool live(const Graph& g, NodeId id) { return id < g.capacity() && !g.node(id).erased(); }
bool exists(const Graph& g, Value v) {
  return live(g, v.node) && v.index < g.node(v.node).outputs.size();
}

std::string check_links(const Graph& g) {
  size_t count = 0;
  NodeId prev = kNoNode;
  for (NodeId id = g.first(); id != kNoNode; id = g.node(id).next) {
    if (!live(g, id)) return cat("the order contains node ", id, ", which does not exist");
    if (g.node(id).prev != prev) return cat("node ", id, " has a wrong back link");
    if (++count > g.size()) return "the order of nodes runs in a circle";
    prev = id;
  }
  if (g.last() != prev) return "the last node is not the end of the order";
  if (count != g.size()) return cat("the order has ", count, " nodes, the graph ", g.size());
  return "";
}

std::string check_operands(const Graph& g) {
  std::vector<bool> seen(g.capacity());
  return each_node(g, [&](NodeId id, const Node& n) -> std::string {
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (!exists(g, n.inputs[i])) return cat("operand ", i, " does not exist");
      if (!seen[n.inputs[i].node]) return cat("operand ", i, " is computed after its use");
    }
    seen[id] = true;
    int count = static_cast<int>(n.inputs.size());
    if (count < n.op->min_operands || count > n.op->max_operands) {
      return cat("takes ", n.op->min_operands, " to ", n.op->max_operands, " operands, has ",
                 count);
    }
    return "";
  });
}

/// Every operand is listed once, and as many entries are listed as there are operands.
std::string check_uses(const Graph& g) {
  std::vector<size_t> first(g.capacity());
  size_t total = 0;
  for (NodeId id : g) {
    first[id] = total;
    total += g.node(id).inputs.size();
  }
  std::vector<bool> listed(total);
  size_t entries = 0;
  std::string problem = each_node(g, [&](NodeId id, const Node& n) -> std::string {
    entries += n.uses.size();
    for (Use u : n.uses) {
      if (!live(g, u.user))
        return cat("is listed as used by node ", u.user, ", which does not exist");
      const Node& user = g.node(u.user);
      if (u.operand >= user.inputs.size() || user.inputs[u.operand].node != id) {
        return cat("is listed as operand ", u.operand, " of node ", u.user, ", which has another");
      }
      if (listed[first[u.user] + u.operand]) return cat("lists its use by node ", u.user, " twice");
      listed[first[u.user] + u.operand] = true;
    }
    return "";
  });
  if (problem.empty() && entries != total) {
    return cat("use lists have ", entries, " entries for ", total, " operands");
  }
  return problem;
}

std::string check_inputs(const Graph& g) {
  NodeId at = g.first();
  for (size_t i = 0; i < g.inputs().size(); ++i) {
    Value v = g.inputs()[i].value;
    if (!exists(g, v) || !is_input(g.node(v.node))) return cat("input ", i, " has no input node");
    if (v.node != at) return cat("input ", i, " is not in its place before all other nodes");
    if (g.node(at).outputs.size() != 1) return cat("input ", i, " has more than one value");
    at = g.node(at).next;
  }
  for (; at != kNoNode; at = g.node(at).next) {
    if (is_input(g.node(at))) return at_node(g, at, "is not listed among the inputs");
  }
  return "";
}

std::string check_results(const Graph& g) {
  std::vector<bool> written(g.inputs().size());
  for (size_t i = 0; i < g.results().size(); ++i) {
    const GraphResult& r = g.results()[i];
    if (!exists(g, r.value)) return cat("result ", i, " names a value that does not exist");
    if (r.guard) {
      std::string problem = guard_problem(g.type(r.value));
      if (problem.empty() && r.state != -1) problem = "is also written to a state";
      if (problem.empty() && r.guard->low > r.guard->high) problem = "allows no value";
      if (!problem.empty()) return cat("guard ", r.name, " ", problem);
    }
    if (r.state == -1) continue;
    if (r.state < 0 || static_cast<size_t>(r.state) >= g.inputs().size()) {
      return cat("result ", i, " is written to input ", r.state, ", which does not exist");
    }
    const GraphInput& in = g.inputs()[static_cast<size_t>(r.state)];
    if (in.kind != InputKind::State) {
      return cat("result ", i, " is written to input ", r.state, ", which is not a state");
    }
    if (!same_type(g.type(in.value), g.type(r.value))) {
      return cat("result ", i, " is ", g.type(r.value), ", its state ", in.name, " is ",
                 g.type(in.value));
    }
    if (written[static_cast<size_t>(r.state)]) return cat("state ", in.name, " is written twice");
    written[static_cast<size_t>(r.state)] = true;
  }
  return "";
}

std::string check_supported(const Graph& g) {
  return each_node(g, [&](NodeId, const Node& n) -> std::string {
    for (const TensorType& t : n.outputs) {
      std::string problem = type_problem(t);
      if (!problem.empty()) return cat(t, " ", problem);
    }
    return "";
  });
}

std::string check_attributes(const Graph& g) {
  return each_node(g, [&](NodeId, const Node& n) -> std::string {
    int expected = n.op->schema == nullptr ? 0 : n.op->schema->count;
    if (n.attrs.count() != expected) {
      return cat("has ", n.attrs.count(), " attributes, the operator ", expected);
    }
    for (int i = 0; i < expected; ++i) {
      if (n.attrs.name(i) == n.op->schema->name(i)) continue;
      return cat("attribute ", i, " is ", n.attrs.name(i), ", not ", n.op->schema->name(i));
    }
    return "";
  });
}

std::string check_constants(const Graph& g) {
  return each_node(g, [&](NodeId, const Node& n) -> std::string {
    if (is_constant(n) != (n.constant != nullptr)) return "contents without a constant, or reverse";
    if (!is_constant(n)) return "";
    const Constant& c = *n.constant;
    if (n.outputs.size() != 1 || !same_type(n.outputs[0], {c.dtype, to_shape(c.sizes)})) {
      return "its type is not that of its contents";
    }
    if (c.bytes != checked_nbytes(c.dtype, c.sizes)) return "its contents have another length";
    if (c.bytes != 0 && c.data == nullptr) return "its contents are missing";
    return "";
  });
}

/// Signatures only; verify() visits the bodies themselves.
std::string check_fusions(const Graph& g) {
  return each_node(g, [&](NodeId, const Node& n) -> std::string {
    if (is_fusion(n) != (n.body != nullptr)) return "a body without a fusion, or reverse";
    if (!is_fusion(n)) return "";
    const Graph& b = *n.body;
    if (b.inputs().size() != n.inputs.size() || b.results().size() != n.outputs.size()) {
      return cat("its body has ", b.inputs().size(), " inputs and ", b.results().size(),
                 " results");
    }
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const GraphInput& in = b.inputs()[i];
      if (in.kind != InputKind::Input) return cat("its body has a state, ", in.name);
      if (!exists(b, in.value) || !same_type(b.type(in.value), g.type(n.inputs[i]))) {
        return cat("operand ", i, " has another type than the body's input");
      }
    }
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      const GraphResult& r = b.results()[i];
      if (!exists(b, r.value) || !same_type(b.type(r.value), n.outputs[i])) {
        return cat("result ", i, " has another type than the body's");
      }
    }
    return "";
  });
}

std::string check_types(const Graph& g) {
  KnownFacts known(facts_of(g));
  std::vector<TensorType> in;
  return each_node(g, [&](NodeId, const Node& n) -> std::string {
    if (n.op->kind == OpKind::Structural) return "";
    in.clear();
    for (Value v : n.inputs) in.push_back(g.type(v));
    Types expected;
    try {
      expected = infer_types(*n.op, in, n.attrs.data());
    } catch (const UserError& e) {
      return e.what();
    }
    if (expected.size() != n.outputs.size()) {
      return cat("has ", n.outputs.size(), " results, inference gives ", expected.size());
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      if (same_type(expected[i], n.outputs[i])) continue;
      return cat("result ", i, " is ", n.outputs[i], ", inference gives ", expected[i]);
    }
    return "";
  });
}

std::string check_symbols(const Graph& g) {
  for (size_t i = 0; i < g.symbols.size(); ++i) {
    const SymbolRange& s = g.symbols[i];
    if (s.symbol.is_const()) return cat("symbol ", i, " is a number");
    if (s.low < 0 || s.high < s.low) {
      return cat("symbol ", s.symbol, " has the empty range ", s.low, " to ", s.high);
    }
  }
  return "";
}

std::string check_constraints(const Graph& g) {
  DimFacts facts;
  for (const SymbolRange& s : g.symbols) facts.add_range(s.symbol, s.low, s.high);
  for (const Constraint& c : g.constraints) {
    if (dim_holds(c.lhs, c.relation, c.rhs, facts) == Truth::No) {
      return cat("constraint ", c.lhs, " ", c.relation, " ", c.rhs, " never holds");
    }
    facts.add(c.lhs, c.relation, c.rhs);
  }
  return "";
}

constexpr VerifyRule kRules[] = {
    {"order", "every walk follows the links", check_links},
    {"operands", "operands exist and are computed before their users, so there is no cycle",
     check_operands},
    {"uses", "rewrites find users through the use lists", check_uses},
    {"inputs", "inputs come first, in the order of the signature", check_inputs},
    {"results",
     "results exist, each state is written once with its own type, guards can be checked",
     check_results},
    {"supported", "every engine can store every value", check_supported},
    {"attributes", "operators read their own Attrs struct without checking", check_attributes},
    {"constants", "contents are as long as their type says", check_constants},
    {"fusions", "a body can be called with the operands of its node", check_fusions},
    {"types", "declared types are what inference gives", check_types},
    {"symbols", "ranges of symbolic sizes have members", check_symbols},
    {"constraints", "there are sizes that the graph can run on", check_constraints},
};

/// The first broken rule of one graph, or "".
std::string first_problem(const Graph& g) {
  for (const VerifyRule& rule : kRules) {
    std::string problem = rule.check(g);
    if (!problem.empty()) return cat("graph ", g.name, " breaks rule '", rule.name, "': ", problem);
  }
  return "";
}

/// As first_problem(), bodies included, level by level. A graph is walked for its bodies only after
/// its own links were found sound.
std::string deep_problem(const Graph& g) {
  constexpr int kMaxDepth = 64;
  std::unordered_set<const Graph*> seen;
  std::vector<const Graph*> level{&g}, next;
  for (int depth = 0; !level.empty(); ++depth) {
    if (depth > kMaxDepth) return cat("graphs nest deeper than ", kMaxDepth);
    for (const Graph* graph : level) {
      std::string problem = first_problem(*graph);
      if (!problem.empty()) return problem;
      for (NodeId id : *graph) {
        for (const GraphRef& body : bodies_of(graph->node(id))) {
          if (seen.insert(body.get()).second) next.push_back(body.get());
        }
      }
    }
    level = std::exchange(next, {});
  }
  return "";
}

}  // namespace

std::span<const VerifyRule> verify_rules() { return kRules; }

std::string type_problem(const TensorType& t) {
  if (!contains(kSupported, t.dtype)) return "has an element type that is not supported yet";
  if (t.rank() > kMaxRank) return cat("has more than ", kMaxRank, " axes");
  Sizes known;
  for (Dim d : t.shape) {
    if (!d.is_const()) continue;
    if (d.value() < 0) return "has a negative size";
    known.push_back(d.value());
  }
  auto bytes = checked_nbytes(t.dtype, known);
  if (!bytes || *bytes > static_cast<uint64_t>(INT64_MAX)) return "has more bytes than 2^63 - 1";
  return "";
}

std::string guard_problem(const TensorType& t) {
  if (t.rank() == 0 && !is_float(t.dtype)) return "";
  return cat("is on a value of type ", t, ", not on one bool or integer");
}

void verify(const Graph& g) {
  std::string problem = deep_problem(g);
  if (!problem.empty()) fail_internal(problem);
}

void verify_untrusted(const Graph& g, std::string_view source_name) {
  std::string problem = deep_problem(g);
  if (!problem.empty()) {
    fail_file("verify", source_name, problem, "The file is damaged; write it again");
  }
}

}  // namespace etch::ir
