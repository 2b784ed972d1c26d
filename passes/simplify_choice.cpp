#include "passes/simplify.h"

namespace etch::passes {
namespace {

using namespace ir;

/// f(f(x)) = f(x).
template <class Op>
Value same_twice(Match& m) {
  return m.made_by<Op>(m.in(0)) != nullptr ? m.in(0) : kNoMatch;
}
/// f(f(x)) = x.
template <class Op>
Value twice_is_nothing(Match& m) {
  const Node* inner = m.made_by<Op>(m.in(0));
  return inner != nullptr ? inner->inputs[0] : kNoMatch;
}
/// f(x, x) = x.
Value same_operands(Match& m) { return m.in(0) == m.in(1) ? m.in(0) : kNoMatch; }

/// Bits of an integer type that hold a magnitude.
int value_bits(DType t) { return is_bool(t) ? 1 : bits(t) - (is_signed_int(t) ? 1 : 0); }

/// Every value of `from` is a value of `to`, so the first of two casts changes nothing.
bool widens(DType from, DType to) {
  if (from == to || is_bool(from)) return true;
  if (is_bool(to)) return false;
  if (is_float(from)) return from == DType::F32 && to == DType::F64;
  if (is_float(to)) return value_bits(from) <= (to == DType::F32 ? 24 : 53);
  if (is_signed_int(from) && !is_signed_int(to)) return false;
  return value_bits(from) <= value_bits(to);
}

/// cast(cast(x, middle), to) = cast(x, to) where the first cast loses nothing and the second treats
/// the middle type as it would treat x's: float -> integer saturates, integer -> integer wraps.
Value cast_of_cast(Match& m) {
  const Node* inner = m.made_by<Cast>(m.in(0));
  if (inner == nullptr) return kNoMatch;
  Value x = inner->inputs[0];
  DType from = m.type(x).dtype, middle = m.dtype(), to = m.attrs<Cast>().to;
  if (!widens(from, middle)) return kNoMatch;
  bool saturates = is_int(from) && is_float(middle) && is_int(to);
  if (saturates && !widens(from, to)) return kNoMatch;
  return from == to ? x : m.emit<Cast>({to}, {x});
}

constexpr Rule kRules[] = {
    {"where(true, a, b) = a", op_def<Where>,
     [](Match& m) { return m.is(m.in(0), 1) ? m.in(1) : kNoMatch; }},
    {"where(false, a, b) = b", op_def<Where>,
     [](Match& m) { return m.is(m.in(0), 0) ? m.in(2) : kNoMatch; }},
    {"where(c, a, a) = a", op_def<Where>,
     [](Match& m) { return m.in(1) == m.in(2) ? m.in(1) : kNoMatch; }},
    {"where(not c, a, b) = where(c, b, a)", op_def<Where>,
     [](Match& m) {
       const Node* inner = m.made_by<LogicalNot>(m.in(0));
       if (inner == nullptr) return kNoMatch;
       return m.emit<Where>({inner->inputs[0], m.in(2), m.in(1)});
     }},
    {"not not x = x", op_def<LogicalNot>, twice_is_nothing<LogicalNot>},
    {"not (a == b) = a != b", op_def<LogicalNot>,
     [](Match& m) {
       const Node* eq = m.made_by<Eq>(m.in(0));
       return eq == nullptr ? kNoMatch : m.emit<Ne>({eq->inputs[0], eq->inputs[1]});
     }},
    {"maximum(x, x) = x", op_def<Maximum>, same_operands},
    {"minimum(x, x) = x", op_def<Minimum>, same_operands},
    {"cast(x, its own dtype) = x", op_def<Cast>,
     [](Match& m) { return m.dtype() == m.attrs<Cast>().to ? m.in(0) : kNoMatch; }},
    {"cast(cast(x)) = cast(x)", op_def<Cast>, cast_of_cast},
    {"floor(floor(x)) = floor(x)", op_def<Floor>, same_twice<Floor>},
    {"ceil(ceil(x)) = ceil(x)", op_def<Ceil>, same_twice<Ceil>},
    {"round(round(x)) = round(x)", op_def<Round>, same_twice<Round>},
    {"trunc(trunc(x)) = trunc(x)", op_def<Trunc>, same_twice<Trunc>},
};

}  // namespace

std::span<const Rule> choice_rules() { return kRules; }

}  // namespace etch::passes
