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

/// An array of one object per row, with a member for each (name, pointer to member).
template <class Row, class... T>
JsonValue rows(const std::vector<Row>& list, std::pair<const char*, T Row::*>... members) {
  JsonValue::Array out;
  for (const Row& r : list) {
    JsonValue object;
    (object.set(members.first, r.*members.second), ...);
    out.push_back(std::move(object));
  }
  return out;
}

void explain(const TraceReport& report, Answer& out) {
  using Captured = TraceReport::Captured;
  using Guard = TraceReport::Guard;
  using Size = TraceReport::Size;
  using Draw = TraceReport::Draw;
  out.text = report.text();
  out.json.set(
      "captured",
      rows(report.captured, std::pair("name", &Captured::name), std::pair("type", &Captured::type),
           std::pair("bytes", &Captured::bytes), std::pair("written", &Captured::written),
           std::pair("where", &Captured::where)));
  out.json.set("guards",
               rows(report.guards, std::pair("what", &Guard::what),
                    std::pair("advice", &Guard::advice), std::pair("where", &Guard::where)));
  out.json.set("sizes",
               rows(report.sizes, std::pair("input", &Size::input), std::pair("axis", &Size::axis),
                    std::pair("size", &Size::size), std::pair("reason", &Size::reason)));
  out.json.set("draws", rows(report.draws, std::pair("what", &Draw::what),
                             std::pair("where", &Draw::where)));
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
