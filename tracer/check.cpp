#include "tracer/check.h"

#include <cmath>
#include <cstring>

#include "ir/text.h"
#include "runtime/program/program.h"

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

}  // namespace etch::tracer
