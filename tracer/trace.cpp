#include "etch/trace.h"

#include "ir/text.h"
#include "runtime/eager.h"
#include "tracer/check.h"
#include "tracer/recorder.h"

namespace etch {

const ir::Graph& Trace::graph() const { return data_->graph; }
const std::vector<NamedTensor>& Trace::state() const { return data_->state; }
const std::vector<Capture>& Trace::captures() const { return data_->captures; }
const std::vector<NamedTensor>& Trace::example_inputs() const { return data_->inputs; }
const std::vector<Tensor>& Trace::example_results() const { return data_->results; }
std::string Trace::text() const { return ir::print(data_->graph); }
std::string Trace::summary() const { return ir::summary(data_->graph); }

Trace trace_flat(const FlatFunction& f, const std::vector<NamedTensor>& inputs,
                 const TraceOptions& options, std::source_location loc) {
  runtime::At at(loc);
  if (runtime::recorder() != nullptr) {
    fail("trace", "a trace is already being recorded on this thread", "Call trace() outside of it",
         current_loc());
  }
  for (const DynamicDim& d : options.dynamic) {
    bool found = false;
    for (const NamedTensor& i : inputs) found |= i.name == d.input;
    if (!found) {
      fail("trace", cat("dynamic axis names the input ", d.input, ", which there is not"),
           "Use an input's path");
    }
  }
  // The check replays on what the state was before the run.
  std::vector<NamedTensor> before;
  if (options.check) {
    for (const NamedTensor& s : options.state) before.push_back({s.name, s.tensor.clone()});
  }
  tracer::GraphRecorder recorder(options);
  std::vector<Tensor> tensors;
  std::vector<NamedTensor> results;
  {
    tracer::Recording recording(recorder);
    for (const NamedTensor& i : inputs) {
      runtime::require_defined(i.tensor, "trace");
      recorder.add_input(i);
      tensors.push_back(i.tensor);
    }
    results = f(tensors);
  }
  auto data = std::make_shared<tracer::TraceData>(recorder.finish(results));
  if (options.check) {
    tracer::check_replay(*data, before);
    tracer::check_runs(*data, f, options, before);
  }
  return Trace(std::move(data));
}

}  // namespace etch
