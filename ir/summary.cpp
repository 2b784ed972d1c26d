// The table of a graph that people read.
#include <unordered_set>

#include "ir/text.h"

namespace etch::ir {
namespace {

using Row = std::vector<std::string>;

/// "add, relu, sum": the operators of a body in order; a repeated one once, with its count.
std::string body_text(const Graph& body) {
  std::vector<std::pair<std::string_view, size_t>> ops;
  for (NodeId id : body) {
    const Node& n = body.node(id);
    if (is_input(n) || is_constant(n)) continue;
    auto it =
        std::find_if(ops.begin(), ops.end(), [&](auto& o) { return o.first == n.op->name(); });
    if (it == ops.end()) {
      ops.push_back({n.op->name(), 1});
    } else {
      ++it->second;
    }
  }
  std::string out;
  for (const auto& [op, count] : ops) {
    out += cat(out.empty() ? "" : ", ", op);
    if (count > 1) out += cat(" x", count);
  }
  return out;
}

std::string type_text(const Node& n) {
  std::string out;
  for (const TensorType& t : n.outputs) out += cat(out.empty() ? "" : ", ", t);
  return out;
}

std::string place_text(const Graph& g, const Node& n) {
  const GraphLoc& l = g.loc(n.loc);
  return to_text(SourceLoc(l.file.c_str(), l.line));
}

size_t count_if_op(const Graph& g, bool (*is)(const Node&)) {
  size_t count = 0;
  for (NodeId id : g) count += is(g.node(id)) ? 1 : 0;
  return count;
}

std::string plural(size_t count, std::string_view what) {
  return cat(count, " ", what, count == 1 ? "" : "s");
}

std::string heading(const Graph& g) {
  size_t states = 0;
  for (const GraphInput& in : g.inputs()) states += in.kind == InputKind::State ? 1 : 0;
  size_t constants = count_if_op(g, is_constant);
  std::string out = cat("graph ", g.name, ": ", plural(g.inputs().size() - states, "input"), ", ",
                        plural(states, "state"), ", ", plural(constants, "constant"), ", ",
                        plural(g.size() - g.inputs().size() - constants, "operator"), ", ",
                        plural(g.results().size(), "result"));
  if (size_t fused = count_if_op(g, is_fusion)) out += cat(", ", plural(fused, "fused group"));
  return out + "\n";
}

std::string size_lines(const Graph& g) {
  std::string out;
  for (const SymbolRange& s : g.symbols) {
    out += cat("  ", s.symbol, ": ", s.low, " to ", s.high, "\n");
  }
  for (const Constraint& c : g.constraints) {
    const GraphLoc& l = g.loc(c.loc);
    std::string where = to_text(SourceLoc(l.file.c_str(), l.line));
    out += cat("  ", c.lhs, " ", c.relation, " ", c.rhs, where.empty() ? "" : "  ", where, "\n");
  }
  return out;
}

/// Left-aligned columns, two spaces apart, no trailing spaces.
std::string columns(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += "  ";
      line += row[i];
      line.append(widths[i] - row[i].size(), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

/// "scan step", "cond yes | no": the operator and the graphs it runs.
std::string control_text(const Node& n) {
  std::string out(n.op->name());
  for (const GraphRef& body : bodies_of(n)) {
    out += cat(out.size() == n.op->name().size() ? ": " : " | ", body->name);
  }
  return out;
}

std::string table(const Graph& g) {
  std::vector<Row> rows{{"value", "operator", "result", "scope", "source", "name"}};
  std::unordered_map<NodeId, std::string> names;
  for (const GraphInput& in : g.inputs()) names[in.value.node] = in.name;
  for (const GraphResult& r : g.results()) {
    std::string& name = names[r.value.node];
    name += cat(name.empty() ? "" : " ", r.guard ? "guard " : "-> ", r.name);
  }
  size_t next = 0;
  for (NodeId id : g) {
    const Node& n = g.node(id);
    std::string op(n.op->name());
    if (is_fusion(n)) op = cat("fused: ", body_text(*n.body));
    if (n.op->is_control()) op = control_text(n);
    auto name = names.find(id);
    rows.push_back({cat("%", next), op, type_text(n), g.scope(n.scope), place_text(g, n),
                    name == names.end() ? "" : name->second});
    next += n.outputs.size();
  }
  return columns(rows);
}

}  // namespace

std::string summary(const Graph& g) {
  std::string out = heading(g) + size_lines(g) + table(g);
  const std::vector<const Graph*> inner = nested_graphs(g);
  std::unordered_set<const Graph*> fused;  // what they compute stands in their lines
  auto look = [&](const Graph& in) {
    for (NodeId id : in) {
      if (is_fusion(in.node(id))) fused.insert(in.node(id).body.get());
    }
  };
  look(g);
  for (const Graph* i : inner) look(*i);
  for (const Graph* i : inner) {
    if (!fused.contains(i)) out += cat("\n", heading(*i), table(*i));
  }
  return out;
}

}  // namespace etch::ir
