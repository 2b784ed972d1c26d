// What follows from the sizes of one call's inputs: symbols, buffer sizes and offsets, bound
// kernels.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "runtime/contractions.h"
#include "runtime/program/arena.h"
#include "runtime/program/plan.h"

namespace etch::runtime {

class Frames;

/// What a port is given.
struct PortValue {
  DType dtype = DType::F32;
  std::span<const int64_t> sizes;
};

/// A step under one set of sizes. Data pointers are filled in by each run.
struct BoundStep {
  ir::loop::BoundKernel kernel;
  struct Window {
    Sizes sizes, strides;
    int64_t offset = 0;  // elements
  };
  std::vector<Window> windows;    // per operand
  std::vector<Operand> operands;  // Contraction
  std::vector<ir::TensorRef> in, out;
  std::shared_ptr<void> attrs;  // with numbers in place of symbols, where there are any
};

/// Kept from call to call: binding to sizes that need no more memory than before allocates nothing.
class Binding {
 public:
  /// Steps with nested plans find their bindings in `frames`.
  Binding(const Plan& plan, Frames& frames);

  /// Makes everything fit `inputs` and `states` (one per port); does nothing when their sizes are
  /// those of the last call. Raises UserError naming port, axis, expected and given.
  /// `outer`: the values of the symbols that the plan around this one gives.
  void bind(std::span<const PortValue> inputs, std::span<const PortValue> states,
            std::span<const SymbolBinding> outer = {});
  bool bound() const { return bound_; }
  /// Another number after each change of sizes.
  uint64_t serial() const { return serial_; }

  std::span<const int64_t> sizes(uint32_t buffer) const { return buffers_[buffer].sizes; }
  int64_t bytes(uint32_t buffer) const { return buffers_[buffer].bytes; }
  /// Offset of an Arena buffer.
  int64_t offset(uint32_t buffer) const { return buffers_[buffer].offset; }
  int64_t arena_bytes() const { return arena_bytes_; }
  /// The most bytes alive at one step.
  int64_t live() const { return live_bytes(lifetimes_); }
  std::vector<BoundStep>& steps() { return steps_; }
  const SymbolBindings& symbols() const { return symbols_; }

 private:
  struct Buffer {
    Sizes sizes;
    int64_t numel = 0, bytes = 0, offset = 0;
  };
  bool same_sizes(std::span<const PortValue> inputs, std::span<const PortValue> states,
                  std::span<const SymbolBinding> outer) const;
  void bind_symbols(std::span<const PortValue> values, bool state);
  void check_sizes(std::span<const PortValue> values, bool state) const;
  void check_ranges() const;
  void check_constraints() const;
  void check_requirements() const;
  void size_buffers();
  void place_buffers();
  void bind_kernel(const Step& s, BoundStep& b) const;
  void bind_operator(const Step& s, BoundStep& b) const;
  void bind_bodies();
  void bind_attrs(const Step& s, BoundStep& b) const;
  void eval(std::span<const Dim> shape, Sizes& out) const;
  [[noreturn]] void fail_axis(bool state, size_t port, size_t axis, int64_t got,
                              int64_t expected) const;
  const Port& port(bool state, size_t i) const { return state ? plan_.states[i] : plan_.inputs[i]; }

  const Plan& plan_;
  Frames& frames_;
  bool bound_ = false;
  uint64_t serial_ = 0;
  std::vector<int64_t> key_;
  SymbolBindings symbols_;
  std::vector<char> known_;  // per symbol
  std::vector<Buffer> buffers_;
  std::vector<Sizes> operand_sizes_;  // of the nested plan that is being bound
  std::vector<uint32_t> arena_;       // buffers that the arena holds
  std::vector<Lifetime> lifetimes_;
  std::vector<int64_t> offsets_;
  ArenaPlanner planner_;
  int64_t arena_bytes_ = 0;
  std::vector<BoundStep> steps_;
};

}  // namespace etch::runtime
