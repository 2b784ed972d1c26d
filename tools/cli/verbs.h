// The verbs, as functions: what the command line asks for, and the answer.
#pragma once

#include "tools/cli/console.h"
#include "tools/cli/engine.h"

namespace etch::cli {

struct TraceRequest {
  std::string model;
  std::vector<std::string> dynamic;
  std::string output;    // "" writes nothing
  bool text = false;     // the graph's text form instead of the summary
  bool explain = false;  // what the recording took along and relies on instead
  std::string level;     // what the artifact asks for; "": exact
};
/// Records a model and saves it as an artifact.
Answer trace_verb(const TraceRequest& request, Console& console);

struct ExportRequest {
  std::string model;
  std::vector<std::string> dynamic;
  std::string output;
  int opset = 0;
  std::string target;
  bool drop_state_writes = false;
};
/// Writes a model as ONNX.
Answer export_verb(const ExportRequest& request, Console& console);

struct RunRequest {
  std::string model;
  std::vector<std::string> dynamic, inputs, dims;
  std::string outputs;  // "" writes nothing
  std::string engine = "jit";
  std::string level;  // "": the artifact's, else exact
};
/// Runs a model on given inputs.
Answer run_verb(const RunRequest& request, Console& console);

struct CompareRequest {
  std::string model;
  std::vector<std::string> dynamic, inputs, dims;
  std::string a = "jit", b = "eager";
  bool allow_constant = false;
  std::string level;  // of side a; "": exact, or the artifact's
  double tolerance = 1e-3;
};
/// Runs a model two ways and compares every bit.
Answer compare_verb(const CompareRequest& request, Console& console);

struct InspectRequest {
  std::string model;
  std::vector<std::string> dynamic;
};
Answer inspect_verb(const InspectRequest& request, Console& console);

/// Every operator, or one.
Answer ops_verb(const std::string& name, Console& console);

/// What this machine and installation offer.
Answer doctor_verb(Console& console);

}  // namespace etch::cli
