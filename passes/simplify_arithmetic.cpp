#include <cmath>

#include "ir/ops/activation.h"
#include "ir/ops/contract.h"
#include "passes/simplify.h"

namespace etch::passes {
namespace {

using namespace ir;

/// x / 2^k = x * 2^-k: both round the same real number once. Only where 2^-k is a normal number.
Value divide_by_power_of_two(Match& m) {
  std::optional<Number> n = uniform_number(m.graph(), m.in(1));
  if (!n) return kNoMatch;
  double c = number_value(*n);
  int exponent = 0;
  int limit = m.dtype() == DType::F32 ? 125 : 1021;
  if (!std::isfinite(c) || std::fabs(std::frexp(c, &exponent)) != 0.5) return kNoMatch;
  if (std::abs(exponent) > limit) return kNoMatch;
  Value inverse = m.emit<Full>({m.type(m.in(1)).shape, make_number(n->dtype, 1 / c)}, {});
  return m.emit<Mul>({m.in(0), inverse});
}

/// Rewrites a negated operand: `build` gets the value under the minus sign.
template <size_t Operand, class F>
Value under_neg(Match& m, F&& build) {
  const Node* neg = m.made_by<Neg>(m.in(Operand));
  return neg == nullptr ? kNoMatch : build(neg->inputs[0]);
}

/// f(f(x)) = f(x).
template <class Op>
Value same_twice(Match& m) {
  return m.made_by<Op>(m.in(0)) != nullptr ? m.in(0) : kNoMatch;
}

/// A column times a row has sums of one term: where it is read, it is computed again for less than
/// it takes to read it. The sum begins at +0, so that a factor of 0 gives +0; a product that
/// underflows keeps its sign.
Value product_of_one_term(Match& m) {
  const Shape &a = m.type(m.in(0)).shape, &b = m.type(m.in(1)).shape;
  if (!a.back().is(1) || !b[b.size() - 2].is(1)) return kNoMatch;
  Value p = m.emit<Mul>({m.in(0), m.in(1)});
  if (!is_float(m.dtype())) return p;
  Value zero = m.emit<Full>({{}, make_number(m.dtype(), 0.0)}, {});
  Value with_zero = m.emit<LogicalOr>({m.emit<Eq>({m.in(0), zero}), m.emit<Eq>({m.in(1), zero})});
  return m.emit<Where>({with_zero, m.emit<Add>({p, zero}), p});
}

constexpr Rule kRules[] = {
    {"x + -0 = x", op_def<Add>, [](Match& m) { return m.beside(-0.0); }},
    {"a + -b = a - b", op_def<Add>,
     [](Match& m) { return under_neg<1>(m, [&](Value b) { return m.emit<Sub>({m.in(0), b}); }); }},
    {"-a + b = b - a", op_def<Add>,
     [](Match& m) { return under_neg<0>(m, [&](Value a) { return m.emit<Sub>({m.in(1), a}); }); }},
    {"x - 0 = x", op_def<Sub>, [](Match& m) { return m.is(m.in(1), 0.0) ? m.in(0) : kNoMatch; }},
    {"a - -b = a + b", op_def<Sub>,
     [](Match& m) { return under_neg<1>(m, [&](Value b) { return m.emit<Add>({m.in(0), b}); }); }},
    {"x * 1 = x", op_def<Mul>, [](Match& m) { return m.beside(1.0); }},
    {"x * -1 = -x", op_def<Mul>,
     [](Match& m) {
       Value x = m.beside(-1.0);
       bool has_minus_one = is_float(m.dtype()) || is_signed_int(m.dtype());
       return x.valid() && has_minus_one ? m.emit<Neg>({x}) : kNoMatch;
     }},
    {"-a * -b = a * b", op_def<Mul>,
     [](Match& m) {
       return under_neg<0>(m, [&](Value a) {
         return under_neg<1>(m, [&](Value b) { return m.emit<Mul>({a, b}); });
       });
     }},
    {"x / 1 = x", op_def<Div>, [](Match& m) { return m.is(m.in(1), 1.0) ? m.in(0) : kNoMatch; }},
    {"x / 2^k = x * 2^-k", op_def<Div>, divide_by_power_of_two},
    {"-(-x) = x", op_def<Neg>, [](Match& m) { return under_neg<0>(m, [](Value x) { return x; }); }},
    {"abs(abs(x)) = abs(x)", op_def<Abs>, same_twice<Abs>},
    {"abs(-x) = abs(x)", op_def<Abs>,
     [](Match& m) {
       // Unsigned values have no sign to drop: there abs is the identity and neg is not.
       if (is_unsigned_int(m.dtype())) return kNoMatch;
       return under_neg<0>(m, [&](Value x) { return m.emit<Abs>({x}); });
     }},
    {"relu(relu(x)) = relu(x)", op_def<Relu>, same_twice<Relu>},
    {"column x row = products", op_def<MatMul>, product_of_one_term},
};

}  // namespace

std::span<const Rule> arithmetic_rules() { return kRules; }

}  // namespace etch::passes
