#include <algorithm>
#include <unordered_set>

#include "ir/graph.h"
#include "onnx_export/exporter.h"
#include "onnx_export/model_io.h"
#include "runtime/io/file.h"
#include "runtime/io/tensor_io.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/text.h"
#include "tools/cli/verbs.h"

namespace etch::cli {

namespace {

/// Opsets that the exporter writes.
constexpr int kOldestOpset = 7, kNewestOpset = 26;
/// Weights beyond this go beside the model.
constexpr uint64_t kExternalBytes = uint64_t{1} << 30;

std::shared_ptr<const ir::Constant> to_constant(const Tensor& t) {
  auto host = std::make_shared<runtime::HostTensor>(runtime::to_host(t));
  return ir::make_constant(host->dtype, host->shape, {host, host->bytes.data()});
}

/// What must hold of a written model, found out from its bytes alone: each value is defined once
/// and before its use, results exist, and names are those of the graph.
void check_model(const onnx::Model& model, const ir::Graph& graph,
                 const onnx::ExportReport& report) {
  std::unordered_set<std::string> defined;
  auto define = [&](const std::string& name) {
    if (!defined.insert(name).second) fail_internal(cat("ONNX value ", name, " is defined twice"));
  };
  const onnx::GraphModel& g = model.graph;
  std::unordered_set<std::string> stored;
  for (const onnx::TensorModel& t : g.initializers) stored.insert(t.name);
  for (const onnx::ValueModel& v : g.inputs) define(v.name);
  for (const std::string& name : stored) {
    if (!defined.contains(name)) define(name);
  }
  for (const onnx::NodeModel& n : g.nodes) {
    for (const std::string& in : n.inputs) {
      if (!in.empty() && !defined.contains(in)) {
        fail_internal(cat("ONNX node ", n.name, " (", n.op, ") reads ", in, " before it is there"));
      }
    }
    for (const std::string& out : n.outputs) {
      if (!out.empty()) define(out);
    }
  }
  for (const onnx::ValueModel& v : g.outputs) {
    invariant(defined.contains(v.name), "every ONNX result is computed");
  }
  size_t next = 0;
  for (const ir::GraphInput& i : graph.inputs()) {
    if (i.kind != ir::InputKind::Input) continue;
    while (next < g.inputs.size() && stored.contains(g.inputs[next].name)) ++next;
    invariant(next < g.inputs.size() && g.inputs[next].name == i.name,
              "the ONNX model has the graph's inputs");
    ++next;
  }
  bool opset = std::ranges::any_of(model.opsets, [&](const onnx::OpsetImport& o) {
    return o.domain.empty() && o.version == report.opset;
  });
  invariant(opset && g.nodes.size() == report.nodes, "the ONNX model is what the report says");
}

std::string external_name(const std::string& path) {
  size_t slash = path.rfind('/');
  return (slash == std::string::npos ? path : path.substr(slash + 1)) + ".data";
}

void check_request(const ExportRequest& request) {
  if (request.opset != 0 && (request.opset < kOldestOpset || request.opset > kNewestOpset)) {
    fail("usage",
         cat("--opset ", request.opset, ": the opsets are ", kOldestOpset, " to ", kNewestOpset));
  }
  if (request.target.empty() || onnx::find_profile(request.target) != nullptr) return;
  std::vector<std::string> known;
  for (const onnx::Profile& p : onnx::profiles()) known.emplace_back(p.name);
  fail("usage", cat("--for ", request.target, ": there is no such profile"),
       nearest_hint(request.target, known, "profiles"));
}

/// A graph to export and the tensors of its state.
struct Exported {
  ir::Graph graph;
  std::vector<NamedTensor> state;
};

Exported graph_to_export(const LoadedModel& model) {
  if (model.source) {
    Trace trace = trace_model(model);
    return {trace.graph(), trace.state()};
  }
  const runtime::Artifact& a = *model.artifact;
  Exported out{a.traced ? *a.traced : a.graph, {}};
  for (size_t i = 0; i < a.state.size(); ++i) out.state.push_back({a.state.name(i), a.state.at(i)});
  return out;
}

}  // namespace

Answer export_verb(const ExportRequest& request, Console&) {
  check_output_name("--output", request.output, ".onnx");
  check_request(request);
  std::vector<DynamicDim> dynamic;
  for (const std::string& d : request.dynamic) dynamic.push_back(parse_dynamic(d));
  LoadedModel model = load_model(request.model, dynamic);
  Exported exported = graph_to_export(model);

  onnx::ExportOptions options;
  options.opset = request.opset;
  options.target = request.target;
  options.drop_state_writes = request.drop_state_writes;
  options.producer_version = ETCH_VERSION_TEXT;
  options.external_above = kExternalBytes;
  options.external_name = external_name(request.output);
  options.state = [&](std::string_view name) -> std::shared_ptr<const ir::Constant> {
    for (const NamedTensor& s : exported.state) {
      if (s.name == name) return to_constant(s.tensor.detach());
    }
    return nullptr;
  };
  // The model is small when weights lie beside it, so it can be checked before it is written.
  std::string bytes;
  std::optional<runtime::AtomicFile> external;
  Writing writing;
  onnx::ExportReport report = onnx::export_onnx(
      exported.graph, options,
      [&](std::span<const std::byte> b) {
        bytes.append(reinterpret_cast<const char*>(b.data()), b.size());
      },
      [&](std::span<const std::byte> b) {
        if (!external) external.emplace(request.output + ".data");
        external->write(b);
      });
  auto owner = std::make_shared<std::string>(std::move(bytes));
  check_model(onnx::read_model(request.output, owner, std::as_bytes(std::span<const char>(*owner))),
              exported.graph, report);
  if (external) external->commit();
  runtime::write_file(request.output, std::string_view(*owner));

  Answer out;
  out.json.set("model", model.text);
  out.json.set("file", request.output);
  out.json.set("opset", report.opset);
  out.json.set("ir_version", report.ir_version);
  out.json.set("nodes", report.nodes);
  out.json.set("initializers", report.initializers);
  out.json.set("bytes", report.model_bytes);
  out.json.set("external_bytes", report.external_bytes);
  out.text = cat("wrote ", request.output, "  ", bytes_text(report.model_bytes), ", opset ",
                 report.opset, ", IR ", report.ir_version, ", ", report.nodes, " nodes, ",
                 report.initializers, " weights\n");
  if (external) {
    out.text += cat("wrote ", request.output, ".data  ", bytes_text(report.external_bytes), "\n");
  }
  runtime::JsonValue::Array notes;
  for (const std::string& n : report.notes) {
    out.text += cat("  ", n, "\n");
    notes.emplace_back(n);
  }
  out.json.set("notes", std::move(notes));
  return out;
}

}  // namespace etch::cli
