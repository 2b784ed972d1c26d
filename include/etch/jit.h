// Compiled functions.
#pragma once

#include "etch/trace.h"

namespace etch {

enum class CompileMode : uint8_t {
  Interpret,   // no code generation
  Sync,        // compiled before the first result
  Background,  // interpreted until the code is there
};

struct CompileOptions {
  CompileMode mode = CompileMode::Sync;
  bool strict = false;  // a kernel without machine code is an error
  int tier = 1;         // 0: ready soonest, 1: runs fastest
};

/// What ran how.
struct CompiledStats {
  size_t kernels_built = 0;      // fused kernels of the program
  uint64_t kernels_run = 0;      // native runs
  uint64_t interpreted_run = 0;  // runs of kernels left to the interpreter
  size_t fallbacks = 0;          // kernels meant for machine code that have none
};

/// A trace made ready: optimised, fused, compiled, bound to the live tensors of its state.
class Compiled {
 public:
  Compiled() = default;
  explicit Compiled(const Trace& trace, const CompileOptions& options = {});
  /// Runs on inputs in the trace's order. State tensors are read and written in place.
  std::vector<Tensor> operator()(std::span<const Tensor> inputs,
                                 std::source_location loc = std::source_location::current());
  Tensor operator()(const Tensor& x, std::source_location loc = std::source_location::current());
  /// The graph after the passes.
  const ir::Graph& optimized() const;
  /// The same as a table for people.
  std::string summary() const;
  CompiledStats stats() const;
  const Trace& trace() const;
  /// Writes an artifact: program, graphs, constants and the present state.
  void save(const std::string& path) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// A function that records itself for each signature (dtypes, ranks, static sizes) of its inputs
/// and from then on runs compiled.
class Jit {
 public:
  Jit(FlatFunction f, std::vector<std::string> names, TraceOptions trace = {},
      CompileOptions compile = {})
      : f_(std::move(f)), names_(std::move(names)), trace_(std::move(trace)), compile_(compile) {}
  std::vector<Tensor> operator()(std::span<const Tensor> inputs,
                                 std::source_location loc = std::source_location::current());
  /// How many signatures were recorded.
  size_t recordings() const { return entries_.size(); }
  CompiledStats stats() const;
  /// The program of the first signature.
  const Compiled& program() const;

 private:
  struct Entry {
    std::vector<DType> dtypes;
    std::vector<Sizes> sizes;
    Compiled program;
  };
  FlatFunction f_;
  std::vector<std::string> names_;
  TraceOptions trace_;
  CompileOptions compile_;
  std::vector<Entry> entries_;
};

/// jit(f, {"x", "y"}): f takes tensors and returns a tensor.
template <class F>
Jit jit(F f, std::vector<std::string> names, TraceOptions trace = {}, CompileOptions compile = {}) {
  FlatFunction flat = [f = std::move(f)](std::span<const Tensor> in) mutable {
    if constexpr (std::is_invocable_v<F&, const Tensor&>) {
      return flatten_tree("", f(in[0]));
    } else if constexpr (std::is_invocable_v<F&, const Tensor&, const Tensor&>) {
      return flatten_tree("", f(in[0], in[1]));
    } else if constexpr (std::is_invocable_v<F&, const Tensor&, const Tensor&, const Tensor&>) {
      return flatten_tree("", f(in[0], in[1], in[2]));
    } else {
      return flatten_tree("", f(in));
    }
  };
  return Jit(std::move(flat), std::move(names), std::move(trace), compile);
}

}  // namespace etch
