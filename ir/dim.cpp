#include "ir/dim.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "ir/dim_poly.h"
#include "ir/facts.h"
#include "ir/support/error.h"

namespace etch {
namespace dims {
namespace {

/// Expressions that a process may make in all: they are never freed.
constexpr uint32_t kMaxExpressions = uint32_t{1} << 20;

std::string key_of(const Node& n) {
  std::string key(1, static_cast<char>('0' + static_cast<int>(n.kind)));
  if (n.kind == Kind::Symbol) return key + n.name;
  if (n.kind != Kind::Sum) return cat(key, n.a.raw(), ",", n.b.raw());
  for (const auto& [atoms, c] : n.terms) {
    append_text(key, static_cast<int64_t>(c));
    for (uint32_t a : atoms) key += cat("*", a);
    key += '+';
  }
  return key;
}

/// Nodes never move, so that reading one takes no lock.
class Table {
 public:
  Dim intern(Node n) {
    std::string key = key_of(n);
    {
      std::shared_lock lock(mutex_);
      auto it = ids_.find(key);
      if (it != ids_.end()) return Dim::from_expr(it->second);
    }
    finish(n);
    std::unique_lock lock(mutex_);
    if (count_ == kMaxExpressions) {
      fail("size", cat("more than ", kMaxExpressions, " different size expressions were made"),
           "Use fewer symbols");
    }
    auto [it, fresh] = ids_.try_emplace(std::move(key), count_);
    if (fresh) {
      Place p = place(count_);
      if (p.index == 0) chunks_[p.chunk] = new Node[size_t{kFirst} << p.chunk];
      chunks_[p.chunk].load(std::memory_order_relaxed)[p.index] = std::move(n);
      ++count_;
    }
    return Dim::from_expr(it->second);
  }
  const Node& at(uint32_t id) const {
    Place p = place(id);
    return chunks_[p.chunk].load(std::memory_order_acquire)[p.index];
  }

 private:
  static constexpr uint32_t kFirst = 1024;  // nodes of the first chunk; each next one has twice
  struct Place {
    size_t chunk, index;
  };
  static Place place(uint32_t id) {
    size_t chunk = static_cast<size_t>(std::bit_width(id / kFirst + 1)) - 1;
    return {chunk, id + kFirst - (size_t{kFirst} << chunk)};
  }
  static void finish(Node& n);

  std::shared_mutex mutex_;
  std::atomic<Node*> chunks_[12] = {};
  uint32_t count_ = 0;
  std::unordered_map<std::string, uint32_t> ids_;
};

Table& table() {
  static Table* t = new Table;  // outlives every thread
  return *t;
}

int weight_of(Dim d) { return d.is_const() ? 1 : node(d.expr_id()).weight; }

void Table::finish(Node& n) {
  switch (n.kind) {
    case Kind::Symbol:
      n.text = n.name;
      return;
    case Kind::FloorDiv:
      n.weight = 1 + weight_of(n.a) + weight_of(n.b);
      n.text = cat("floordiv(", n.a, ", ", n.b, ")");
      break;
    case Kind::Below:
      n.weight = 1 + weight_of(n.a);
      n.text = cat("min(", n.a, ", 0)");
      break;
    case Kind::Sum:
      n.weight = 0;
      for (const auto& [atoms, c] : n.terms) {
        n.weight += atoms.empty() || c != 1 ? 1 : 0;
        for (uint32_t a : atoms) n.weight += node(a).weight;
      }
  }
  if (n.weight > kMaxDimWeight) {
    fail("size", cat("a size expression has more than ", kMaxDimWeight, " parts"),
         "Make a tensor of that shape an input, so that its size gets a name");
  }
  if (n.kind == Kind::Sum) n.text = sum_text(n.terms);
}

}  // namespace

const Node& node(uint32_t id) { return table().at(id); }
Dim intern(Node n) { return table().intern(std::move(n)); }

void fail_overflow() {
  fail("size", "size arithmetic overflows 61 bits", "Check the sizes that are multiplied here");
}

Wide floor_div(Wide a, Wide b) {
  Wide q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

namespace {

Wide gcd(Wide a, Wide b) {
  while (b != 0) a = std::exchange(b, a % b);
  return a;
}

Wide checked_mul(Wide a, Wide b) {
  Wide out;
  if (__builtin_mul_overflow(a, b, &out)) fail_overflow();
  return out;
}

int64_t checked(Wide v) {
  if (v > kMaxSize || v < -kMaxSize) fail_overflow();
  return static_cast<int64_t>(v);
}

Dim binary(Kind kind, Dim a, Dim b = {}) {
  Node n;
  n.kind = kind;
  n.a = a;
  n.b = b;
  return intern(std::move(n));
}

}  // namespace

Poly poly(Dim d) {
  if (d.is_const()) return number(d.value());
  const Node& n = node(d.expr_id());
  if (n.kind == Kind::Sum) return n.terms;
  return {{{d.expr_id()}, 1}};
}

Dim to_dim(Poly p) {
  if (p.empty()) return Dim(0);
  for (const auto& [atoms, c] : p) checked(c);
  const auto& [atoms, c] = *p.begin();
  if (p.size() == 1) {
    if (atoms.empty()) return Dim(static_cast<int64_t>(c));
    if (atoms.size() == 1 && c == 1) return Dim::from_expr(atoms[0]);
  }
  Node n;
  n.kind = Kind::Sum;
  n.terms = std::move(p);
  return intern(std::move(n));
}

Monomial times(const Monomial& a, const Monomial& b) {
  Monomial out(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), out.begin());
  return out;
}
Monomial quotient(const Monomial& a, const Monomial& b) {
  Monomial out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}
bool divides(const Monomial& b, const Monomial& a) {
  return std::includes(a.begin(), a.end(), b.begin(), b.end());
}

void add(Poly& into, const Poly& p, Wide scale, const Monomial& by) {
  for (const auto& [atoms, c] : p) {
    Wide more = checked_mul(c, scale);
    if (more == 0) continue;
    auto [it, fresh] = into.try_emplace(by.empty() ? atoms : times(atoms, by), more);
    if (fresh) continue;
    if (__builtin_add_overflow(it->second, more, &it->second)) fail_overflow();
    if (it->second == 0) into.erase(it);
  }
}

Poly product(const Poly& a, const Poly& b) {
  Poly out;
  for (const auto& [atoms, c] : a) add(out, b, c, atoms);
  return out;
}

Wide take_constant(Poly& p) {
  auto it = p.find({});
  if (it == p.end()) return 0;
  Wide c = it->second;
  p.erase(it);
  return c;
}

Poly number(Wide c) {
  Poly out;
  if (c != 0) out[{}] = c;
  return out;
}

Wide content(const Poly& p) {
  Wide g = 0;
  for (const auto& [atoms, c] : p) g = gcd(g, c < 0 ? -c : c);
  return g;
}

const std::pair<const Monomial, Wide>& leading(const Poly& p) {
  auto names = [](const Monomial& m) {
    std::vector<std::string_view> out;
    for (uint32_t a : m) out.push_back(node(a).text);
    std::sort(out.begin(), out.end());
    return out;
  };
  auto best = p.rbegin();
  for (auto it = std::next(best); it != p.rend() && it->first.size() == best->first.size(); ++it) {
    if (names(it->first) < names(best->first)) best = it;
  }
  return *best;
}

namespace {

/// a / b when b divides a as a polynomial.
std::optional<Poly> exact_quotient(Poly a, const Poly& b) {
  Poly out;
  const auto& [atoms, c] = *b.rbegin();
  while (!a.empty()) {
    const auto& [top, k] = *a.rbegin();
    if (k % c != 0 || !divides(atoms, top)) return std::nullopt;
    Poly step{{quotient(top, atoms), k / c}};
    add(a, product(step, b), -1);
    add(out, step);
  }
  return out;
}

/// Takes the parts of `a` that k * m divides out of it and returns their quotient; coefficients
/// left in `a` beside m lie in [0, k).
Poly whole_part(Poly& a, Wide k, const Monomial& m) {
  Poly out, rest;
  for (const auto& [atoms, c] : a) {
    if (!divides(m, atoms)) {
      rest.emplace(atoms, c);
      continue;
    }
    Wide q = floor_div(c, k);
    if (q != 0) out.emplace(quotient(atoms, m), q);
    if (c != q * k) rest.emplace(atoms, c - q * k);
  }
  a = std::move(rest);
  return out;
}

/// Divides `a` and k * m by what all their parts share. With `round`, k * m is positive and a
/// constant of `a` may be rounded down, which changes no quotient. False when nothing was shared.
bool cancel(Poly& a, Wide& k, Monomial& m, bool round) {
  Poly out = a;
  Wide constant = take_constant(out);
  Wide g = gcd(k, content(round ? out : a));
  Monomial shared = constant == 0 ? m : Monomial{};
  for (const auto& [atoms, c] : out) {
    Monomial still;
    std::set_intersection(shared.begin(), shared.end(), atoms.begin(), atoms.end(),
                          std::back_inserter(still));
    shared = std::move(still);
  }
  a.clear();
  for (const auto& [atoms, c] : out) a.emplace(quotient(atoms, shared), c / g);
  add(a, number(floor_div(constant, g)));
  k /= g;
  m = quotient(m, shared);
  return g != 1 || !shared.empty();
}

/// The only floordiv of `a`, alone in its term with coefficient 1; null when there is none or
/// another one.
const Node* single_quotient(const Poly& a) {
  const Node* found = nullptr;
  for (const auto& [atoms, c] : a) {
    for (uint32_t id : atoms) {
      const Node& n = node(id);
      if (n.kind != Kind::FloorDiv) continue;
      if (found != nullptr || atoms.size() != 1 || c != 1) return nullptr;
      found = &n;
    }
  }
  return found;
}

/// floor(a / (k * m)) with k > 0.
Dim divide_by_term(Poly a, Wide k, Monomial m) {
  Poly whole = whole_part(a, k, m);
  bool positive = bounds({{m, k}}, nullptr).low >= 0;  // 0 is no divisor
  while (cancel(a, k, m, positive)) {                  // a constant may come free of its symbols
  }
  if (k == 1 && m.empty()) add(whole, std::exchange(a, {}));
  if (a.empty()) return to_dim(std::move(whole));
  // floor((floor(x / j) + r) / k) = floor((x + j * r) / (j * k))
  const Node* inner = positive ? single_quotient(a) : nullptr;
  if (inner != nullptr) {
    Poly by = poly(inner->b), numerator = poly(inner->a);
    std::erase_if(a,
                  [&](const auto& t) { return t.first.size() == 1 && &node(t.first[0]) == inner; });
    add(numerator, product(a, by));
    Dim nested = dim_floor_div(to_dim(std::move(numerator)), to_dim(product(by, {{m, k}})));
    add(whole, poly(nested));
    return to_dim(std::move(whole));
  }
  if (m.empty()) {
    Interval range = bounds(a, nullptr);
    Wide low = floor_div(range.low, k);
    if (range.low > -Interval::kInfinite && range.high < Interval::kInfinite &&
        low == floor_div(range.high, k)) {
      add(whole, number(low));
      return to_dim(std::move(whole));
    }
  }
  Dim rest = binary(Kind::FloorDiv, to_dim(std::move(a)), to_dim({{m, k}}));
  add(whole, poly(rest));
  return to_dim(std::move(whole));
}

Poly negated(const Poly& p) {
  Poly out;
  add(out, p, -1);
  return out;
}

void require_nonzero(Dim b) {
  if (b.is(0)) fail("size", "division of a size by zero", "Check the divisor");
}

}  // namespace
}  // namespace dims

using namespace dims;

Dim Dim::symbol(std::string_view name) {
  Node n;
  n.name = std::string(name);
  return intern(std::move(n));
}

void Dim::raise_range(int64_t v) {
  fail("size", cat("size ", v, " does not fit the integer type it is converted to"), "Use int64_t");
}
void Dim::raise_large() {
  fail("size", "a number of more than 61 bits is no size", "Check the sizes that are computed");
}

Dim dim_add(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return Dim(checked(Wide{a.value()} + b.value()));
  if (a.is(0)) return b;
  if (b.is(0)) return a;
  Poly sum = poly(a);
  add(sum, poly(b));
  return to_dim(std::move(sum));
}

Dim dim_sub(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return Dim(checked(Wide{a.value()} - b.value()));
  if (a.same_as(b)) return Dim(0);
  if (b.is(0)) return a;
  Poly difference = poly(a);
  add(difference, poly(b), -1);
  return to_dim(std::move(difference));
}

Dim dim_mul(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return Dim(checked(Wide{a.value()} * b.value()));
  if (a.is(0) || b.is(0)) return Dim(0);
  if (a.is(1)) return b;
  if (b.is(1)) return a;
  return to_dim(product(poly(a), poly(b)));
}

Dim dim_floor_div(Dim a, Dim b) {
  require_nonzero(b);
  if (a.is_const() && b.is_const()) {
    return Dim(static_cast<int64_t>(dims::floor_div(a.value(), b.value())));
  }
  if (b.is(1) || a.is(0)) return a;
  if (a.same_as(b)) return Dim(1);
  Poly x = poly(a), y = poly(b);
  if (leading(y).second < 0) {
    x = negated(x);
    y = negated(y);
  }
  if (y.size() == 1) return divide_by_term(std::move(x), y.begin()->second, y.begin()->first);
  if (std::optional<Poly> exact = exact_quotient(x, y)) return to_dim(std::move(*exact));
  Wide g = gcd(content(x), content(y));
  auto divide = [g](Poly& p) {
    for (auto& [atoms, c] : p) c /= g;
  };
  divide(x);
  divide(y);
  return binary(Kind::FloorDiv, to_dim(std::move(x)), to_dim(std::move(y)));
}

Dim dim_mod(Dim a, Dim b) {
  require_nonzero(b);
  if (a.is_const() && b.is_const()) {
    Wide k = b.value();
    return Dim(static_cast<int64_t>(a.value() - dims::floor_div(a.value(), k) * k));
  }
  Poly rest = poly(a);
  add(rest, product(poly(b), poly(dim_floor_div(a, b))), -1);
  return to_dim(std::move(rest));
}

/// a + min(0, b - a), with the difference made primitive and of positive sign.
Dim dim_min(Dim a, Dim b) {
  if (a.same_as(b)) return a;
  if (a.is_const() && b.is_const()) return Dim(std::min(a.value(), b.value()));
  Poly d = poly(b);
  add(d, poly(a), -1);
  Wide g = content(d);
  for (auto& [atoms, c] : d) c /= g;
  if (at_least_zero(d, nullptr)) return a;
  if (at_least_zero(negated(d), nullptr)) return b;
  bool flip = leading(d).second < 0;
  if (flip) d = negated(d);
  Poly out = poly(a);
  if (flip) add(out, d, -g);  // min(0, -d) = min(0, d) - d
  add(out, poly(binary(Kind::Below, to_dim(std::move(d)))), g);
  return to_dim(std::move(out));
}

Dim dim_max(Dim a, Dim b) {
  if (a.same_as(b)) return a;
  if (a.is_const() && b.is_const()) return Dim(std::max(a.value(), b.value()));
  Poly out = poly(a);
  add(out, poly(b));
  add(out, poly(dim_min(a, b)), -1);
  return to_dim(std::move(out));
}

Dim dim_ceil_div(Dim a, Dim b) {
  require_nonzero(b);
  if (a.is_const() && b.is_const()) {
    return Dim(static_cast<int64_t>(-dims::floor_div(-Wide{a.value()}, b.value())));
  }
  if (b.is_const() && b.value() < 0) return dim_ceil_div(dim_sub(Dim(0), a), Dim(-b.value()));
  return dim_floor_div(dim_sub(dim_add(a, b), Dim(1)), b);
}

int64_t dim_eval(Dim d, std::span<const SymbolBinding> bindings) {
  if (d.is_const()) return d.value();
  for (const SymbolBinding& b : bindings) {
    if (b.symbol.same_as(d)) return b.value;
  }
  const Node& n = node(d.expr_id());
  switch (n.kind) {
    case Kind::Symbol:
      fail("size", cat("no value is given for the symbolic size ", n.name),
           "Every symbol must occur in an input's shape");
    case Kind::Sum: {
      Wide sum = 0;
      for (const auto& [atoms, c] : n.terms) {
        Wide term = c;
        for (uint32_t a : atoms) {
          term = checked_mul(term, dim_eval(Dim::from_expr(a), bindings));
        }
        if (__builtin_add_overflow(sum, term, &sum)) fail_overflow();
      }
      return checked(sum);
    }
    case Kind::FloorDiv: {
      int64_t a = dim_eval(n.a, bindings), b = dim_eval(n.b, bindings);
      require_nonzero(Dim(b));
      return checked(dims::floor_div(a, b));
    }
    case Kind::Below:
      return std::min<int64_t>(0, dim_eval(n.a, bindings));
  }
  return 0;
}

void dim_symbols(Dim d, SmallVec<Dim, 4>& out) {
  if (d.is_const()) return;
  const Node& n = node(d.expr_id());
  switch (n.kind) {
    case Kind::Symbol:
      for (Dim o : out) {
        if (o.same_as(d)) return;
      }
      out.push_back(d);
      return;
    case Kind::Sum:
      for (const auto& [atoms, c] : n.terms) {
        for (uint32_t a : atoms) dim_symbols(Dim::from_expr(a), out);
      }
      return;
    case Kind::FloorDiv:
      dim_symbols(n.b, out);
      [[fallthrough]];
    case Kind::Below:
      dim_symbols(n.a, out);
      return;
  }
}

}  // namespace etch
