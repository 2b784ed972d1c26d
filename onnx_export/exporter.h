// Writes a graph as an ONNX model.
#pragma once

#include "ir/graph.h"
#include "onnx_export/builder.h"

namespace etch::onnx {

struct ExportOptions {
  /// 7 to 26. 0: the lowest that suffices, where composites such as layer_norm count as sufficient
  /// only as the one operator that they are from opset 13 to 18 on.
  int opset = 0;
  /// A profile's name (profiles.h), checked before anything is written; "": any engine.
  std::string target;
  /// Values of state inputs, which become initialisers; null where there is none.
  std::function<std::shared_ptr<const ir::Constant>(std::string_view name)> state;
  /// Leaves out results that are written back to state; otherwise they are blockers.
  bool drop_state_writes = false;
  /// Weights go to a second file when they pass this many bytes (needs the external sink).
  uint64_t external_above = uint64_t{1} << 30;
  /// The second file's name as the model will see it, beside the model.
  std::string external_name;
  std::string producer = "etch";
  std::string producer_version;
};

struct ExportReport {
  int opset = 0;
  int ir_version = 0;
  size_t nodes = 0;
  size_t initializers = 0;
  uint64_t model_bytes = 0;
  uint64_t external_bytes = 0;
  std::vector<std::string> notes;
};

/// Writes `g` as traced (fusion nodes are written as what they compute). The bytes depend on the
/// graph, the state and the options only. Raises UserError listing every blocker, before anything
/// is written.
ExportReport export_onnx(const ir::Graph& g, const ExportOptions& options, const Sink& model,
                         const Sink& external = {});

/// The model without writing it; `report` and `blockers` may be null. With `blockers`, nothing is
/// raised for what stands in the way.
Model to_model(const ir::Graph& g, const ExportOptions& options, ExportReport* report = nullptr,
               std::vector<Blocker>* blockers = nullptr);

}  // namespace etch::onnx
