// Size expressions from inside: polynomials over interned atoms. Private to ir/dim*.cpp and
// ir/facts.cpp.
#pragma once

#include <map>

#include "ir/dim.h"

namespace etch::dims {

using Wide = __int128;

/// A product of atoms: sorted ids of expressions that are no sums. Empty: 1.
using Monomial = std::vector<uint32_t>;
/// Compatible with multiplication, so that division by leading terms ends.
struct ByDegree {
  bool operator()(const Monomial& a, const Monomial& b) const {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  }
};
/// Coefficients, none of them 0.
using Poly = std::map<Monomial, Wide, ByDegree>;

/// Every other operation is written in these: mod(a, b) = a - b * floordiv(a, b), and min and max
/// by min(0, a).
enum class Kind : uint8_t { Symbol, Sum, FloorDiv, Below };

struct Node {
  Kind kind = Kind::Symbol;
  std::string name;  // Symbol
  Poly terms;        // Sum
  Dim a, b;          // floordiv(a, b); min(0, a)
  int weight = 1;    // against kMaxDimWeight
  std::string text;  // to_text()
};

const Node& node(uint32_t id);
/// The expression, which lives as long as the process. Fills in weight and text.
Dim intern(Node n);

Poly poly(Dim d);
/// c as a sum.
Poly number(Wide c);
/// Raises UserError when a coefficient or the weight is out of bounds.
Dim to_dim(Poly p);
/// into += scale * times * p. Raises UserError on overflow, as product().
void add(Poly& into, const Poly& p, Wide scale = 1, const Monomial& times = {});
Poly product(const Poly& a, const Poly& b);
Monomial times(const Monomial& a, const Monomial& b);
/// a / b where b divides a.
Monomial quotient(const Monomial& a, const Monomial& b);
bool divides(const Monomial& b, const Monomial& a);
/// p without its constant term, which it returns.
Wide take_constant(Poly& p);
/// The greatest common divisor of the coefficients, 0 for the empty sum.
Wide content(const Poly& p);
/// The term whose sign a canonical form makes positive; the same in every process.
const std::pair<const Monomial, Wide>& leading(const Poly& p);

Wide floor_div(Wide a, Wide b);
[[noreturn]] void fail_overflow();
/// The text of a canonical sum, "N*M + 2*N - 1", with mod, min and max where they are shorter.
std::string sum_text(const Poly& p);

/// Bounds, both ends included; beyond +-kInfinite there is none.
struct Interval {
  static constexpr Wide kInfinite = Wide{1} << 120;
  Wide low = -kInfinite, high = kInfinite;
};
/// What `p` can be under `facts` (null: symbols are sizes, nothing more).
Interval bounds(const Poly& p, const DimFacts* facts);
/// True when p >= 0 is proven. False says nothing.
bool at_least_zero(const Poly& p, const DimFacts* facts);

}  // namespace etch::dims
