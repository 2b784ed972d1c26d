// Program: a graph made ready to run, any number of times, from any number of threads.
//
//   Program p = Program::build(graph);       // immutable; copies share everything
//   Context c(p);                            // temporary memory; one per thread
//   std::vector<Tensor> y = p.run(state, c, inputs);
//
// Results have the same bits as running the graph's operators eagerly.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "etch/tensor.h"
#include "ir/graph.h"
#include "runtime/level.h"
#include "runtime/program/kernel_source.h"
#include "runtime/program/state.h"

namespace etch::runtime {

struct GuardPort;
struct Plan;
struct Port;
class Context;

/// An input as the caller holds it. Sizes and strides count elements; no strides means row-major.
struct InputView {
  const void* data = nullptr;
  DType dtype = DType::F32;
  std::span<const int64_t> sizes;
  std::span<const int64_t> strides;
};

/// Memory of the caller for one output, row-major; it must not overlap inputs or other outputs.
struct OutputView {
  void* data = nullptr;
  size_t bytes = 0;
};

struct BuildOptions {
  KernelSource* kernels = nullptr;  // machine code; null: the block interpreter runs everything
  bool strict = false;              // raise when a kernel has no machine code
  Level level = Level::Exact;
  bool vendor_optional = false;  // level `fast` runs the exact kernels where the library is absent
  // Keeps the weights of contractions in the layout of their kernels, beside the originals: as much
  // memory again, and runs need not pack them. Constants, and State that runs do not write.
  bool pack_weights = true;
};

/// A guard that did not hold: which, and the value it saw.
struct GuardMiss {
  size_t guard = 0;
  int64_t value = 0;
};

struct ProgramStats {
  size_t steps = 0;
  size_t kernels = 0;  // steps that are fused kernels
  size_t native = 0;   // of those, with machine code by now
  size_t refused = 0;  // of those, that will never have any
  uint64_t native_runs = 0;
  uint64_t interpreted_runs = 0;
  uint64_t vendor_runs = 0;  // contractions that the library of level `fast` ran
  size_t packed_bytes = 0;   // of constants; State::packed_bytes() has those of its tensors
};

class Program {
 public:
  /// Every graph that verifies builds. Raises UserError for element types without arithmetic, sizes
  /// that no input gives, and as Unavailable in strict mode for kernels without machine code and at
  /// level `fast` when the library is absent.
  static Program build(ir::Graph graph, const BuildOptions& options = {});

  /// The graph as given to build().
  const ir::Graph& graph() const;
  /// Inputs of the caller, state inputs, results for the caller; types may hold symbols.
  std::span<const Port> inputs() const;
  std::span<const Port> states() const;
  std::span<const Port> outputs() const;
  /// Values that must come out as in the recorded run (ir::GraphResult::guard), in graph order.
  std::span<const GuardPort> guards() const;
  /// Whether runs write to the State.
  bool writes_state() const;
  ProgramStats stats() const;

  /// The values of the symbols for `inputs`; nullopt when their count, dtypes, ranks, fixed sizes
  /// or ranges do not fit the signature. Constraints are not looked at.
  std::optional<SymbolBindings> symbols_of(std::span<const Tensor> inputs) const;
  /// Index into graph().constraints of the first that does not hold, or -1.
  int check_constraints(std::span<const SymbolBinding> symbols) const;

  /// Fixes the sizes of a call without running it; Context::output_sizes() answers after it.
  void bind(const State& state, Context& context, std::span<const InputView> inputs) const;

  /// Runs into the caller's memory. Values for the State are put in place only when everything has
  /// succeeded and every guard held: after an error the State is unchanged (outputs may hold
  /// anything). A guard that does not hold is a UserError naming its line and both values.
  void run(State& state, Context& context, std::span<const InputView> inputs,
           std::span<const OutputView> outputs) const;
  /// For programs that only read their State.
  void run(const State& state, Context& context, std::span<const InputView> inputs,
           std::span<const OutputView> outputs) const;

  /// The same with tensors; results are fresh.
  std::vector<Tensor> run(State& state, Context& context, std::span<const Tensor> inputs) const;
  std::vector<Tensor> run(const State& state, Context& context,
                          std::span<const Tensor> inputs) const;
  std::vector<Tensor> run(Context& context, std::span<const Tensor> inputs) const;
  /// As run(), but answers the first guard that does not hold instead of raising; `results` and
  /// the State are then unchanged.
  std::optional<GuardMiss> try_run(State& state, Context& context, std::span<const Tensor> inputs,
                                   std::vector<Tensor>& results) const;
  /// Raises the UserError of run() for a miss; does nothing without one.
  void require(const std::optional<GuardMiss>& miss) const;

  const Plan& plan() const { return *plan_; }

 private:
  friend class Context;
  explicit Program(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {}
  std::optional<GuardMiss> run_tensors(const State& state, State* writable, Context& context,
                                       std::span<const Tensor> inputs,
                                       std::vector<Tensor>& results) const;
  std::shared_ptr<const Plan> plan_;
};

/// The temporary memory of calls to one program. One call at a time; kept between calls, so that
/// calls which are no larger than an earlier one allocate nothing.
class Context {
 public:
  explicit Context(const Program& program);
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;
  ~Context();

  /// Sizes of output i in the last call or bind().
  std::span<const int64_t> output_sizes(size_t i) const;
  size_t output_bytes(size_t i) const;
  /// What guard i saw in the last run, as the integer it is checked as.
  int64_t guard_value(size_t i) const;
  /// Bytes of temporaries that the last call needed, that are held, and that no plan could go
  /// below.
  size_t arena_bytes() const;
  size_t arena_capacity() const;
  size_t live_bytes() const;

  struct Impl;
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace etch::runtime
