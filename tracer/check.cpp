#include "tracer/check.h"

#include <cmath>
#include <cstring>

#include "etch/autograd.h"
#include "etch/ops.h"
#include "ir/text.h"
#include "runtime/eager.h"
#include "runtime/program/program.h"
#include "tracer/align.h"

namespace etch::tracer {
namespace {

template <class T>
bool same_value(const void* a, const void* b, int64_t i) {
  T x, y;
  std::memcpy(&x, static_cast<const T*>(a) + i, sizeof(T));
  std::memcpy(&y, static_cast<const T*>(b) + i, sizeof(T));
  return std::memcmp(&x, &y, sizeof(T)) == 0 || (std::isnan(x) && std::isnan(y));
}

[[noreturn]] void report(const TraceData& trace, const std::string& what, int64_t at) {
  fail_internal(cat("the replay of a trace differs from eager in ", what, " at element ", at,
                    "; the trace is:\n", ir::print(trace.graph)));
}

}  // namespace

int64_t first_difference(const Tensor& a, const Tensor& b) {
  Tensor x = runtime::dense(a), y = runtime::dense(b);
  const runtime::TensorImpl &p = runtime::impl(x), &q = runtime::impl(y);
  if (p.dtype != q.dtype || p.sizes != q.sizes) return 0;
  size_t size = itemsize(p.dtype);
  for (int64_t i = 0; i < p.numel; ++i) {
    bool same =
        p.dtype == DType::F32 ? same_value<float>(p.data, q.data, i)
        : p.dtype == DType::F64
            ? same_value<double>(p.data, q.data, i)
            : std::memcmp(static_cast<const std::byte*>(p.data) + static_cast<size_t>(i) * size,
                          static_cast<const std::byte*>(q.data) + static_cast<size_t>(i) * size,
                          size) == 0;
    if (!same) return i;
  }
  return -1;
}

void check_replay(const TraceData& trace, const std::vector<NamedTensor>& state_before) {
  runtime::State state;
  for (const NamedTensor& s : state_before) state.set(s.name, s.tensor);
  runtime::Program program = runtime::Program::build(trace.graph);
  runtime::Context context(program);
  std::vector<Tensor> inputs;
  for (const NamedTensor& i : trace.inputs) inputs.push_back(i.tensor);
  std::vector<Tensor> replayed = program.run(state, context, inputs);
  for (size_t i = 0; i < replayed.size(); ++i) {
    int64_t at = first_difference(replayed[i], trace.results[i]);
    if (at >= 0) report(trace, cat("result ", trace.graph.results()[i].name), at);
  }
  for (const NamedTensor& s : trace.state) {
    int64_t at = first_difference(state.get(s.name), s.tensor);
    if (at >= 0) report(trace, cat("state ", s.name), at);
  }
}

namespace {

/// Puts contents and gradients of the state back when it goes.
class StateBackup {
 public:
  explicit StateBackup(const std::vector<NamedTensor>& live) : live_(live) {
    for (const NamedTensor& s : live) {
      values_.push_back({s.name, s.tensor.clone()});
      grads_.push_back(s.tensor.grad());
    }
  }
  ~StateBackup() {
    restore(live_, values_);
    for (size_t i = 0; i < live_.size(); ++i) {
      Tensor t = live_[i].tensor;
      if (t.grad().defined() || grads_[i].defined()) t.set_grad(grads_[i]);
    }
  }
  StateBackup(const StateBackup&) = delete;
  StateBackup& operator=(const StateBackup&) = delete;

  static void restore(const std::vector<NamedTensor>& live, const std::vector<NamedTensor>& from) {
    for (size_t i = 0; i < live.size(); ++i) {
      runtime::copy_elements(from[i].tensor, live[i].tensor);
      ++runtime::impl(live[i].tensor).storage->version;
    }
  }

 private:
  const std::vector<NamedTensor>& live_;
  std::vector<NamedTensor> values_;
  std::vector<Tensor> grads_;
};

TraceData record_again(const FlatFunction& f, const TraceOptions& options,
                       const std::vector<Tensor>& values, const TraceData& first) {
  GraphRecorder recorder(options);
  std::vector<NamedTensor> results;
  {
    Recording recording(recorder);
    for (size_t i = 0; i < values.size(); ++i)
      recorder.add_input({first.inputs[i].name, values[i]});
    results = f(values);
  }
  return recorder.finish(results);
}

Tensor as_leaf(Tensor t, const Tensor& like) {
  return like.requires_grad() ? t.requires_grad_() : t;
}

/// The recorded inputs with every floating value changed.
std::vector<Tensor> other_values(const TraceData& trace, const TraceOptions& options) {
  NoGrad no_grad;
  std::vector<Tensor> out;
  for (size_t i = 0; i < trace.inputs.size() - trace.host_inputs.size(); ++i) {
    const Tensor& t = trace.inputs[i].tensor;
    if (i < options.second_inputs.size()) {
      out.push_back(options.second_inputs[i]);
    } else {
      out.push_back(is_float(t.dtype()) ? as_leaf(t * 0.75 + 0.125, t) : t);
    }
  }
  return out;
}

/// The recorded inputs with one more slice along every dynamic axis, or one less at its limit.
std::vector<Tensor> other_sizes(const TraceData& trace, const TraceOptions& options) {
  NoGrad no_grad;
  std::vector<Tensor> out;
  for (size_t i = 0; i < trace.inputs.size() - trace.host_inputs.size(); ++i) {
    Tensor t = trace.inputs[i].tensor.detach();
    for (const DynamicDim& d : options.dynamic) {
      if (d.input != trace.inputs[i].name) continue;
      const int64_t n = t.size(d.axis);
      if (n < d.high) {
        const Tensor parts[] = {t, t.slice(d.axis, 0, 1)};
        t = concat(parts, d.axis);
      } else {
        t = t.slice(d.axis, 0, n - 1);
      }
    }
    out.push_back(as_leaf(t.clone(), trace.inputs[i].tensor));
  }
  return out;
}

[[noreturn]] void report_difference(const std::string& what, const std::string& difference) {
  fail("trace",
       cat("the function does not follow from its inputs and state: ", what, ", ", difference),
       "A number that changes goes through etch::input(), a tensor into TraceOptions::state");
}

}  // namespace

void check_runs(const TraceData& trace, const FlatFunction& f, const TraceOptions& options,
                const std::vector<NamedTensor>& state_before) {
  StateBackup backup(options.state);
  std::vector<Tensor> same;
  for (size_t i = 0; i < trace.inputs.size() - trace.host_inputs.size(); ++i) {
    same.push_back(trace.inputs[i].tensor);
  }
  StateBackup::restore(options.state, state_before);
  Alignment again = align(trace, record_again(f, options, same, trace));
  if (again.difference) report_difference("run twice on the same inputs", *again.difference);
  if (again.parted_at >= 0) {
    report_difference("run twice on the same inputs", "a guard came out differently");
  }
  auto look = [&](const char* what, auto&& inputs) {
    std::optional<std::string> difference;
    try {
      StateBackup::restore(options.state, state_before);
      difference = align(trace, record_again(f, options, inputs(), trace)).difference;
    } catch (const std::exception&) {  // it may well not take these inputs
    }
    if (difference) report_difference(what, *difference);
  };
  look("run on other values", [&] { return other_values(trace, options); });
  if (!options.dynamic.empty()) {
    look("run on other sizes", [&] { return other_sizes(trace, options); });
  }
}

}  // namespace etch::tracer
