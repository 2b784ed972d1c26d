// Running a model one of three ways.
#pragma once

#include "etch/jit.h"
#include "tools/cli/model.h"

namespace etch::cli {

enum class Engine : uint8_t {
  Eager,      // code: operator by operator; an artifact: the graph as recorded, no pass, no fusion
  Interpret,  // after the passes, fused kernels in the block interpreter
  Jit,        // after the passes, fused kernels as machine code
};

std::string_view name(Engine e);
/// Nothing when `text` names no engine.
std::optional<Engine> engine_from_name(std::string_view text);

struct RunResult {
  std::vector<NamedTensor> outputs;
  CompiledStats stats;  // of Interpret and Jit
  Level level = Level::Exact;
  double prepare_ms = 0, run_ms = 0;
};

/// Runs the model once. What it writes to its state is undone afterwards, so runs can be compared.
/// `strict`: a kernel without machine code is an error (Jit). No `level` means that of an artifact,
/// else exact; Eager is always exact.
RunResult run_engine(const LoadedModel& model, Engine engine,
                     const std::vector<NamedTensor>& inputs, bool strict,
                     std::optional<Level> level = std::nullopt);

/// The value of --level; nothing for "".
std::optional<Level> parse_level(const std::string& text);

/// A graph after the passes, and what each did.
struct Optimized {
  ir::Graph graph;
  std::string report;
};
Optimized optimize_graph(const ir::Graph& graph);

}  // namespace etch::cli
