// Algebraic simplification by exact rules: for every input, the same bits before and after.
//
// Why: traces, gradients and composite bodies are full of x * 1, casts back and forth, and views of
// views; each rule drops an operator or a whole pass over memory.
//
// A rule may rely on docs/semantics.md: all NaNs are one value, integers wrap, -0 and +0 differ.
// Refused, because some input gives other bits:
//   x + 0 = x            -0 + +0 is +0 (x + -0 and x - +0 are fine)
//   x - -0 = x           -0 - -0 is +0
//   x * 0 = 0, x - x = 0, x / x = 1, 0 / x = 0      NaN, infinities, the sign of zero
//   (x + a) + b = x + (a + b), (x * a) * b          rounding happens twice
//   x / a = x * (1 / a)  except for powers of two
//   a * b + a * c = a * (b + c), sum(a * x) = a * sum(x)
//   1 / (1 / x) = x, sqrt(x) * sqrt(x) = x, exp(log(x)) = x
//   -(a - b) = b - a     a = b gives -0 against +0
//   pow(x, 2) = x * x, pow(x, 0.5) = sqrt(x)        pow has its own rounding and special cases
//   not (a < b) = a >= b NaN
//   cast through a narrower type; integer -> float -> narrower integer (saturates, never wraps)
#pragma once

#include <span>

#include "passes/match.h"
#include "passes/pass.h"

namespace etch::passes {

bool simplify(ir::Graph& g, const PassContext& context);

/// One rewrite of nodes of operator `op`; `apply` answers with the value that replaces result 0, or
/// kNoMatch. The value must have the result's type; where it has not (broadcasting), nothing
/// happens.
struct Rule {
  std::string_view algebra;
  const ir::OpDef& (*op)();
  ir::Value (*apply)(Match&);
};
/// The rules: arithmetic; choice, logic and conversion; views.
std::span<const Rule> arithmetic_rules();
std::span<const Rule> choice_rules();
std::span<const Rule> view_rules();

/// elementwise(expand(x), y) = elementwise(x, y) where broadcasting gives the same shape. Applies
/// to every elementwise operator; true when an operand changed.
bool drop_expand(ir::Graph& g, ir::NodeId id);

}  // namespace etch::passes
