#include "ir/var.h"

#include "ir/ops/create.h"

namespace etch::ir {

Var constant_like(const Var& like, double value) {
  return op_beside<Full>(like, {{}, make_number(like.dtype(), value)});
}

Var operator+(const Var& a, const Var& b) { return op<Add>(a, b); }
Var operator-(const Var& a, const Var& b) { return op<Sub>(a, b); }
Var operator*(const Var& a, const Var& b) { return op<Mul>(a, b); }
Var operator/(const Var& a, const Var& b) { return op<Div>(a, b); }
Var operator-(const Var& a) { return op<Neg>(a); }

}  // namespace etch::ir
