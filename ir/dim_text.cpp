// Sizes as text, and back.
#include <algorithm>
#include <charconv>

#include "ir/dim_poly.h"
#include "ir/support/error.h"

namespace etch {
namespace dims {
namespace {

/// One term as it is shown: c * text.
struct Shown {
  Wide c = 0;
  size_t degree = 0;
  std::string text;  // "" for a number
};

size_t parts(const Poly& p) { return std::max<size_t>(p.size(), 1); }

/// When `p` holds c * k * floordiv(a, b) that belongs to a multiple of mod(a, b) and is shorter as
/// such, moves it to `shown`.
bool take_mod(Poly& p, uint32_t id, std::vector<Shown>& shown) {
  const Node& n = node(id);
  Poly by = poly(n.b);
  if (by.size() != 1) return false;
  auto it = p.find(times(by.begin()->first, {id}));
  if (it == p.end() || it->second % by.begin()->second != 0) return false;
  Wide g = -it->second / by.begin()->second;
  Poly rest = p;
  add(rest, poly(n.a), -g);
  add(rest, {{it->first, it->second}}, -1);
  if (rest.size() + 1 >= p.size()) return false;
  shown.push_back({g, 1, cat("mod(", n.a, ", ", n.b, ")")});
  p = std::move(rest);
  return true;
}

/// Moves c * min(0, d) to `shown`, as min or max of two sums that take along what makes the whole
/// shortest.
void take_below(Poly& p, uint32_t id, std::vector<Shown>& shown) {
  auto it = p.find({id});
  if (it == p.end()) return;
  Wide c = it->second, size = c < 0 ? -c : c;
  p.erase(it);
  Poly d = poly(node(id).a);
  // c * min(0, d) = c * min(u, d + u) - c * u, and with c < 0 |c| * max(-u, -d - u) + |c| * u.
  Poly negative, positive, whole;  // candidates for u: the last two with their signs turned
  for (const auto& [atoms, k] : d) (k < 0 ? negative : positive).emplace(atoms, -k);
  if (content(p) % size == 0) {
    for (const auto& [atoms, k] : p) whole.emplace(atoms, k / c);
  }
  Poly best, best_rest;
  size_t least = SIZE_MAX;
  for (const Poly* u : {&whole, &negative, &positive}) {
    Poly rest = p, other = d;
    add(rest, *u, -c);
    add(other, *u);
    size_t cost = rest.size() + parts(*u) + parts(other);
    if (cost >= least) continue;
    least = cost;
    best = *u;
    best_rest = std::move(rest);
  }
  Poly other = d, mine;
  add(other, best);
  add(mine, best);
  if (c < 0) {
    for (Poly* q : {&other, &mine}) {
      for (auto& [atoms, k] : *q) k = -k;
    }
  }
  std::string a = sum_text(other), b = sum_text(mine);
  // The sum with symbols first, numbers last, otherwise by name.
  bool swap = other.empty() || (other.rbegin()->first.empty() && !mine.empty()) ||
              (!mine.empty() && !mine.rbegin()->first.empty() && b < a);
  if (swap) std::swap(a, b);
  shown.push_back({size, 1, cat(c < 0 ? "max(" : "min(", a, ", ", b, ")")});
  p = std::move(best_rest);
}

std::string monomial_text(const Monomial& m) {
  std::vector<std::string_view> names;
  for (uint32_t a : m) names.push_back(node(a).text);
  std::sort(names.begin(), names.end());
  std::string out;
  for (std::string_view n : names) {
    if (!out.empty()) out += '*';
    out += n;
  }
  return out;
}

}  // namespace

std::string sum_text(const Poly& sum) {
  Poly p = sum;
  std::vector<Shown> shown;
  std::vector<uint32_t> quotients, below;
  for (const auto& [atoms, c] : sum) {
    for (uint32_t a : atoms) {
      Kind k = node(a).kind;
      if (k == Kind::FloorDiv) quotients.push_back(a);
      if (k == Kind::Below && atoms.size() == 1) below.push_back(a);
    }
  }
  auto by_text = [](uint32_t a, uint32_t b) { return node(a).text < node(b).text; };
  std::sort(quotients.begin(), quotients.end(), by_text);
  std::sort(below.begin(), below.end(), by_text);
  for (uint32_t a : quotients) take_mod(p, a, shown);
  for (uint32_t a : below) take_below(p, a, shown);
  for (const auto& [atoms, c] : p) shown.push_back({c, atoms.size(), monomial_text(atoms)});
  std::sort(shown.begin(), shown.end(), [](const Shown& a, const Shown& b) {
    return a.degree != b.degree ? a.degree > b.degree : a.text < b.text;
  });
  std::string out;
  for (const Shown& s : shown) {
    bool minus = s.c < 0;
    auto c = static_cast<int64_t>(minus ? -s.c : s.c);
    out += out.empty() ? (minus ? "-" : "") : (minus ? " - " : " + ");
    if (s.text.empty() || c != 1) append_text(out, c);
    if (!s.text.empty()) out += cat(c != 1 ? "*" : "", s.text);
  }
  return out.empty() ? "0" : out;
}

}  // namespace dims

using namespace dims;

std::string to_text(Dim d) { return d.is_const() ? cat(d.value()) : node(d.expr_id()).text; }

std::string_view to_text(Relation relation) {
  constexpr std::string_view kNames[] = {"==", "!=", "<", "<="};
  return kNames[static_cast<size_t>(relation)];
}

namespace {

/// Recursive descent over to_text's grammar. Sums are added up before they become expressions, so
/// that text makes few of them.
class DimParser {
 public:
  explicit DimParser(std::string_view s) : s_(s) {}
  std::optional<Dim> run() {
    std::optional<Poly> p = sum(0);
    skip();
    if (!p || at_ != s_.size()) return std::nullopt;
    return to_dim(std::move(*p));
  }

 private:
  void skip() {
    while (at_ < s_.size() && s_[at_] == ' ') ++at_;
  }
  bool eat(char c) {
    skip();
    if (at_ >= s_.size() || s_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::optional<Poly> sum(int depth) {
    if (depth > kMaxDimWeight) return std::nullopt;
    Poly out;
    bool negative = eat('-');
    for (;;) {
      std::optional<Poly> term = product(depth);
      if (!term) return std::nullopt;
      add(out, *term, negative ? -1 : 1);
      if (out.size() > kMaxDimWeight) return std::nullopt;
      negative = eat('-');
      if (!negative && !eat('+')) return out;
    }
  }
  std::optional<Poly> product(int depth) {
    std::optional<Poly> left = atom(depth);
    while (left && eat('*')) {
      std::optional<Poly> right = atom(depth);
      if (!right) return std::nullopt;
      // Sums in parentheses do not exist: one factor is a single term unless min or max gave both.
      left = poly(dim_mul(to_dim(std::move(*left)), to_dim(std::move(*right))));
    }
    return left;
  }
  std::optional<Poly> atom(int depth) {
    skip();
    size_t start = at_;
    if (at_ < s_.size() && s_[at_] >= '0' && s_[at_] <= '9') {
      int64_t v = 0;
      auto r = std::from_chars(s_.data() + at_, s_.data() + s_.size(), v);
      if (r.ec != std::errc() || v > kMaxSize) return std::nullopt;
      at_ = static_cast<size_t>(r.ptr - s_.data());
      return number(v);
    }
    auto word = [](char c) {
      return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    while (at_ < s_.size() && word(s_[at_])) ++at_;
    std::string_view id = s_.substr(start, at_ - start);
    if (id.empty()) return std::nullopt;
    if (!eat('(')) return poly(Dim::symbol(id));
    std::optional<Poly> a = sum(depth + 1);
    if (!a || !eat(',')) return std::nullopt;
    std::optional<Poly> b = sum(depth + 1);
    if (!b || !eat(')')) return std::nullopt;
    Dim x = to_dim(std::move(*a)), y = to_dim(std::move(*b));
    if (id == "min") return poly(dim_min(x, y));
    if (id == "max") return poly(dim_max(x, y));
    if (y.is(0)) return std::nullopt;
    if (id == "floordiv") return poly(dim_floor_div(x, y));
    if (id == "mod") return poly(dim_mod(x, y));
    return std::nullopt;
  }

  std::string_view s_;
  size_t at_ = 0;
};

}  // namespace

std::optional<Dim> parse_dim(std::string_view text) { return DimParser(text).run(); }

}  // namespace etch
