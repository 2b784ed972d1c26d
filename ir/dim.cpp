#include "ir/dim.h"

#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "ir/support/error.h"

namespace etch {
namespace {

enum class DimKind : uint8_t { Symbol, Sum, FloorDiv, Mod, Min, Max };

/// coefficient * product of atoms; an atom is the id of a non-Sum expression.
struct Term {
  int64_t coefficient = 0;
  std::vector<uint32_t> atoms;  // sorted
};

struct DimNode {
  DimKind kind = DimKind::Symbol;
  std::string symbol;       // Symbol
  std::vector<Term> terms;  // Sum: by atoms, constant term first
  Dim a, b;                 // the rest
};

int64_t checked(__int128 v) {
  if (v > kMaxSize || v < -kMaxSize) {
    fail("size", "size arithmetic overflows 61 bits", "Check the sizes that are multiplied here");
  }
  return static_cast<int64_t>(v);
}

std::string key_of(const DimNode& n) {
  std::string key(1, static_cast<char>('0' + static_cast<int>(n.kind)));
  if (n.kind == DimKind::Symbol) return key + n.symbol;
  if (n.kind == DimKind::Sum) {
    for (const Term& t : n.terms) {
      append_text(key, t.coefficient);
      for (uint32_t a : t.atoms) key += cat("*", a);
      key += '+';
    }
    return key;
  }
  return cat(key, n.a.raw(), ",", n.b.raw());
}

/// Interned expressions; entries live as long as the process and never move.
class DimTable {
 public:
  uint32_t intern(DimNode node) {
    std::string key = key_of(node);
    {
      std::shared_lock lock(mutex_);
      auto it = ids_.find(key);
      if (it != ids_.end()) return it->second;
    }
    std::unique_lock lock(mutex_);
    auto [it, fresh] = ids_.try_emplace(std::move(key), static_cast<uint32_t>(nodes_.size()));
    if (fresh) nodes_.push_back(std::move(node));
    return it->second;
  }
  const DimNode& at(uint32_t id) {
    std::shared_lock lock(mutex_);
    return nodes_[id];
  }

 private:
  std::shared_mutex mutex_;
  std::deque<DimNode> nodes_;
  std::unordered_map<std::string, uint32_t> ids_;
};

DimTable& table() {
  static DimTable* t = new DimTable;  // outlives every thread
  return *t;
}

using Terms = std::map<std::vector<uint32_t>, int64_t>;

void add_terms(Terms& into, Dim d, int64_t scale) {
  auto add = [&](const std::vector<uint32_t>& atoms, int64_t c) {
    int64_t& slot = into[atoms];
    slot = checked(static_cast<__int128>(slot) + static_cast<__int128>(c) * scale);
  };
  if (d.is_const()) return add({}, d.value());
  const DimNode& n = table().at(d.expr_id());
  if (n.kind != DimKind::Sum) return add({d.expr_id()}, 1);
  for (const Term& t : n.terms) add(t.atoms, t.coefficient);
}

Dim from_terms(const Terms& terms) {
  DimNode node;
  node.kind = DimKind::Sum;
  for (const auto& [atoms, c] : terms) {
    if (c != 0) node.terms.push_back({c, atoms});
  }
  if (node.terms.empty()) return Dim(0);
  const Term& first = node.terms.front();
  if (node.terms.size() == 1) {
    if (first.atoms.empty()) return Dim(first.coefficient);
    if (first.atoms.size() == 1 && first.coefficient == 1) return Dim::from_expr(first.atoms[0]);
  }
  return Dim::from_expr(table().intern(std::move(node)));
}

Dim binary(DimKind kind, Dim a, Dim b) {
  DimNode node;
  node.kind = kind;
  node.a = a;
  node.b = b;
  return Dim::from_expr(table().intern(std::move(node)));
}

int64_t floor_div(int64_t a, int64_t b) {
  int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

void require_nonzero(Dim b) {
  if (b.is(0)) fail("size", "division of a size by zero", "Check the divisor");
}

/// A lower bound of d with every symbol at least 0; nullopt when none is known.
std::optional<int64_t> lower_bound(Dim d) {
  if (d.is_const()) return d.value();
  const DimNode& n = table().at(d.expr_id());
  switch (n.kind) {
    case DimKind::Symbol:
      return 0;
    case DimKind::Sum: {
      int64_t sum = 0;
      for (const Term& t : n.terms) {
        if (t.atoms.empty()) {
          sum += t.coefficient;
          continue;
        }
        if (t.coefficient < 0) return std::nullopt;
        for (uint32_t a : t.atoms) {
          auto low = lower_bound(Dim::from_expr(a));
          if (!low || *low < 0) return std::nullopt;
        }
      }
      return sum;
    }
    case DimKind::FloorDiv: {
      auto a = lower_bound(n.a);
      if (!a || !n.b.is_const() || n.b.value() <= 0) return std::nullopt;
      return floor_div(*a, n.b.value());
    }
    case DimKind::Mod:
      if (n.b.is_const() && n.b.value() > 0) return 0;
      return std::nullopt;
    case DimKind::Max: {
      auto a = lower_bound(n.a), b = lower_bound(n.b);
      if (!a || !b) return a ? a : b;
      return std::max(*a, *b);
    }
    case DimKind::Min: {
      auto a = lower_bound(n.a), b = lower_bound(n.b);
      if (!a || !b) return std::nullopt;
      return std::min(*a, *b);
    }
  }
  return std::nullopt;
}

thread_local DimResolver* current_resolver = nullptr;

[[noreturn]] void raise_undecided(const std::string& what) {
  fail("size", cat(what, " depends on a symbolic size and nothing here can decide it"),
       "Keep it symbolic (Dim arithmetic), or make the size static");
}

}  // namespace

Dim Dim::symbol(std::string_view name) {
  DimNode node;
  node.symbol = std::string(name);
  return from_expr(table().intern(std::move(node)));
}

int64_t Dim::resolve_symbolic() const {
  if (current_resolver == nullptr) raise_undecided(cat("the value of ", to_text(*this)));
  return current_resolver->value_of(*this);
}

void Dim::raise_range(int64_t v) {
  fail("size", cat("size ", v, " does not fit the integer type it is converted to"), "Use int64_t");
}

Dim dim_add(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return Dim(checked(__int128{a.value()} + b.value()));
  Terms terms;
  add_terms(terms, a, 1);
  add_terms(terms, b, 1);
  return from_terms(terms);
}

Dim dim_sub(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return Dim(checked(__int128{a.value()} - b.value()));
  Terms terms;
  add_terms(terms, a, 1);
  add_terms(terms, b, -1);
  return from_terms(terms);
}

Dim dim_mul(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return Dim(checked(__int128{a.value()} * b.value()));
  if (a.is(0) || b.is(0)) return Dim(0);
  if (a.is(1)) return b;
  if (b.is(1)) return a;
  Terms left, right, product;
  add_terms(left, a, 1);
  add_terms(right, b, 1);
  for (const auto& [la, lc] : left) {
    for (const auto& [ra, rc] : right) {
      std::vector<uint32_t> atoms = la;
      atoms.insert(atoms.end(), ra.begin(), ra.end());
      std::sort(atoms.begin(), atoms.end());
      int64_t& slot = product[atoms];
      slot = checked(static_cast<__int128>(slot) + static_cast<__int128>(lc) * rc);
    }
  }
  return from_terms(product);
}

Dim dim_floor_div(Dim a, Dim b) {
  require_nonzero(b);
  if (a.is_const() && b.is_const()) return Dim(floor_div(a.value(), b.value()));
  if (b.is(1)) return a;
  if (a.same_as(b)) return Dim(1);
  if (a.is(0)) return a;
  // A sum whose every term divides exactly, by a number or by one atom.
  Terms terms, quotient;
  add_terms(terms, a, 1);
  Terms divisor;
  add_terms(divisor, b, 1);
  if (divisor.size() == 1) {
    const auto& [datoms, dc] = *divisor.begin();
    bool exact = true;
    for (const auto& [atoms, c] : terms) {
      std::vector<uint32_t> rest;
      if (c % dc != 0 || !std::includes(atoms.begin(), atoms.end(), datoms.begin(), datoms.end())) {
        exact = false;
        break;
      }
      std::set_difference(atoms.begin(), atoms.end(), datoms.begin(), datoms.end(),
                          std::back_inserter(rest));
      quotient[rest] = c / dc;
    }
    if (exact) return from_terms(quotient);
  }
  return binary(DimKind::FloorDiv, a, b);
}

Dim dim_mod(Dim a, Dim b) {
  require_nonzero(b);
  if (a.is_const() && b.is_const()) {
    return Dim(a.value() - floor_div(a.value(), b.value()) * b.value());
  }
  if (b.is(1) || a.same_as(b)) return Dim(0);
  Dim q = dim_floor_div(a, b);
  if (dim_mul(q, b).same_as(a)) return Dim(0);
  return binary(DimKind::Mod, a, b);
}

Dim dim_min(Dim a, Dim b) {
  if (a.same_as(b)) return a;
  if (dim_less(a, b) == Truth::Yes) return a;
  if (dim_less(b, a) == Truth::Yes) return b;
  if (a.raw() > b.raw()) std::swap(a, b);
  return binary(DimKind::Min, a, b);
}

Dim dim_max(Dim a, Dim b) {
  if (a.same_as(b)) return a;
  if (dim_less(a, b) == Truth::Yes) return b;
  if (dim_less(b, a) == Truth::Yes) return a;
  if (a.raw() > b.raw()) std::swap(a, b);
  return binary(DimKind::Max, a, b);
}

Dim dim_ceil_div(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) {
    require_nonzero(b);
    return Dim(-floor_div(-a.value(), b.value()));
  }
  return dim_floor_div(a + b - 1, b);
}

Truth dim_equal(Dim a, Dim b) {
  if (a.same_as(b)) return Truth::Yes;
  if (a.is_const() && b.is_const()) return Truth::No;
  Dim d = a - b;
  if (d.is_const()) return d.is(0) ? Truth::Yes : Truth::No;
  auto low = lower_bound(d);
  if (low && *low > 0) return Truth::No;
  low = lower_bound(-d);
  if (low && *low > 0) return Truth::No;
  return Truth::Unknown;
}

Truth dim_less(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return a.value() < b.value() ? Truth::Yes : Truth::No;
  Dim d = b - a;  // a < b  <=>  d >= 1
  auto low = lower_bound(d);
  if (low && *low >= 1) return Truth::Yes;
  low = lower_bound(-d);
  if (low && *low >= 0) return Truth::No;
  return Truth::Unknown;
}

Truth dim_holds(Dim a, Relation relation, Dim b) {
  auto flip = [](Truth t) {
    return t == Truth::Unknown ? t : t == Truth::Yes ? Truth::No : Truth::Yes;
  };
  switch (relation) {
    case Relation::Equal:
      return dim_equal(a, b);
    case Relation::NotEqual:
      return flip(dim_equal(a, b));
    case Relation::Less:
      return dim_less(a, b);
    case Relation::LessEqual:
      return flip(dim_less(b, a));
  }
  return Truth::Unknown;
}

std::string_view to_text(Relation relation) {
  constexpr std::string_view kNames[] = {"==", "!=", "<", "<="};
  return kNames[static_cast<size_t>(relation)];
}

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

bool dim_decide_equal(Dim a, Dim b) {
  Truth t = dim_equal(a, b);
  if (t != Truth::Unknown) return t == Truth::Yes;
  if (current_resolver == nullptr) raise_undecided(cat(to_text(a), " == ", to_text(b)));
  return current_resolver->equal(a, b);
}

bool dim_decide_less(Dim a, Dim b) {
  Truth t = dim_less(a, b);
  if (t != Truth::Unknown) return t == Truth::Yes;
  if (current_resolver == nullptr) raise_undecided(cat(to_text(a), " < ", to_text(b)));
  return current_resolver->less(a, b);
}

std::string to_text(Dim d) {
  if (d.is_const()) return cat(d.value());
  const DimNode& n = table().at(d.expr_id());
  auto call = [&](const char* f) { return cat(f, "(", to_text(n.a), ", ", to_text(n.b), ")"); };
  switch (n.kind) {
    case DimKind::Symbol:
      return n.symbol;
    case DimKind::FloorDiv:
      return call("floordiv");
    case DimKind::Mod:
      return call("mod");
    case DimKind::Min:
      return call("min");
    case DimKind::Max:
      return call("max");
    case DimKind::Sum:
      break;
  }
  std::string out;
  for (const Term& t : n.terms) {
    if (t.atoms.empty()) continue;
    int64_t c = t.coefficient;
    if (!out.empty()) {
      out += c < 0 ? " - " : " + ";
      c = c < 0 ? -c : c;
    }
    if (c == -1) out += '-';
    if (c != 1 && c != -1) out += cat(c, "*");
    for (size_t i = 0; i < t.atoms.size(); ++i) {
      out += cat(i != 0 ? "*" : "", to_text(Dim::from_expr(t.atoms[i])));
    }
  }
  const Term& first = n.terms.front();
  if (first.atoms.empty()) {
    int64_t c = first.coefficient;
    out += cat(c < 0 ? " - " : " + ", c < 0 ? -c : c);
  }
  return out;
}

int64_t dim_eval(Dim d, std::span<const SymbolBinding> bindings) {
  if (d.is_const()) return d.value();
  for (const SymbolBinding& b : bindings) {
    if (b.symbol.same_as(d)) return b.value;
  }
  const DimNode& n = table().at(d.expr_id());
  if (n.kind == DimKind::Symbol) {
    fail("size", cat("no value is given for the symbolic size ", n.symbol),
         "Every symbol must occur in an input's shape");
  }
  if (n.kind == DimKind::Sum) {
    __int128 sum = 0;
    for (const Term& t : n.terms) {
      __int128 product = t.coefficient;
      for (uint32_t a : t.atoms) product = checked(product * dim_eval(Dim::from_expr(a), bindings));
      sum = checked(sum + product);
    }
    return static_cast<int64_t>(sum);
  }
  int64_t a = dim_eval(n.a, bindings), b = dim_eval(n.b, bindings);
  if (n.kind == DimKind::Min) return std::min(a, b);
  if (n.kind == DimKind::Max) return std::max(a, b);
  require_nonzero(Dim(b));
  return n.kind == DimKind::FloorDiv ? floor_div(a, b) : a - floor_div(a, b) * b;
}

void dim_symbols(Dim d, SmallVec<Dim, 4>& out) {
  if (d.is_const()) return;
  const DimNode& n = table().at(d.expr_id());
  if (n.kind == DimKind::Symbol) {
    for (Dim o : out) {
      if (o.same_as(d)) return;
    }
    out.push_back(d);
  } else if (n.kind == DimKind::Sum) {
    for (const Term& t : n.terms) {
      for (uint32_t a : t.atoms) dim_symbols(Dim::from_expr(a), out);
    }
  } else {
    dim_symbols(n.a, out);
    dim_symbols(n.b, out);
  }
}

DimResolver* dim_resolver() { return current_resolver; }
DimResolver* exchange_dim_resolver(DimResolver* next) {
  return std::exchange(current_resolver, next);
}

namespace {

/// Recursive descent over to_text's grammar; depth is bounded, overflow raises like arithmetic.
class DimParser {
 public:
  explicit DimParser(std::string_view s) : s_(s) {}
  std::optional<Dim> run() {
    auto d = sum(0);
    skip();
    return d && at_ == s_.size() ? d : std::nullopt;
  }

 private:
  static constexpr int kMaxDepth = 32;
  void skip() {
    while (at_ < s_.size() && s_[at_] == ' ') ++at_;
  }
  bool eat(char c) {
    skip();
    if (at_ >= s_.size() || s_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::optional<Dim> sum(int depth) {
    if (depth > kMaxDepth) return std::nullopt;
    bool negative = eat('-');
    auto left = product(depth);
    if (left && negative) left = -*left;
    while (left) {
      bool plus = eat('+');
      if (!plus && !eat('-')) break;
      auto right = product(depth);
      if (!right) return std::nullopt;
      left = plus ? *left + *right : *left - *right;
    }
    return left;
  }
  std::optional<Dim> product(int depth) {
    auto left = atom(depth);
    while (left && eat('*')) {
      auto right = atom(depth);
      if (!right) return std::nullopt;
      left = *left * *right;
    }
    return left;
  }
  std::optional<Dim> atom(int depth) {
    skip();
    size_t start = at_;
    if (at_ < s_.size() && s_[at_] >= '0' && s_[at_] <= '9') {
      int64_t v = 0;
      auto r = std::from_chars(s_.data() + at_, s_.data() + s_.size(), v);
      if (r.ec != std::errc() || v > kMaxSize) return std::nullopt;
      at_ = static_cast<size_t>(r.ptr - s_.data());
      return Dim(v);
    }
    auto word = [](char c) {
      return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    while (at_ < s_.size() && word(s_[at_])) ++at_;
    std::string_view id = s_.substr(start, at_ - start);
    if (id.empty()) return std::nullopt;
    if (!eat('(')) return Dim::symbol(id);
    auto a = sum(depth + 1);
    if (!a || !eat(',')) return std::nullopt;
    auto b = sum(depth + 1);
    if (!b || !eat(')')) return std::nullopt;
    if (id == "min") return dim_min(*a, *b);
    if (id == "max") return dim_max(*a, *b);
    if (b->is(0)) return std::nullopt;
    if (id == "floordiv") return dim_floor_div(*a, *b);
    if (id == "mod") return dim_mod(*a, *b);
    return std::nullopt;
  }

  std::string_view s_;
  size_t at_ = 0;
};

}  // namespace

std::optional<Dim> parse_dim(std::string_view text) { return DimParser(text).run(); }

}  // namespace etch
