// A graph as a list of steps over buffers: everything about a program that does not change between
// calls.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/support/function_ref.h"
#include "runtime/contraction_library.h"
#include "runtime/interp/interp.h"
#include "runtime/program/kernel_source.h"
#include "runtime/program/packed_weights.h"
#include "runtime/program/requirements.h"

namespace etch::runtime {

/// Where a buffer's memory comes from.
enum class Home : uint8_t {
  Input,     // the caller's; `index` counts the graph's inputs of kind Input
  State,     // the State's present value; `index` counts the inputs of kind State
  Constant,  // of the program; `index` into Plan::constants
  Arena,     // of the Context
  Output,    // the caller's; `index` counts the results that are no state
  Next,      // the State's next value; `index` counts the results that are state
  Guard,     // 8 bytes of the Context; `index` counts the results that are guards
};

struct BufferInfo {
  Home home = Home::Arena;
  uint32_t index = 0;
  DType dtype = DType::F32;
  Shape shape;         // dense
  int32_t first = -1;  // steps that need it, both ends included (Arena)
  int32_t last = -1;
  uint32_t same_as = ~0u;  // Arena: lies on this buffer, whose contents are dead by then
};

/// A window on a buffer.
struct Place {
  uint32_t buffer = 0;
  StridedView view;
};

enum class StepKind : uint8_t { Kernel, Contraction, Opaque, Control };

struct Plan;

/// One thing to do. Operands of kernels are buffers only: their windows are part of the kernel.
struct Step {
  StepKind kind = StepKind::Kernel;
  std::vector<Place> in;
  std::vector<uint32_t> out;  // buffers, dense
  std::string name;           // for messages and profiles
  SourceLoc loc;              // its text lies in Plan::prepared
  // Kernel
  std::unique_ptr<Block> block;
  std::shared_ptr<NativeSlot> native;  // null: always interpreted
  double cost = 1;                     // operations per point
  // Control: what runs inside, buffers for values that move from trip to trip, and a buffer for
  // all that is temporary inside
  std::vector<std::shared_ptr<const Plan>> bodies;
  std::vector<uint32_t> moving;
  uint32_t inside = ~0u;
  size_t first_body = 0;  // bodies of steps before this one
  // Contraction, Opaque, Control
  const ir::OpDef* op = nullptr;
  ir::AttrBox attrs;
  bool symbolic_attrs = false;
  bool weight_stays =
      false;  // operand 1 may be a constant or a State tensor that runs do not write
};

/// A named value at the program's border.
struct Port {
  std::string name;
  ir::TensorType type;
};

/// A value that must lie in a range for the run to count.
struct GuardPort {
  std::string name;
  DType dtype = DType::Bool;
  ir::GuardRange range;
  ir::GraphLoc loc;
};

/// How one axis of an input takes part in binding symbols.
struct AxisRule {
  uint32_t symbol = ~0u;  // it is this symbol (index into Plan::symbols), or else
  Dim expected;           // must equal this
};

struct Plan {
  std::shared_ptr<const ir::Graph> graph;     // as given
  std::shared_ptr<const ir::Graph> prepared;  // what the steps were made from
  std::vector<Port> inputs, states, outputs;
  std::vector<Port> nexts;           // results that are written back ...
  std::vector<uint32_t> next_of;     // ... to these states
  std::vector<bool> written;         // per state: some result is
  std::vector<bool> nexts_in_place;  // may be written over the present value, from this step on:
  size_t point_of_no_return = 0;
  // Inside other plans: whether output o may lie on input i, at [o * inputs + i]; whether a step
  // may raise; inputs that hold weights; whether anything inside reads weights that may stay.
  std::vector<bool> may_replace;
  bool may_fail = false;
  std::vector<uint32_t> weight_inputs;
  bool reads_weights = false;
  std::vector<GuardPort> guards;
  std::vector<ir::SymbolRange> symbols;
  size_t given_symbols = 0;  // so many of them are given by the plan around this one
  std::vector<Requirement> requirements;
  std::vector<std::vector<AxisRule>> input_axes, state_axes;
  std::vector<std::shared_ptr<const ir::Constant>> constants;
  std::vector<BufferInfo> buffers;
  std::vector<Step> steps;
  size_t max_operands = 0;  // operands and results of any step
  size_t kernels = 0;
  const ContractionLibrary* vendor = nullptr;  // level `fast`: what contractions run in first
  mutable PackedWeights packed;                // of constants, by index
  mutable std::atomic<uint64_t> native_runs{0}, interpreted_runs{0}, vendor_runs{0};
};

/// Calls f for each step, those of nested plans included, each plan once.
void each_step(const Plan& plan, FunctionRef<void(const Step&)> f);

/// Raises UserError for a graph with symbols that no input's shape binds, or with values of element
/// types that cannot be computed. `source` and `library` may be null. pack_weights: see
/// BuildOptions; a library gets weights as they are.
std::shared_ptr<const Plan> make_plan(std::shared_ptr<const ir::Graph> graph, KernelSource* source,
                                      const ContractionLibrary* library, bool pack_weights);

}  // namespace etch::runtime
