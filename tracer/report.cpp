// What a recording took along and relies on, for people.
#include <algorithm>

#include "etch/trace.h"
#include "ir/ops/random.h"
#include "tracer/recorder.h"

namespace etch {
namespace {

std::string where(const ir::GraphLoc& l) { return to_text(SourceLoc(l.file.c_str(), l.line)); }

std::string type_text(DType t, std::span<const int64_t> sizes) { return cat(t, Sizes(sizes)); }

void add_captured(const tracer::TraceData& d, TraceReport& out) {
  for (const Capture& c : d.captures) {
    TraceReport::Captured row{c.name, "", c.bytes, false, to_text(c.used_at)};
    for (const NamedTensor& s : d.state) {
      if (s.name == c.name) row.type = type_text(s.tensor.dtype(), s.tensor.sizes());
    }
    for (const ir::GraphResult& r : d.graph.results()) {
      row.written |= r.state >= 0 && r.name == c.name;
    }
    out.captured.push_back(std::move(row));
  }
}

void add_guards(const tracer::TraceData& d, TraceReport& out) {
  for (const ir::GraphResult& r : d.graph.results()) {
    if (!r.guard) continue;
    const bool decision = is_bool(d.graph.type(r.value).dtype);
    out.guards.push_back({cat(r.name, " = ", r.guard->low),
                          decision ? "where() keeps both outcomes in the graph"
                                   : "keep it a Traced number or a tensor",
                          where(d.graph.loc(r.loc))});
  }
  for (const ir::Constraint& c : d.graph.constraints) {
    out.guards.push_back({cat(c.lhs, " ", c.relation, " ", c.rhs),
                          "other sizes need a recording of their own", where(d.graph.loc(c.loc))});
  }
}

void add_sizes(const tracer::TraceData& d, TraceReport& out) {
  for (const ir::GraphInput& in : d.graph.inputs()) {
    if (in.kind != ir::InputKind::Input) continue;
    const Shape& shape = d.graph.type(in.value).shape;
    for (size_t k = 0; k < shape.size(); ++k) {
      TraceReport::Size row{in.name, static_cast<int64_t>(k), to_text(shape[k]), ""};
      if (shape[k].is_const()) row.reason = "not among the dynamic axes";
      for (const ir::SymbolRange& r : d.graph.symbols) {
        if (!r.symbol.same_as(shape[k])) continue;
        row.size = r.high >= DynamicDim{}.high ? cat(r.symbol, ", ", r.low, " or more")
                                               : cat(r.symbol, ", ", r.low, " to ", r.high);
      }
      out.sizes.push_back(std::move(row));
    }
  }
}

void add_draws(const ir::Graph& g, TraceReport& out) {
  for (ir::NodeId id : g) {
    const ir::Node& n = g.node(id);
    if (n.op != &ir::op_def<ir::RandomUniform>() && n.op != &ir::op_def<ir::RandomNormal>())
      continue;
    out.draws.push_back({cat(n.op->name(), " ", n.outputs[0]), where(g.loc(n.loc))});
  }
}

/// Columns two spaces apart under a heading.
void table(std::string& out, const std::string& heading,
           const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return;
  out += heading + "\n";
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line = "  ";
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
}

}  // namespace

TraceReport Trace::report() const {
  TraceReport out;
  add_captured(*data_, out);
  add_guards(*data_, out);
  add_sizes(*data_, out);
  add_draws(data_->graph, out);
  return out;
}

std::string TraceReport::text() const {
  std::string out;
  std::vector<std::vector<std::string>> rows;
  for (const Size& s : sizes) rows.push_back({cat(s.input, " axis ", s.axis), s.size, s.reason});
  table(out, "sizes", rows);
  rows.clear();
  for (const Captured& c : captured) {
    rows.push_back({c.name.empty() ? "a constant" : c.name, c.type, cat(c.bytes, " bytes"),
                    c.written ? "changed" : "read", c.where});
  }
  table(out, "captured", rows);
  rows.clear();
  for (const Guard& g : guards) rows.push_back({g.what, g.where, g.advice});
  table(out, "guards", rows);
  rows.clear();
  for (const Draw& d : draws) rows.push_back({d.what, d.where});
  table(out, "random draws", rows);
  return out;
}

}  // namespace etch
