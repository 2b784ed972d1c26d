// Compiled functions.
#pragma once

#include <functional>

#include "etch/trace.h"
#include "runtime/level.h"

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
  /// Fast: f32 contractions run in oneDNN, and bits differ from eager's. UserError (Unavailable)
  /// when its module is absent.
  Level level = Level::Exact;
};

/// What ran how.
struct CompiledStats {
  size_t kernels_built = 0;      // fused kernels of the program
  uint64_t kernels_run = 0;      // native runs
  uint64_t interpreted_run = 0;  // runs of kernels left to the interpreter
  size_t fallbacks = 0;          // kernels meant for machine code that have none
  uint64_t vendor_run = 0;       // contractions that oneDNN ran (level fast)
};

enum class JitEventKind : uint8_t {
  Recorded,  // a real run left a new course behind, or confirmed one
  Missed,    // no recorded course fits the call; the reason says which guard and line
  Eager,     // the function stays eager from here on
  Budget,    // a new course was not kept: the budget is used up
};
struct JitEvent {
  JitEventKind kind;
  std::string reason;
};

struct JitOptions {
  /// The most courses (leaves of the guard tree) that are kept; calls that need another one run
  /// eagerly.
  size_t budget = 64;
  /// Every so many calls `f` runs for real and is compared with what is kept; 0: never.
  uint64_t recheck = 0;
  /// Called as things happen, from the calling thread. It must not call the function.
  std::function<void(const JitEvent&)> on_event = {};
};

struct JitStats : CompiledStats {
  uint64_t calls = 0;
  uint64_t replays = 0;     // answered by a compiled course
  uint64_t recordings = 0;  // real runs that recorded
  uint64_t eager_calls = 0;
  uint64_t misses = 0;        // replays given up at a guard
  size_t leaves = 0;          // courses kept
  size_t compiled = 0;        // of those, compiled
  std::string eager_because;  // empty unless the function stays eager
};

#ifdef ETCH_NOTRACE
class Compiled {
 public:
  explicit Compiled(Trace trace, const CompileOptions& = {}) : f_(std::move(trace.f)) {}
  std::vector<Tensor> operator()(std::span<const Tensor> inputs) {
    std::vector<Tensor> out;
    for (NamedTensor& r : f_(inputs)) out.push_back(std::move(r.tensor));
    return out;
  }
  Tensor operator()(const Tensor& x) { return std::move((*this)({&x, 1}).front()); }
  CompiledStats stats() const { return {}; }

 private:
  FlatFunction f_;
};

struct NoRetrace {
  NoRetrace() {}  // not trivial, so that a variable that is only there counts as used
};

class Jit {
 public:
  Jit(FlatFunction f, const std::vector<std::string>&, const TraceOptions& = {},
      const CompileOptions& = {}, const JitOptions& = {})
      : f_(Trace{std::move(f)}) {}
  std::vector<Tensor> operator()(std::span<const Tensor> inputs) { return f_(inputs); }
  JitStats stats() const { return {}; }
  std::string explain_last_miss() const { return ""; }

 private:
  Compiled f_;
};
#else
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

  struct Impl;
  explicit Compiled(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  const std::shared_ptr<Impl>& impl() const { return impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

/// While alive, a jit function of this thread that would have to run `f` for real raises UserError
/// with the reason instead.
class NoRetrace {
 public:
  NoRetrace();
  ~NoRetrace();
  NoRetrace(const NoRetrace&) = delete;
  NoRetrace& operator=(const NoRetrace&) = delete;
};

/// A function that records itself while it runs and is replayed compiled from then on. Calls may
/// come from several threads; they take turns.
///
/// What the host decides from sizes and values while recording (branches, loop counts, raw
/// integers) is guarded. A replay changes nothing before all its guards have held; when one fails,
/// `f` runs for real and the new course is kept beside the old ones. A course is compiled once a
/// second real run has confirmed it; what differs between the two without a guard (a counter, a
/// clock) keeps the function eager, until it goes through etch::input(). A size that was seen to
/// change becomes a symbol. What cannot be followed (raw floating numbers, data pointers, results
/// that take part in gradients) keeps the function eager: stats().eager_because says why.
///
/// Only Etch effects are replayed: logging, push_back and the like happen in real runs only.
class Jit {
 public:
  Jit(FlatFunction f, std::vector<std::string> names, TraceOptions trace = {},
      CompileOptions compile = {}, JitOptions options = {});
  std::vector<Tensor> operator()(std::span<const Tensor> inputs,
                                 std::source_location loc = std::source_location::current());
  JitStats stats() const;
  /// Why the last call that ran `f` for real did: the guard, its line, the value then and now.
  std::string explain_last_miss() const;
  /// The program of the first compiled course.
  Compiled program() const;

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};
#endif

/// jit(f, {"x", "y"}): f takes tensors and returns a tree of tensors.
template <class F>
Jit jit(F f, std::vector<std::string> names, TraceOptions trace = {}, CompileOptions compile = {},
        JitOptions options = {}) {
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
  return Jit(std::move(flat), std::move(names), std::move(trace), compile, std::move(options));
}

}  // namespace etch
