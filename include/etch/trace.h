// Recording a function while it runs.
//
// Only Etch effects are replayed: what `f` does besides (logging, push_back, files) happens while
// recording and never again.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "etch/scope.h"
#include "etch/tree.h"

namespace etch {

namespace ir {
class Graph;
}
namespace tracer {
struct TraceData;
}

/// A dynamic size: axis `axis` of the input at path `input` is the symbol `symbol`.
struct DynamicDim {
  std::string input;
  int64_t axis = 0;
  std::string symbol;
  int64_t low = 0;
  int64_t high = (int64_t{1} << 60);
};

struct TraceOptions {
  std::vector<DynamicDim> dynamic;
  /// Parameters, buffers, optimizer state: captured as named slots. nn::Module::state() gives them.
  std::vector<NamedTensor> state;
  /// Allows captured constants above 64 KiB that nobody named.
  bool allow_large_constants = false;
  /// Replays the recording and compares every result with eager's, bit for bit; then runs the
  /// function up to three times more (same inputs, other values, other sizes of dynamic axes),
  /// putting the state back after each, and looks for what the recording does not know of.
  bool check = true;
  /// The other values for that check, in place of changed copies of the inputs.
  std::vector<Tensor> second_inputs = {};
};

/// A tensor that the function used but did not get as an argument.
struct Capture {
  std::string name;  // of a slot, or "" for a constant
  size_t bytes = 0;
  SourceLoc used_at;
};

/// What a recording took from its surroundings and what it relies on, each with its line
/// ("net.cpp:12", or "" when unknown).
struct TraceReport {
  struct Captured {
    std::string name;  // of a slot; "" for a constant
    std::string type;  // "f32[16, 8]"; "" for a constant
    size_t bytes = 0;
    bool written = false;  // the program changes it
    std::string where;     // first use
  };
  /// A decision of the host that the recording follows.
  struct Guard {
    std::string what;    // "gt(sum, 0) = 1", "3 < N"
    std::string advice;  // what would free the recording of it
    std::string where;
  };
  struct Size {
    std::string input;
    int64_t axis = 0;
    std::string size;    // "N in [1, 64]", "8"
    std::string reason;  // why it is one number, or "" for a symbol
  };
  struct Draw {
    std::string what;  // "random_normal f32[4, 4]"
    std::string where;
  };
  std::vector<Captured> captured;
  std::vector<Guard> guards;
  std::vector<Size> sizes;
  std::vector<Draw> draws;
  /// Tables for people.
  std::string text() const;
};

using FlatFunction = std::function<std::vector<NamedTensor>(std::span<const Tensor>)>;

#ifdef ETCH_NOTRACE
// Tracing compiled out: what would be compiled calls the function. docs/architecture.md says what
// for.
class Trace {
 public:
  FlatFunction f;
};
inline Trace trace_flat(const FlatFunction& f, const std::vector<NamedTensor>& inputs,
                        const TraceOptions& = {}, SourceLoc = {}) {
  std::vector<Tensor> in;
  for (const NamedTensor& i : inputs) in.push_back(i.tensor);
  f(in);
  return {f};
}
#else
/// What one run of a function left behind: an SSA graph, the tensors it captured, its signature.
class Trace {
 public:
  Trace() = default;
  explicit Trace(std::shared_ptr<const tracer::TraceData> data) : data_(std::move(data)) {}
  const ir::Graph& graph() const;
  /// The captured slots, in the order of the graph's state inputs; live tensors, not copies.
  const std::vector<NamedTensor>& state() const;
  const std::vector<Capture>& captures() const;
  TraceReport report() const;
  /// The inputs and results of the recorded run.
  const std::vector<NamedTensor>& example_inputs() const;
  const std::vector<Tensor>& example_results() const;
  /// The graph as text, and as a table for people.
  std::string text() const;
  std::string summary() const;

 private:
  std::shared_ptr<const tracer::TraceData> data_;
};

/// Runs `f` once on `inputs`, recording. Raises UserError, leaving nothing behind, when something
/// would be silently lost: a size or number turned raw, a data pointer, an unnamed write.
Trace trace_flat(const FlatFunction& f, const std::vector<NamedTensor>& inputs,
                 const TraceOptions& options = {},
                 std::source_location loc = std::source_location::current());
#endif

/// trace(f, {"x"}, std::tuple(x)): arguments and results may be any trees of tensors; argument i's
/// leaves lie under names[i].
template <class F, class... Args>
Trace trace(F&& f, const std::vector<std::string>& names, const std::tuple<Args...>& args,
            const TraceOptions& options = {},
            std::source_location loc = std::source_location::current()) {
  if (names.size() != sizeof...(Args)) {
    fail("trace", cat("expected ", sizeof...(Args), " argument names, got ", names.size()));
  }
  std::vector<NamedTensor> leaves;
  size_t at = 0;
  std::apply(
      [&](const auto&... arg) {
        (
            (void)[&] {
              for (NamedTensor& n : flatten_tree(names[at], arg)) leaves.push_back(std::move(n));
              ++at;
            }(),
            ...);
      },
      args);
#ifdef ETCH_NOTRACE
  FlatFunction flat = [f = std::decay_t<F>(f), args](std::span<const Tensor> in) mutable {
#else
  FlatFunction flat = [&](std::span<const Tensor> in) {
#endif
    std::tuple<Args...> copy = args;
    fill_tree(copy, in);
    return flatten_tree("", std::apply(f, copy));
  };
  return trace_flat(flat, leaves, options, loc);
}
/// trace(f, x, {...}): one tensor named "x".
template <class F>
Trace trace(F&& f, const Tensor& x, const TraceOptions& options = {},
            std::source_location loc = std::source_location::current()) {
  return trace(std::forward<F>(f), {"x"}, std::tuple<Tensor>(x), options, loc);
}

}  // namespace etch
