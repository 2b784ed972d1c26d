// Random host programs: what a user's C++ function does to tensors, as data.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "etch/tensor.h"
#include "ir/op.h"

namespace etch::tracefuzz {

using Random = std::mt19937_64;

/// What a statement does. Variables are numbered: inputs, captured tensors, then locals. `n` are
/// small integers whose meaning the interpreter knows, and which it takes modulo what there is.
enum class Kind : uint8_t {
  Apply,        // dst = op(args), attributes from n
  Number,       // dst = arg op real
  TracedItem,   // dst = arg op (item of arg1, with arithmetic)
  DimOperand,   // dst = arg * a size as a tensor
  View,         // dst = a view of arg
  Copy,         // dst = clone, contiguous, conversion or the same handle
  Make,         // dst = full, arange of sizes of arg
  Draw,         // dst = random numbers of sizes of arg
  Join,         // dst = concat, matmul, where, index_select of args
  HostInput,    // dst = arg * input(a host number)
  HostCounter,  // dst = arg * a raw host number, which changes at every call
  RawSize,      // dst = arg * a size as a raw number
  Assign,       // dst = arg, both being variables
  Write,        // arg.op_(arg1) or with a number
  WriteSlice,   // a view of arg .op_(arg1) or with a number
  IfSize,       // if (sizes compare) body else other
  IfItem,       // if (items compare) body else other
  IfLayout,     // if (arg.is_contiguous()) body else other
  LoopSize,     // for (i < a size, at most 4) body
  LoopItem,     // for (i < an integer item, at most 4) body
  LoopUntil,    // while (an item compares, at most 4 times) body
  NoGrad,       // { NoGrad; body }
  Look,         // prints arg: no part of any course
  Backward,     // sum(arg).backward(), then maybe an update of the parameters
  GradOf,       // dst = grad(sum(arg), arg1)
  ReadGrad,     // dst = arg.grad(), or arg when there is none
  Choice,       // dst = cond(a value of arg > real, body, other)
  Repeat,       // dst = while_loop of body from arg, at most 3 trips
  Along,        // dst = scan of body along arg1 from arg
  Call,         // dst = an inner function, itself jitted, on args
  Return,       // the args, from anywhere
};

struct Statement {
  Kind kind = Kind::Look;
  int dst = -1;
  std::vector<int> args = {};
  std::vector<int64_t> n = {};
  double real = 0;
  const ir::OpDef* op = nullptr;
  std::vector<Statement> body = {}, other = {};
  bool operator==(const Statement&) const = default;
};

/// A captured tensor.
struct StateSpec {
  DType dtype = DType::F32;
  std::vector<int64_t> sizes;
  bool parameter = false;  // requires a gradient
  bool view = false;       // a window on a larger buffer
  uint64_t seed = 0;
};

enum class InputKind : uint8_t { Fresh, Same, Overlap, State, Result };
enum class Layout : uint8_t { Dense, Transposed, Strided, Expanded };

/// What one call passes for one input.
struct InputSpec {
  InputKind kind = InputKind::Fresh;
  size_t index = 0;  // of the input, state or earlier result
  DType dtype = DType::F32;
  std::vector<int64_t> sizes;
  Layout layout = Layout::Dense;
  bool requires_grad = false;
  uint64_t seed = 0;
  double scale = 1;
};

enum class ActionKind : uint8_t { WriteState, ClearGrads, ToggleGrad, WriteResult, Reseed };

/// What the host does before a call, outside of the function.
struct Action {
  ActionKind kind = ActionKind::WriteState;
  size_t index = 0;
  double value = 0;
};

struct CallSpec {
  std::vector<InputSpec> inputs;
  std::vector<Action> actions;
  bool no_grad = false;
  double rate = 1;  // of etch::input
  int64_t steps = 0;
};

struct Program {
  size_t inputs = 1;
  std::vector<StateSpec> states;
  std::vector<Statement> body;
  std::vector<CallSpec> calls;
  uint64_t seed = 0;
  bool traced = false;       // through etch::trace instead of etch::jit
  bool interpreted = false;  // without code generation
  bool sizes_change = false;
  bool pointers = false;  // the host writes captured tensors through data pointers

  bool is_state(int v) const {
    return v >= static_cast<int>(inputs) && v < static_cast<int>(inputs + states.size());
  }
};

/// The program as a person would write it, and its calls.
std::string to_text(const Program& p);

/// The program number `seed` stands for.
Program generate(uint64_t seed);

}  // namespace etch::tracefuzz
