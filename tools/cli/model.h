// MODEL on the command line:
//   zoo:NAME[?parameter=value&...]     a model that comes with the command
//   FOLDER/libX.so:NAME[?...]          one of a plug-in made with ETCH_MODEL (runs the plug-in's
//   code) FILE.etch                          an artifact
#pragma once

#include <optional>

#include "etch/model.h"
#include "runtime/program/artifact.h"
#include "tools/cli/values.h"

namespace etch::cli {

/// A model as the verbs use it.
struct LoadedModel {
  std::string text;  // as the user wrote it
  std::string doc;   // one line about it
  std::vector<ModelParameter> parameters;
  std::optional<Model> source;                  // code that can be traced, or else
  std::shared_ptr<runtime::Artifact> artifact;  // with its recorded graph where it holds one
  /// What it takes. Sizes that a call chooses are symbols: dynamic ones, and for code its free
  /// axes.
  std::vector<InputSpec> inputs;
  std::vector<DynamicDim> dynamic;  // as asked for; code only
};

/// Finds and makes the model. UserError (Usage) for names and parameters that do not exist,
/// (Unreadable) for files. `dynamic` names axes that become symbols.
LoadedModel load_model(const std::string& text, const std::vector<DynamicDim>& dynamic = {});

/// Puts the state of a model's code back, at its end, to what it was.
class StateGuard {
 public:
  explicit StateGuard(const std::vector<NamedTensor>& state);
  ~StateGuard();
  StateGuard(const StateGuard&) = delete;
  StateGuard& operator=(const StateGuard&) = delete;

 private:
  const std::vector<NamedTensor>& state_;
  std::vector<Tensor> before_;
};

/// Records the model's code on `inputs`, or on random ones of fitting sizes when there are none.
Trace trace_model(const LoadedModel& model, const std::vector<NamedTensor>& inputs = {});

/// Inputs for recording: sizes of dynamic axes are distinct and at least 2, others as declared.
std::vector<NamedTensor> example_inputs(const LoadedModel& model);

/// A line per input for people: "x  f32[N, 64]".
std::string inputs_text(std::span<const InputSpec> inputs);

}  // namespace etch::cli
