#include "passes/manager.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>

#include "ir/facts.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace etch::passes {
namespace {

/// The lines of a graph by node id, and its results, so that two states compare.
struct Snapshot {
  std::vector<std::string> nodes;
  std::vector<std::string> results;
};

Snapshot snapshot(const ir::Graph& g) {
  Snapshot s;
  s.nodes.resize(g.capacity());
  for (ir::NodeId id : g) s.nodes[id] = ir::print_node(g, id);
  for (const ir::GraphResult& r : g.results()) {
    std::string line = cat("result \"", r.name, "\" = %", r.value.node);
    if (r.value.index != 0) line += cat(".", r.value.index);
    s.results.push_back(std::move(line));
  }
  return s;
}

void diff_lines(std::vector<std::string> before, std::vector<std::string> after, std::string& out) {
  size_t count = std::max(before.size(), after.size());
  before.resize(count);
  after.resize(count);
  for (size_t i = 0; i < count; ++i) {
    if (before[i] == after[i]) continue;
    if (!before[i].empty()) out += cat("- ", before[i], "\n");
    if (!after[i].empty()) out += cat("+ ", after[i], "\n");
  }
}

bool admitted(const Pass& pass, const PassOptions& options) {
  if (pass.cls == PassClass::Bounded && options.level == Level::Exact) return false;
  return std::find(options.skip.begin(), options.skip.end(), pass.name) == options.skip.end();
}

void check_names(std::span<const Pass> rows, const PassOptions& options) {
  for (const std::string& name : options.skip) {
    bool known = std::any_of(rows.begin(), rows.end(), [&](auto& row) { return row.name == name; });
    if (!known) fail("passes", cat("there is no pass named '", name, "' to skip"));
  }
}

void verify_after(const ir::Graph& g, const Pass& pass) {
  try {
    ir::verify(g);
  } catch (const InternalError& e) {
    throw InternalError(cat("after pass '", pass.name, "': ", e.what()));
  }
}

/// `from` is g itself, or what g shall be made from. `inside` names it when it lies inside another.
PassReport run_one(const ir::Graph& from, ir::Graph& g, const Pass& pass,
                   const PassOptions& options, std::string_view inside = "") {
  PassReport report{.name = pass.name, .nodes_before = from.size()};
  Snapshot before;
  if (options.changes) before = snapshot(from);
  auto start = std::chrono::steady_clock::now();
  if (pass.make != nullptr) {
    std::optional<ir::Graph> made = pass.make(from, options.context);
    report.changed = made.has_value();
    if (made) g = std::move(*made);
    if (!made && &from != &g) g = from;
  } else {
    report.changed = pass.run(g, options.context);
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.nodes_after = g.size();
  if (options.verify_each) verify_after(g, pass);
  if (options.changes && report.changed) {
    Snapshot after = snapshot(g);
    std::string out = cat("pass ", pass.name, inside.empty() ? "" : " in ", inside, "\n");
    diff_lines(std::move(before.nodes), std::move(after.nodes), out);
    diff_lines(std::move(before.results), std::move(after.results), out);
    options.changes(out);
  }
  return report;
}

/// Runs one row on the graphs inside g, each once, innermost first. They nest 64 deep at most.
class Inside {
 public:
  Inside(const Pass& pass, const PassOptions& options) : pass_(pass), options_(options) {}

  bool run(ir::Graph& g) {
    bool changed = false;
    for (ir::NodeId id : g) {
      const ir::Node& n = g.node(id);
      if (!n.op->is_control()) continue;
      std::shared_ptr<void> attrs;
      for (int i = 0; i < n.attrs.count(); ++i) {
        ir::AttrValue v = n.attrs.get(i);
        auto* body = std::get_if<ir::GraphRef>(&v);
        if (body == nullptr || !rewrite(*body)) continue;
        if (attrs == nullptr) attrs = n.op->schema->clone(n.attrs.data());
        n.op->schema->set(attrs.get(), i, v);
      }
      if (attrs == nullptr) continue;
      g.set_attrs(id, ir::AttrBox(*n.op->schema, std::move(attrs)));
      changed = true;
    }
    return changed;
  }

 private:
  bool rewrite(ir::GraphRef& body) {
    auto [it, fresh] = done_.try_emplace(body.get());
    if (fresh) {
      auto next = std::make_shared<ir::Graph>(*body);
      bool changed = run(*next);
      KnownFacts known(ir::facts_of(*next));
      changed |= run_one(*next, *next, pass_, options_, next->name).changed;
      done_[body.get()] = {body, changed ? ir::GraphRef(std::move(next)) : body};
    }
    const ir::GraphRef& next = done_.at(body.get()).after;
    const bool changed = next != body;
    body = next;
    return changed;
  }

  struct Rewritten {
    ir::GraphRef before, after;  // both kept, so that addresses stay unique
  };
  const Pass& pass_;
  const PassOptions& options_;
  std::unordered_map<const ir::Graph*, Rewritten> done_;
};

bool has_control(const ir::Graph& g) {
  for (ir::NodeId id : g) {
    if (g.node(id).op->is_control()) return true;
  }
  return false;
}

/// Without `from`, rewrites g; otherwise g becomes what follows from it.
std::vector<PassReport> run_rows(const ir::Graph* from, ir::Graph& g, std::span<const Pass> rows,
                                 const PassOptions& options) {
  check_names(rows, options);
  KnownFacts known(ir::facts_of(from != nullptr ? *from : g));
  if (from != nullptr && has_control(*from)) g = *std::exchange(from, nullptr);
  std::vector<PassReport> reports;
  for (const Pass& pass : rows.first(std::min(rows.size(), options.stop_after))) {
    if (!admitted(pass, options)) continue;
    if (from != nullptr && pass.make == nullptr) g = *std::exchange(from, nullptr);
    const bool inside = from == nullptr && Inside(pass, options).run(g);
    reports.push_back(
        run_one(from != nullptr ? *std::exchange(from, nullptr) : g, g, pass, options));
    reports.back().changed |= inside;
  }
  if (from != nullptr) g = *from;
  return reports;
}

}  // namespace

std::vector<PassReport> run_passes(ir::Graph& g, std::span<const Pass> rows,
                                   const PassOptions& options) {
  return run_rows(nullptr, g, rows, options);
}

ir::Graph run_passes_on(const ir::Graph& g, std::span<const Pass> rows,
                        const PassOptions& options) {
  ir::Graph out;
  run_rows(&g, out, rows, options);
  return out;
}

std::string to_text(std::span<const PassReport> reports) {
  std::string out;
  for (const PassReport& r : reports) {
    std::string line(r.name);
    line.append(line.size() < 12 ? 12 - line.size() : 1, ' ');
    line += cat(r.nodes_before, " -> ", r.nodes_after, " nodes");
    line.append(line.size() < 36 ? 36 - line.size() : 1, ' ');
    auto micros = static_cast<int64_t>(r.seconds * 1e6);
    std::string fraction = cat(micros % 1000);
    out += cat(line, micros / 1000, ".", std::string(3 - fraction.size(), '0'), fraction, " ms\n");
  }
  return out;
}

}  // namespace etch::passes
