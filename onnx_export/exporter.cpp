#include "onnx_export/exporter.h"

#include <algorithm>

#include "ir/facts.h"
#include "ir/support/error.h"
#include "onnx_export/lowering.h"
#include "onnx_export/model_io.h"
#include "onnx_export/op_table.h"

namespace etch::onnx {
namespace {

/// How far an automatic opset goes up for the sake of one operator instead of several.
constexpr int kPreferredOpset = 18;

const Profile* profile_of(const ExportOptions& o) {
  if (o.target.empty()) return nullptr;
  if (const Profile* p = find_profile(o.target)) return p;
  std::string names;
  for (const Profile& p : profiles()) names += cat(names.empty() ? "" : ", ", p.name);
  fail("onnx", cat("there is no export target '", o.target, "'"), cat("Targets are ", names));
}

/// One attempt at one opset.
class Attempt {
 public:
  Attempt(const ir::Graph& g, const ExportOptions& o, const Profile* profile, int opset)
      : g_(g), options_(o), profile_(profile), builder_(opset, profile), frame_(g) {}

  Builder& builder() { return builder_; }
  std::vector<std::string>& notes() { return notes_; }

  void run() {
    collect_results();
    reserve_names();
    add_inputs();
    lower_nodes(builder_, frame_, nullptr, 0);
    add_results();
    drop_described_twice();
    builder_.prune();
  }

  Model model() {
    Model m;
    m.ir_version = std::max(ir_version_of(builder_.opset()),
                            profile_ != nullptr && profile_->max_ir < 4 ? 3 : 4);
    if (profile_ != nullptr) m.ir_version = std::min<int64_t>(m.ir_version, profile_->max_ir);
    m.producer_name = options_.producer;
    m.producer_version = options_.producer_version;
    m.opsets.push_back({"", builder_.opset()});
    m.graph = std::move(builder_.graph());
    m.graph.name = g_.name;
    if (m.ir_version < 4) list_weights_as_inputs(m.graph);
    return m;
  }

 private:
  void collect_results() {
    for (const ir::GraphResult& r : g_.results()) {
      if (r.for_caller()) {
        results_.push_back(r);
        continue;
      }
      if (r.guard) {
        const ir::GraphLoc& at = g_.loc(r.loc);
        builder_.set_origin({cat("guard ", r.name), "", cat(at.file, ":", at.line)});
        builder_.block("the recorded course depends on a value, and an ONNX model checks nothing");
        continue;
      }
      const std::string& state = g_.inputs()[static_cast<size_t>(r.state)].name;
      if (options_.drop_state_writes) {
        notes_.push_back(cat("the new value of ", state, " is left out"));
        continue;
      }
      builder_.set_origin({cat("state ", state), "", ""});
      builder_.block("a new value is written back, and an ONNX model keeps no state");
    }
    std::vector<ir::Value> roots;
    for (const ir::GraphResult& r : results_) roots.push_back(r.value);
    frame_.live = live_nodes(g_, roots);
  }

  void reserve_names() {
    for (const ir::GraphInput& i : g_.inputs()) builder_.reserve(i.name);
    for (ir::GraphResult& r : results_) {
      std::string name = builder_.unique(r.name);
      if (name != r.name) notes_.push_back(cat("result ", r.name, " is called ", name));
      r.name = name;
      if (!ir::is_input(g_.node(r.value.node))) frame_.wanted.try_emplace(r.value, name);
    }
  }

  void add_inputs() {
    for (const ir::GraphInput& i : g_.inputs()) {
      frame_.set(i.value, i.name);
      const ir::TensorType& type = g_.type(i.value);
      if (i.kind == ir::InputKind::Input) {
        builder_.graph().inputs.push_back({i.name, to_type_model(type)});
        builder_.set_dtype(i.name, type.dtype);
        builder_.add_size_source(i.name, type.shape);
      } else if (frame_.live[i.value.node]) {
        add_state(i, type);
      }
    }
  }

  void add_state(const ir::GraphInput& i, const ir::TensorType& type) {
    auto value = options_.state ? options_.state(i.name) : nullptr;
    builder_.set_dtype(i.name, type.dtype);
    builder_.set_origin({cat("state ", i.name), "", ""});
    if (value == nullptr) return builder_.block("it has no value to export");
    bool fits = value->dtype == type.dtype && is_static(type.shape) &&
                same_shape(to_shape(value->sizes), type.shape);
    if (!fits) {
      ir::TensorType have{value->dtype, to_shape(value->sizes)};
      return builder_.block(cat("its value is ", text(have), ", the graph expects ", text(type)));
    }
    builder_.named_constant(i.name, *value);
  }
  static std::string text(const ir::TensorType& t) {
    std::string out;
    ir::append_text(out, t);
    return out;
  }

  void add_results() {
    for (const ir::GraphResult& r : results_) {
      if (!frame_.has(r.value)) continue;  // after a blocker
      builder_.set_origin({});
      if (frame_.name(r.value) != r.name)
        builder_.node("Identity", {frame_.name(r.value)}, {r.name}, {});
      builder_.graph().outputs.push_back({r.name, to_type_model(g_.type(r.value))});
    }
  }

  /// Inputs, outputs and initialisers have their types already; aliases come twice.
  void drop_described_twice() {
    GraphModel& m = builder_.graph();
    std::unordered_set<std::string> seen;
    for (const ValueModel& v : m.inputs) seen.insert(v.name);
    for (const ValueModel& v : m.outputs) seen.insert(v.name);
    for (const TensorModel& t : m.initializers) seen.insert(t.name);
    std::erase_if(m.values, [&](const ValueModel& v) { return !seen.insert(v.name).second; });
  }

  static void list_weights_as_inputs(GraphModel& m) {
    for (const TensorModel& t : m.initializers) {
      ValueModel v{t.name, {}};
      v.type.kind = ValueKind::Tensor;
      v.type.dtype = t.dtype;
      v.type.has_shape = true;
      for (int64_t d : t.dims) v.type.dims.push_back({d, ""});
      m.inputs.push_back(std::move(v));
    }
  }

  const ir::Graph& g_;
  const ExportOptions& options_;
  const Profile* profile_;
  Builder builder_;
  Frame frame_;
  std::vector<ir::GraphResult> results_;
  std::vector<std::string> notes_;
};

struct OpsetRange {
  int low = kOldestOpset, high = kNewestOpset;
};

OpsetRange opset_range(const ExportOptions& o, const Profile* profile) {
  OpsetRange r;
  if (profile != nullptr) r = {profile->min_opset, profile->max_opset};
  if (o.opset == 0) return r;
  if (o.opset < r.low || o.opset > r.high) {
    fail("onnx",
         cat("opset ", o.opset, " is outside ", r.low, " to ", r.high,
             profile != nullptr ? cat(", what ", profile->engine, " reads") : ""),
         "Leave the opset out to get the lowest that suffices");
  }
  return {o.opset, o.opset};
}

/// Climbs from the lowest opset to the first that has everything.
std::unique_ptr<Attempt> lowest_sufficient(const ir::Graph& g, const ExportOptions& o,
                                           const Profile* profile) {
  OpsetRange range = opset_range(o, profile);
  for (int opset = range.low;;) {
    auto attempt = std::make_unique<Attempt>(g, o, profile, opset);
    attempt->run();
    const Builder& b = attempt->builder();
    int preferred = std::min({b.preferred_opset(), kPreferredOpset, range.high});
    int next = std::max(std::min(b.needed_opset(), range.high), preferred);
    if (next <= opset) return attempt;
    opset = next;
  }
}

[[noreturn]] void raise(const std::vector<Blocker>& blockers, int opset, const Profile* profile) {
  std::string what = cat("cannot export to ONNX opset ", opset,
                         profile != nullptr ? cat(" for ", profile->engine) : "", ":");
  int enough = 0;
  for (const Blocker& b : blockers) {
    what += cat("\n  ", b.op.empty() ? "the graph" : b.op);
    if (!b.where.empty() || !b.scope.empty()) {
      what += cat(" (", b.where, b.where.empty() || b.scope.empty() ? "" : ", ",
                  b.scope.empty() ? "" : "module ", b.scope, ")");
    }
    what += cat(": ", b.reason);
    enough = b.opset == 0 || enough < 0 ? -1 : std::max(enough, b.opset);
  }
  fail("onnx", what, enough > 0 ? cat("Opset ", enough, " suffices") : "");
}

}  // namespace

Model to_model(const ir::Graph& g, const ExportOptions& options, ExportReport* report,
               std::vector<Blocker>* blockers) {
  KnownFacts known(ir::facts_of(g));
  const Profile* profile = profile_of(options);
  auto attempt = lowest_sufficient(g, options, profile);
  const Builder& b = attempt->builder();
  if (blockers != nullptr) *blockers = b.blockers();
  if (!b.blockers().empty() && blockers == nullptr) raise(b.blockers(), b.opset(), profile);
  Model m = attempt->model();
  if (report != nullptr) {
    report->opset = static_cast<int>(m.opsets[0].version);
    report->ir_version = static_cast<int>(m.ir_version);
    report->nodes = m.graph.nodes.size();
    report->initializers = m.graph.initializers.size();
    report->notes = attempt->notes();
    for (const ir::Constraint& c : g.constraints) {
      report->notes.push_back(cat("holds for sizes with ", c.lhs, " ", c.relation, " ", c.rhs,
                                  " only, which ONNX does not check"));
    }
  }
  return m;
}

ExportReport export_onnx(const ir::Graph& g, const ExportOptions& options, const Sink& model,
                         const Sink& external) {
  ExportReport report;
  Model m = to_model(g, options, &report);
  uint64_t weights = 0;
  for (const TensorModel& t : m.graph.initializers) weights += t.bytes;
  WriteOptions write;
  if (weights > options.external_above) {
    if (!external || options.external_name.empty()) {
      fail("onnx",
           cat("the weights have ", weights, " bytes, above the limit of ", options.external_above,
               " for one file"),
           "Give a second file for them");
    }
    write = {external, options.external_name};
  }
  Written w = write_model(m, model, write);
  report.model_bytes = w.model_bytes;
  report.external_bytes = w.external_bytes;
  return report;
}

}  // namespace etch::onnx
