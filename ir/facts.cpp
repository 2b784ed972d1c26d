// Decisions about sizes: intervals, what floordiv and min are bounded by, and the facts of a place.
#include "ir/facts.h"
#include "ir/conversion.h"

#include <algorithm>

#include "ir/dim_poly.h"
#include "ir/support/error.h"

namespace etch {
namespace dims {
namespace {

constexpr Wide kInf = Interval::kInfinite;

Wide clamp(Wide v) { return std::clamp(v, -kInf, kInf); }

Wide mul(Wide a, Wide b) {
  if (a == 0 || b == 0) return 0;
  Wide out;
  if (__builtin_mul_overflow(a, b, &out)) return (a < 0) == (b < 0) ? kInf : -kInf;
  return clamp(out);
}

Interval mul(const Interval& a, const Interval& b) {
  Wide v[] = {mul(a.low, b.low), mul(a.low, b.high), mul(a.high, b.low), mul(a.high, b.high)};
  return {*std::min_element(v, v + 4), *std::max_element(v, v + 4)};
}

Wide div(Wide a, Wide b) {  // b >= 1
  if (a == kInf || a == -kInf) return a;
  if (b == kInf) return a < 0 ? -1 : 0;
  return floor_div(a, b);
}

Interval atom_bounds(uint32_t id, const DimFacts* facts);

Interval bounds_of(Dim d, const DimFacts* facts) { return bounds(poly(d), facts); }

Interval quotient_bounds(const Node& n, const DimFacts* facts) {
  Interval a = bounds_of(n.a, facts), b = bounds_of(n.b, facts);
  b.low = b.low == 0 ? 1 : b.low;  // a divisor of 0 has no quotient to speak of
  if (b.low < 1) return {};
  return {div(a.low, a.low < 0 ? b.low : b.high), div(a.high, a.high < 0 ? b.high : b.low)};
}

Interval atom_bounds(uint32_t id, const DimFacts* facts) {
  const Node& n = node(id);
  switch (n.kind) {
    case Kind::Symbol:
      if (facts != nullptr) {
        DimFacts::Range r = facts->range(Dim::from_expr(id));
        return {r.low, r.high};
      }
      return {0, kMaxSize};
    case Kind::FloorDiv:
      return quotient_bounds(n, facts);
    case Kind::Below: {
      Interval a = bounds_of(n.a, facts);
      return {std::min<Wide>(a.low, 0), std::min<Wide>(a.high, 0)};
    }
    case Kind::Sum:
      break;
  }
  return {};
}

}  // namespace

Interval bounds(const Poly& p, const DimFacts* facts) {
  Interval sum{0, 0};
  for (const auto& [atoms, c] : p) {
    Interval term{c, c};
    for (uint32_t a : atoms) term = mul(term, atom_bounds(a, facts));
    sum = {sum.low == -kInf ? -kInf : clamp(sum.low + term.low),
           sum.high == kInf ? kInf : clamp(sum.high + term.high)};
    if (term.low == -kInf) sum.low = -kInf;
    if (term.high == kInf) sum.high = kInf;
  }
  return sum;
}

namespace {

/// Looks for a proof of p >= 0. Each step either bounds p, or replaces it by something that is no
/// larger; the number of steps is limited, so some truths stay unknown.
class Prover {
 public:
  explicit Prover(const DimFacts* facts) : facts_(facts) {
    if (facts == nullptr) return;
    for (Dim d : facts->not_negative()) known_.push_back(poly(d));
  }

  bool prove(Poly p) {
    if (steps_-- <= 0 || p.size() > kMaxDimWeight) return false;
    tighten(p);
    Interval range = bounds(p, facts_);
    if (range.low >= 0) return true;
    if (range.high < 0) return false;
    std::optional<uint32_t> below = find(p, Kind::Below);
    if (below) return prove_cases(p, *below);
    return prove_quotients(p) || prove_by_facts(p);
  }

 private:
  static constexpr int kMostSteps = 64;

  /// g * x + c >= 0 where x + floor(c / g) >= 0.
  static void tighten(Poly& p) {
    Wide constant = take_constant(p), g = content(p);
    for (auto& [atoms, c] : p) c /= g;
    add(p, number(g == 0 ? constant : floor_div(constant, g)));
  }

  /// The heaviest atom of a kind: what is inside others comes to light by itself.
  static std::optional<uint32_t> find(const Poly& p, Kind kind) {
    std::optional<uint32_t> best;
    for (const auto& [atoms, c] : p) {
      for (uint32_t a : atoms) {
        if (node(a).kind == kind && (!best || node(a).weight > node(*best).weight)) best = a;
      }
    }
    return best;
  }

  static Poly replace(const Poly& p, uint32_t atom, const Poly& by) {
    Poly out;
    for (const auto& [atoms, c] : p) {
      Poly term = number(c);
      for (uint32_t a : atoms) term = a == atom ? product(term, by) : product(term, {{{a}, 1}});
      add(out, term);
    }
    return out;
  }

  /// min(0, d) is 0 where d >= 0, and d where -d - 1 >= 0.
  bool prove_cases(const Poly& p, uint32_t atom) {
    Poly d = poly(node(atom).a), minus;
    add(minus, d, -1);
    add(minus, number(1), -1);
    return prove_case(replace(p, atom, {}), d) && prove_case(replace(p, atom, d), minus);
  }
  bool prove_case(const Poly& p, Poly given) {
    if (bounds(given, facts_).high < 0) return true;  // it never happens
    known_.push_back(std::move(given));
    bool ok = prove(p);
    known_.pop_back();
    return ok;
  }

  /// b * floordiv(a, b) = a - r with r from 0 to b - 1.
  bool prove_quotients(const Poly& p) {
    std::vector<uint32_t> atoms;
    for (const auto& [m, c] : p) {
      for (uint32_t a : m) {
        bool fresh = std::find(atoms.begin(), atoms.end(), a) == atoms.end();
        if (fresh && node(a).kind == Kind::FloorDiv) atoms.push_back(a);
      }
    }
    std::stable_sort(atoms.begin(), atoms.end(),
                     [](uint32_t a, uint32_t b) { return node(a).weight > node(b).weight; });
    for (uint32_t a : atoms) {
      Poly by = poly(node(a).b);
      if (by.size() != 1) continue;
      Wide k = by.begin()->second;
      const Monomial& m = by.begin()->first;
      auto it = p.find(times(m, {a}));
      if (it == p.end() || bounds(by, facts_).low < 0) continue;
      Wide c = it->second;
      Poly rest = p;
      rest.erase(it->first);
      bool elsewhere = std::any_of(rest.begin(), rest.end(), [&](const auto& t) {
        return std::find(t.first.begin(), t.first.end(), a) != t.first.end();
      });
      if (elsewhere) continue;
      // k * p = k * rest + c * (a - r), and p >= 0 follows from k * p >= 1 - k.
      Poly lower = number(k - 1);
      add(lower, rest, k);
      add(lower, poly(node(a).a), c);
      if (c > 0) {
        add(lower, by, -c);
        add(lower, number(1), c);
      }
      if (prove(lower)) return true;
    }
    return false;
  }

  /// p >= x * f for some known f >= 0 and x >= 0 that removes a negative term of p. A fact is used
  /// once on the way to a bound.
  bool prove_by_facts(const Poly& p) {
    for (size_t i = 0; i < known_.size(); ++i) {
      const Poly fact = std::exchange(known_[i], {});
      bool ok = prove_by(p, fact);
      known_[i] = fact;
      if (ok) return true;
    }
    return false;
  }
  bool prove_by(const Poly& p, const Poly& fact) {
    for (const auto& [m, c] : p) {
      if (c > 0) continue;
      for (const auto& [n, k] : fact) {
        if (k > 0 || !divides(n, m) || m.empty() != n.empty()) continue;
        Monomial x = quotient(m, n);
        if (bounds({{x, 1}}, facts_).low < 0) continue;
        Poly rest;
        add(rest, p, -k);
        add(rest, fact, c, x);
        if (prove(rest)) return true;
      }
    }
    return false;
  }

  const DimFacts* facts_;
  std::vector<Poly> known_;
  int steps_ = kMostSteps;
};

}  // namespace

bool at_least_zero(const Poly& p, const DimFacts* facts) {
  try {
    return Prover(facts).prove(p);
  } catch (const UserError&) {  // numbers too large to reason about
    return false;
  }
}

}  // namespace dims

using namespace dims;

namespace {

Poly scaled(const Poly& p, Wide scale, Wide constant) {
  Poly out = number(constant);
  add(out, p, scale);
  return out;
}

Truth less(Dim a, Dim b, const DimFacts* facts) {
  if (a.is_const() && b.is_const()) return a.value() < b.value() ? Truth::Yes : Truth::No;
  if (facts != nullptr) {
    a = facts->reduce(a);
    b = facts->reduce(b);
  }
  Poly d = poly(b);
  add(d, poly(a), -1);
  if (at_least_zero(scaled(d, 1, -1), facts)) return Truth::Yes;
  return at_least_zero(scaled(d, -1, 0), facts) ? Truth::No : Truth::Unknown;
}

Truth equal(Dim a, Dim b, const DimFacts* facts) {
  if (a.same_as(b)) return Truth::Yes;
  if (a.is_const() && b.is_const()) return Truth::No;
  if (facts != nullptr) {
    a = facts->reduce(a);
    b = facts->reduce(b);
  }
  Poly d = poly(b);
  add(d, poly(a), -1);
  if (d.empty()) return Truth::Yes;
  // Multiples of g never give what is none.
  Poly variable = d;
  Wide constant = take_constant(variable), g = content(variable);
  if (g == 0 || constant % g != 0) return Truth::No;
  if (at_least_zero(scaled(d, 1, -1), facts) || at_least_zero(scaled(d, -1, -1), facts)) {
    return Truth::No;
  }
  if (facts != nullptr) {
    for (Dim other : facts->not_zero()) {
      Poly p = poly(other);
      if (p == d || scaled(p, -1, 0) == d) return Truth::No;
    }
  }
  bool both = at_least_zero(d, facts) && at_least_zero(scaled(d, -1, 0), facts);
  return both ? Truth::Yes : Truth::Unknown;
}

Truth holds(Dim a, Relation relation, Dim b, const DimFacts* facts) {
  auto flip = [](Truth t) {
    return t == Truth::Unknown ? t : t == Truth::Yes ? Truth::No : Truth::Yes;
  };
  switch (relation) {
    case Relation::Equal:
      return equal(a, b, facts);
    case Relation::NotEqual:
      return flip(equal(a, b, facts));
    case Relation::Less:
      return less(a, b, facts);
    case Relation::LessEqual:
      return flip(less(b, a, facts));
  }
  return Truth::Unknown;
}

/// holds(); overflow while two sizes are compared leaves them undecided.
Truth decide(Dim a, Relation relation, Dim b, const DimFacts* facts) {
  try {
    return holds(a, relation, b, facts);
  } catch (const UserError&) {
    return Truth::Unknown;
  }
}

/// Facts of one kind that are remembered; more would only cost time.
constexpr size_t kMostFacts = 32;

thread_local DimResolver* current_resolver = nullptr;

const DimFacts* current_facts() {
  return current_resolver == nullptr ? nullptr : current_resolver->facts();
}

[[noreturn]] void raise_undecided(const std::string& what) {
  fail("size", cat(what, " depends on a symbolic size and nothing here can decide it"),
       "Keep it symbolic (Dim arithmetic), or make the size static");
}

}  // namespace

bool relation_holds(int64_t a, Relation relation, int64_t b) {
  switch (relation) {
    case Relation::Equal:
      return a == b;
    case Relation::NotEqual:
      return a != b;
    case Relation::Less:
      return a < b;
    case Relation::LessEqual:
      return a <= b;
  }
  return false;
}

Truth dim_equal(Dim a, Dim b) {
  if (a.same_as(b)) return Truth::Yes;
  if (a.is_const() && b.is_const()) return Truth::No;
  return decide(a, Relation::Equal, b, current_facts());
}
Truth dim_less(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return a.value() < b.value() ? Truth::Yes : Truth::No;
  return decide(a, Relation::Less, b, current_facts());
}
Truth dim_holds(Dim a, Relation relation, Dim b) { return decide(a, relation, b, current_facts()); }
Truth dim_equal(Dim a, Dim b, const DimFacts& facts) {
  return decide(a, Relation::Equal, b, &facts);
}
Truth dim_less(Dim a, Dim b, const DimFacts& facts) { return decide(a, Relation::Less, b, &facts); }
Truth dim_holds(Dim a, Relation relation, Dim b, const DimFacts& facts) {
  return decide(a, relation, b, &facts);
}

const void*& converting_at() {
  thread_local const void* at = nullptr;
  return at;
}

[[gnu::noinline]] int64_t Dim::resolve_symbolic() const {
  if (const DimFacts* facts = current_facts(); facts != nullptr) {
    Dim d = facts->reduce(*this);
    if (d.is_const()) return d.value();
  }
  if (current_resolver == nullptr) raise_undecided(cat("the value of ", *this));
  struct Converting {
    explicit Converting(const void* at) { converting_at() = at; }
    ~Converting() { converting_at() = nullptr; }
  } converting(__builtin_return_address(0));
  return current_resolver->value_of(*this);
}

bool dim_decide_equal(Dim a, Dim b) {
  Truth t = dim_equal(a, b);
  if (t != Truth::Unknown) return t == Truth::Yes;
  if (current_resolver == nullptr) raise_undecided(cat(a, " == ", b));
  return current_resolver->equal(a, b);
}

bool dim_decide_less(Dim a, Dim b) {
  Truth t = dim_less(a, b);
  if (t != Truth::Unknown) return t == Truth::Yes;
  if (current_resolver == nullptr) raise_undecided(cat(a, " < ", b));
  return current_resolver->less(a, b);
}

DimResolver* dim_resolver() { return current_resolver; }
DimResolver* exchange_dim_resolver(DimResolver* next) {
  return std::exchange(current_resolver, next);
}

int64_t KnownFacts::value_of(Dim d) { raise_undecided(cat("the value of ", d)); }
bool KnownFacts::equal(Dim a, Dim b) { raise_undecided(cat(a, " == ", b)); }
bool KnownFacts::less(Dim a, Dim b) { raise_undecided(cat(a, " < ", b)); }

DimFacts::Range DimFacts::range(Dim symbol) const {
  auto it = symbols_.find(symbol.raw());
  return it == symbols_.end() ? Range{} : it->second.range;
}

Dim DimFacts::substitute(Dim d) const {
  if (d.is_const()) return d;
  const Node& n = node(d.expr_id());
  switch (n.kind) {
    case Kind::Symbol: {
      auto it = rewrites_.find(d.raw());
      return it == rewrites_.end() ? d : it->second;
    }
    case Kind::FloorDiv:
      return dim_floor_div(substitute(n.a), substitute(n.b));
    case Kind::Below:
      return dim_min(substitute(n.a), Dim(0));
    case Kind::Sum:
      break;
  }
  Poly out;
  for (const auto& [atoms, c] : n.terms) {
    Poly term = number(c);
    for (uint32_t a : atoms) term = product(term, poly(substitute(Dim::from_expr(a))));
    dims::add(out, term);
  }
  return to_dim(std::move(out));
}

bool DimFacts::mentions_rewritten(Dim d) const {
  SmallVec<Dim, 4> used;
  dim_symbols(d, used);
  return std::any_of(used.begin(), used.end(), [&](Dim s) { return rewrites_.contains(s.raw()); });
}

Dim DimFacts::reduce(Dim d) const {
  return rewrites_.empty() || !mentions_rewritten(d) ? d : substitute(d);
}

void DimFacts::add_range(Dim symbol, int64_t low, int64_t high) {
  if (rewrites_.contains(symbol.raw())) {
    add(Dim(low), Relation::LessEqual, symbol);
    return add(symbol, Relation::LessEqual, Dim(high));
  }
  auto [it, fresh] = symbols_.try_emplace(symbol.raw());
  Symbol& s = it->second;
  if (fresh) s.order = symbols_.size();
  s.range = {std::max(s.range.low, low), std::min(s.range.high, high)};
}

void DimFacts::add(Dim a, Relation relation, Dim b) {
  try {
    switch (relation) {
      case Relation::Equal:
        return add_zero(reduce(a - b));
      case Relation::NotEqual:
        return add_not_zero(reduce(a - b));
      case Relation::Less:
        return add_not_negative(reduce(b - a - 1));
      case Relation::LessEqual:
        return add_not_negative(reduce(b - a));
    }
  } catch (const UserError&) {  // too large to be of use
  }
}

/// One of the symbols of d, which is 0, is computed from the others: the one declared last.
void DimFacts::add_zero(Dim d) {
  Poly p = poly(d);
  Dim best, by;
  size_t best_order = 0;
  for (const auto& [atoms, c] : p) {
    if (atoms.size() != 1 || (c != 1 && c != -1) || node(atoms[0]).kind != Kind::Symbol) continue;
    Dim symbol = Dim::from_expr(atoms[0]);
    Poly rest = p;
    rest.erase(atoms);
    Dim other = to_dim(scaled(rest, -c, 0));
    SmallVec<Dim, 4> used;
    dim_symbols(other, used);
    if (std::any_of(used.begin(), used.end(), [&](Dim s) { return s.same_as(symbol); })) continue;
    auto declared = symbols_.find(symbol.raw());
    size_t order = declared == symbols_.end() ? 1 : declared->second.order;
    bool later = order > best_order || (order == best_order && to_text(best) < to_text(symbol));
    if (!later) continue;
    best_order = order;
    best = symbol;
    by = other;
  }
  if (best_order > 0) return rewrite(best, by);
  if (p.empty() || not_negative_.size() >= kMostFacts) return;
  not_negative_.push_back(d);
  not_negative_.push_back(dim_sub(Dim(0), d));
}

void DimFacts::rewrite(Dim symbol, Dim by) {
  Range r = range(symbol);
  symbols_.erase(symbol.raw());
  rewrites_[symbol.raw()] = by;
  for (auto& [other, old] : rewrites_) old = reduce(old);
  for (Dim d : std::exchange(not_negative_, {})) add_not_negative(reduce(d));
  for (Dim d : std::exchange(not_zero_, {})) add_not_zero(reduce(d));
  add(Dim(r.low), Relation::LessEqual, by);
  add(by, Relation::LessEqual, Dim(r.high));
}

void DimFacts::add_not_negative(Dim d) {
  Poly p = poly(d);
  if (at_least_zero(p, this)) return;
  Poly variable = p;
  Wide constant = take_constant(variable);
  const Monomial& atoms = variable.empty() ? Monomial{} : variable.begin()->first;
  bool single = variable.size() == 1 && atoms.size() == 1 && node(atoms[0]).kind == Kind::Symbol;
  if (!single) {
    if (not_negative_.size() < kMostFacts) not_negative_.push_back(d);
    return;
  }
  // c * symbol + constant >= 0
  Wide c = variable.begin()->second;
  Dim symbol = Dim::from_expr(atoms[0]);
  int64_t bound = static_cast<int64_t>(c > 0 ? -floor_div(constant, c) : floor_div(constant, -c));
  add_range(symbol, c > 0 ? bound : 0, c > 0 ? kMaxSize : bound);
}

void DimFacts::add_not_zero(Dim d) {
  if (d.is_const()) return;
  Poly p = poly(d), variable = p;
  Wide constant = take_constant(variable);
  const Monomial& atoms = variable.begin()->first;
  bool single = variable.size() == 1 && atoms.size() == 1 && node(atoms[0]).kind == Kind::Symbol;
  Wide c = variable.begin()->second;
  if (single && constant % c == 0) {
    // An end of the range moves in.
    Wide value = -constant / c;
    Dim symbol = Dim::from_expr(atoms[0]);
    Interval range = bounds(poly(symbol), this);
    if (value == range.low) return add_range(symbol, static_cast<int64_t>(value) + 1, kMaxSize);
    if (value == range.high) return add_range(symbol, 0, static_cast<int64_t>(value) - 1);
  }
  if (not_zero_.size() < kMostFacts) not_zero_.push_back(d);
}

}  // namespace etch
