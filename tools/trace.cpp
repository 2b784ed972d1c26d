#include <utility>

#include "ir/text.h"
#include "runtime/io/file.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/text.h"
#include "tools/cli/verbs.h"

namespace etch::cli {

using runtime::JsonValue;

namespace {

/// The artifact's bytes, read back before anybody sees them.
runtime::Bytes artifact_bytes(const Trace& trace, const ir::Graph& optimized, Level level,
                              const std::string& path) {
  runtime::Artifact artifact;
  artifact.level = level;
  artifact.graph = optimized;
  artifact.traced = trace.graph();
  for (const NamedTensor& s : trace.state()) artifact.state.set(s.name, s.tensor.detach());
  runtime::Bytes bytes = runtime::encode_artifact(artifact);
  runtime::Artifact back = runtime::decode_artifact(bytes, path, {.traced = true});
  invariant(ir::same_graph(back.graph, optimized) && ir::same_graph(*back.traced, trace.graph()),
            "an artifact holds the graphs that were saved");
  return bytes;
}

void explain(const TraceReport& report, Answer& out) {
  out.text = report.text();
  JsonValue::Array captured, guards, sizes, draws;
  for (const TraceReport::Captured& c : report.captured) {
    JsonValue row;
    row.set("name", c.name);
    row.set("type", c.type);
    row.set("bytes", static_cast<uint64_t>(c.bytes));
    row.set("written", c.written);
    row.set("where", c.where);
    captured.push_back(std::move(row));
  }
  for (const TraceReport::Guard& g : report.guards) {
    JsonValue row;
    row.set("what", g.what);
    row.set("advice", g.advice);
    row.set("where", g.where);
    guards.push_back(std::move(row));
  }
  for (const TraceReport::Size& s : report.sizes) {
    JsonValue row;
    row.set("input", s.input);
    row.set("axis", s.axis);
    row.set("size", s.size);
    row.set("reason", s.reason);
    sizes.push_back(std::move(row));
  }
  for (const TraceReport::Draw& d : report.draws) {
    JsonValue row;
    row.set("what", d.what);
    row.set("where", d.where);
    draws.push_back(std::move(row));
  }
  out.json.set("captured", std::move(captured));
  out.json.set("guards", std::move(guards));
  out.json.set("sizes", std::move(sizes));
  out.json.set("draws", std::move(draws));
}

}  // namespace

Answer trace_verb(const TraceRequest& request, Console&) {
  check_output_name("--output", request.output, ".etch");
  Level level = parse_level(request.level).value_or(Level::Exact);
  std::vector<DynamicDim> dynamic;
  for (const std::string& d : request.dynamic) dynamic.push_back(parse_dynamic(d));
  LoadedModel model = load_model(request.model, dynamic);
  if (!model.source) {
    fail("trace", cat(model.text, " is recorded already"), "etch inspect shows what it holds");
  }
  Trace trace = trace_model(model);
  Optimized optimized = optimize_graph(trace.graph());
  Answer out;
  out.json.set("model", model.text);
  out.json.set("nodes_traced", trace.graph().size());
  out.json.set("nodes_optimized", optimized.graph.size());
  uint64_t state_bytes = 0;
  for (const Capture& c : trace.captures()) state_bytes += c.bytes;
  out.json.set("captured_bytes", state_bytes);
  if (request.explain) {
    explain(trace.report(), out);
  } else if (request.text) {
    out.text = trace.text();
    out.json.set("text", out.text);
  } else {
    out.text =
        cat(model.text, "  ", trace.graph().size(), " nodes recorded, ", optimized.graph.size(),
            " after the passes, ", trace.captures().size(), " tensors captured (",
            bytes_text(state_bytes), ")\n", ir::summary(trace.graph()));
  }
  if (!request.output.empty()) {
    runtime::Bytes bytes = artifact_bytes(trace, optimized.graph, level, request.output);
    Writing writing;
    runtime::write_file(request.output, bytes.span());
    if (!request.text) {
      out.text += cat("wrote ", request.output, "  ", bytes_text(bytes.size()), "\n");
    }
    out.json.set("file", request.output);
    out.json.set("bytes", bytes.size());
  }
  return out;
}

}  // namespace etch::cli
