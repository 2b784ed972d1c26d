#include "ir/text.h"
#include "runtime/io/container.h"
#include "tools/cli/result.h"
#include "tools/cli/text.h"
#include "tools/cli/verbs.h"

namespace etch::cli {

namespace {

using runtime::JsonValue;

/// Sizes from here on are no bound that anybody set.
constexpr int64_t kUnbounded = int64_t{1} << 60;

std::string type_text(const ir::TensorType& type) {
  std::string out;
  append_text(out, type);
  return out;
}

uint64_t tensor_bytes(const Tensor& t) {
  return static_cast<uint64_t>(shape_numel(to_shape(t.sizes())).value()) * itemsize(t.dtype());
}

void add_borders(const ir::Graph& g, Answer& out) {
  Columns columns;
  JsonValue::Array inputs, outputs;
  auto add = [&](const char* kind, const std::string& name, const ir::TensorType& type,
                 JsonValue::Array& list) {
    columns.row({kind, name, type_text(type)});
    JsonValue json;
    json.set("name", name);
    json.set("type", type_text(type));
    list.push_back(std::move(json));
  };
  for (const ir::GraphInput& i : g.inputs()) {
    if (i.kind == ir::InputKind::Input) add("input", i.name, g.type(i.value), inputs);
  }
  JsonValue::Array written, sizes, constraints;
  for (const ir::GraphResult& r : g.results()) {
    if (r.guard) continue;
    if (r.for_caller())
      add("output", r.name, g.type(r.value), outputs);
    else
      add("writes", r.name, g.type(r.value), written);
  }
  for (const ir::SymbolRange& s : g.symbols) {
    columns.row({"size", to_text(s.symbol),
                 s.high < kUnbounded ? cat(s.low, " to ", s.high) : cat("from ", s.low, " on")});
    JsonValue json;
    json.set("name", to_text(s.symbol));
    json.set("low", s.low);
    json.set("high", s.high);
    sizes.push_back(std::move(json));
  }
  for (const ir::Constraint& c : g.constraints) {
    const ir::GraphLoc& l = g.loc(c.loc);
    std::string relation = cat(c.lhs, " ", c.relation, " ", c.rhs);
    columns.row({"requires", relation, to_text(SourceLoc(l.file.c_str(), l.line))});
    constraints.push_back(JsonValue(std::move(relation)));
  }
  out.text += columns.text();
  out.json.set("inputs", std::move(inputs));
  out.json.set("outputs", std::move(outputs));
  out.json.set("writes", std::move(written));
  out.json.set("sizes", std::move(sizes));
  out.json.set("requires", std::move(constraints));
}

void add_state(std::span<const NamedTensor> state, Answer& out) {
  uint64_t bytes = 0;
  Columns columns(4);
  JsonValue::Array list;
  for (const NamedTensor& s : state) {
    bytes += tensor_bytes(s.tensor);
    columns.row({s.name, cat(s.tensor.dtype(), s.tensor.sizes())});
    list.push_back(tensor_json(s));
  }
  out.text += cat("\nstate: ", state.size(), " tensors, ", bytes_text(bytes), "\n", columns.text());
  out.json.set("state", std::move(list));
  out.json.set("state_bytes", bytes);
}

size_t fusions(const ir::Graph& g) {
  size_t out = 0;
  for (ir::NodeId id : g) out += ir::is_fusion(g.node(id));
  return out;
}

void add_graph(const ir::Graph& g, std::string_view title, std::string_view key, Answer& out) {
  std::string table = ir::summary(g);
  out.text += cat("\n", title, ": ", g.size(), " nodes\n", table);
  JsonValue json;
  json.set("nodes", g.size());
  json.set("fusions", fusions(g));
  json.set("summary", table);
  out.json.set(std::string(key), std::move(json));
}

void add_sections(const std::string& path, Answer& out) {
  runtime::ContainerReader file = runtime::ContainerReader::open(path);
  file.verify_all();
  Columns columns(4);
  JsonValue::Array list;
  uint64_t end = 0;
  for (const runtime::SectionInfo& s : file.sections()) {
    columns.row({s.name, bytes_text(s.size), cat("at ", s.offset)});
    JsonValue json;
    json.set("name", s.name);
    json.set("offset", s.offset);
    json.set("bytes", s.size);
    list.push_back(std::move(json));
    end = std::max(end, s.offset + s.size);
  }
  out.text += cat("\nfile: format ", file.version(), ", ", bytes_text(end), ", ",
                  file.sections().size(), " sections, checksums right\n", columns.text());
  out.json.set("format", file.version());
  out.json.set("sections", std::move(list));
}

}  // namespace

Answer inspect_verb(const InspectRequest& request, Console&) {
  std::vector<DynamicDim> dynamic;
  for (const std::string& d : request.dynamic) dynamic.push_back(parse_dynamic(d));
  LoadedModel model = load_model(request.model, dynamic);
  Answer out;
  out.json.set("model", model.text);
  out.json.set("doc", model.doc);
  out.text = cat(model.text, ": ", model.doc, "\n");
  if (model.source) {
    JsonValue parameters;
    Columns columns;
    for (const ModelParameter& p : model.parameters) {
      columns.row({"parameter", cat(p.name, "=", p.value), p.doc});
      parameters.set(p.name, p.value);
    }
    out.text += columns.text();
    out.json.set("parameters", std::move(parameters));
    Trace trace = trace_model(model);
    Optimized optimized = optimize_graph(trace.graph());
    add_borders(trace.graph(), out);
    add_state(trace.state(), out);
    add_graph(trace.graph(), "as recorded", "traced", out);
    add_graph(optimized.graph, "after the passes", "optimized", out);
    out.text += cat("\npasses:\n", optimized.report);
    return out;
  }
  const runtime::Artifact& a = *model.artifact;
  std::vector<NamedTensor> state;
  for (size_t i = 0; i < a.state.size(); ++i) state.push_back({a.state.name(i), a.state.at(i)});
  add_borders(a.graph, out);
  add_state(state, out);
  if (a.traced) add_graph(*a.traced, "as recorded", "traced", out);
  add_graph(a.graph, "after the passes", "optimized", out);
  add_sections(request.model, out);
  out.json.set("numerics", std::string(name(a.level)));
  return out;
}

}  // namespace etch::cli
