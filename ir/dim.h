// Sizes. A Dim is a number, or an expression over named symbols ("N", "2*N + 1").
#pragma once

#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/support/small_vec.h"
#include "ir/support/text.h"

namespace etch {

/// Sizes and everything computed from them lie in [-kMaxSize, kMaxSize].
inline constexpr int64_t kMaxSize = (int64_t{1} << 61) - 1;
/// The numbers, symbols and operations that one expression may be written with.
inline constexpr int kMaxDimWeight = 256;

template <class T>
concept DimInteger = std::integral<T> && !std::same_as<T, bool>;

/// One size: an integer of up to 62 bits, or an interned canonical expression. 8 bytes.
/// Arithmetic is exact; overflow and expressions above kMaxDimWeight raise UserError. Turning an
/// undecided expression into a number or a bool asks the thread's DimResolver; without one it
/// raises UserError.
class Dim {
 public:
  constexpr Dim() = default;
  /// Raises UserError beyond kMaxSize.
  template <DimInteger T>
  explicit constexpr Dim(T value) {
    if (std::cmp_greater(value, kMaxSize) || std::cmp_less(value, -kMaxSize)) raise_large();
    bits_ = static_cast<int64_t>(value) * 2;
  }
  /// The named symbol; equal names are the same symbol.
  static Dim symbol(std::string_view name);

  bool is_const() const { return (bits_ & 1) == 0; }
  /// The number; only when is_const().
  int64_t value() const { return bits_ >> 1; }
  bool is(int64_t v) const { return bits_ == v * 2; }
  uint64_t raw() const { return static_cast<uint64_t>(bits_); }
  static Dim from_expr(uint32_t id) {
    Dim d;
    d.bits_ = (static_cast<int64_t>(id) << 1) | 1;
    return d;
  }
  uint32_t expr_id() const { return static_cast<uint32_t>(bits_ >> 1); }

  /// Same number or same canonical expression; decides nothing and never raises.
  bool same_as(Dim other) const { return bits_ == other.bits_; }

  /// The number, through the thread's DimResolver when symbolic.
  int64_t resolve() const { return is_const() ? value() : resolve_symbolic(); }
  template <DimInteger T>
  operator T() const {  // NOLINT: sizes read like integers
    int64_t v = resolve();
    if (!std::in_range<T>(v)) raise_range(v);
    return static_cast<T>(v);
  }
  template <std::floating_point F>
  explicit operator F() const {
    return static_cast<F>(resolve());
  }
  explicit operator bool() const { return resolve() != 0; }

 private:
  int64_t resolve_symbolic() const;
  [[noreturn]] static void raise_range(int64_t v);
  [[noreturn]] static void raise_large();
  int64_t bits_ = 0;
};
static_assert(sizeof(Dim) == 8);

/// Checked, canonicalising arithmetic. Division and remainder floor; by zero raises UserError.
Dim dim_add(Dim a, Dim b);
Dim dim_sub(Dim a, Dim b);
Dim dim_mul(Dim a, Dim b);
Dim dim_floor_div(Dim a, Dim b);
Dim dim_mod(Dim a, Dim b);
Dim dim_min(Dim a, Dim b);
Dim dim_max(Dim a, Dim b);
Dim dim_ceil_div(Dim a, Dim b);

enum class Truth : uint8_t { No, Yes, Unknown };
/// How two sizes compare.
enum class Relation : uint8_t { Equal, NotEqual, Less, LessEqual };
/// Ranges of symbols and relations between sizes; ir/facts.h.
class DimFacts;

/// What is known without asking anybody: symbols are at least 0, and the facts that the thread's
/// DimResolver offers.
Truth dim_equal(Dim a, Dim b);
Truth dim_less(Dim a, Dim b);
Truth dim_holds(Dim a, Relation relation, Dim b);
/// The same with `facts` in place of the thread's.
Truth dim_equal(Dim a, Dim b, const DimFacts& facts);
Truth dim_less(Dim a, Dim b, const DimFacts& facts);
Truth dim_holds(Dim a, Relation relation, Dim b, const DimFacts& facts);
/// Decides, through the DimResolver when unknown.
bool dim_decide_equal(Dim a, Dim b);
bool dim_decide_less(Dim a, Dim b);

// Arithmetic and comparison among Dims and with integers, in both orders.
#define ETCH_DIM_ARITH(op, fn)                              \
  inline Dim operator op(Dim a, Dim b) { return fn(a, b); } \
  template <DimInteger T>                                   \
  Dim operator op(Dim a, T b) {                             \
    return fn(a, Dim(b));                                   \
  }                                                         \
  template <DimInteger T>                                   \
  Dim operator op(T a, Dim b) {                             \
    return fn(Dim(a), b);                                   \
  }
ETCH_DIM_ARITH(+, dim_add)
ETCH_DIM_ARITH(-, dim_sub)
ETCH_DIM_ARITH(*, dim_mul)
ETCH_DIM_ARITH(/, dim_floor_div)
ETCH_DIM_ARITH(%, dim_mod)
#undef ETCH_DIM_ARITH
#define ETCH_DIM_COMPARE(op, expr)                       \
  inline bool operator op(Dim a, Dim b) { return expr; } \
  template <DimInteger T>                                \
  bool operator op(Dim a, T b) {                         \
    return a op Dim(b);                                  \
  }                                                      \
  template <DimInteger T>                                \
  bool operator op(T a, Dim b) {                         \
    return Dim(a) op b;                                  \
  }
ETCH_DIM_COMPARE(<, dim_decide_less(a, b))
ETCH_DIM_COMPARE(>, dim_decide_less(b, a))
ETCH_DIM_COMPARE(<=, !dim_decide_less(b, a))
ETCH_DIM_COMPARE(>=, !dim_decide_less(a, b))
#undef ETCH_DIM_COMPARE
inline bool operator==(Dim a, Dim b) { return dim_decide_equal(a, b); }
template <DimInteger T>
bool operator==(Dim a, T b) {
  return dim_decide_equal(a, Dim(b));
}
inline Dim operator-(Dim a) { return dim_sub(Dim(0), a); }
// Beside a floating number a size is a number, as in plain C++.
#define ETCH_DIM_FLOAT(op)         \
  template <std::floating_point F> \
  auto operator op(Dim a, F b) {   \
    return static_cast<F>(a) op b; \
  }                                \
  template <std::floating_point F> \
  auto operator op(F a, Dim b) {   \
    return a op static_cast<F>(b); \
  }
ETCH_DIM_FLOAT(+)
ETCH_DIM_FLOAT(-)
ETCH_DIM_FLOAT(*)
ETCH_DIM_FLOAT(/)
ETCH_DIM_FLOAT(<)
ETCH_DIM_FLOAT(>)
ETCH_DIM_FLOAT(<=)
ETCH_DIM_FLOAT(>=)
#undef ETCH_DIM_FLOAT
template <std::floating_point F>
bool operator==(Dim a, F b) {
  return static_cast<F>(a) == b;
}
// Bits of a size would be those of an int.
#define ETCH_DIM_NO(op)   \
  template <DimInteger T> \
  void operator op(Dim, T) = delete;
ETCH_DIM_NO(<<)
ETCH_DIM_NO(>>)
ETCH_DIM_NO(&)
ETCH_DIM_NO(|)
ETCH_DIM_NO(^)
#undef ETCH_DIM_NO
#define ETCH_DIM_ASSIGN(op)                                         \
  inline Dim& operator op##=(Dim & a, Dim b) { return a = a op b; } \
  template <DimInteger T>                                           \
  Dim& operator op##=(Dim & a, T b) {                               \
    return a = a op Dim(b);                                         \
  }
ETCH_DIM_ASSIGN(+)
ETCH_DIM_ASSIGN(-)
ETCH_DIM_ASSIGN(*)
ETCH_DIM_ASSIGN(/)
ETCH_DIM_ASSIGN(%)
#undef ETCH_DIM_ASSIGN
inline Dim min(Dim a, Dim b) { return dim_min(a, b); }
inline Dim max(Dim a, Dim b) { return dim_max(a, b); }
inline Dim ceil_div(Dim a, Dim b) { return dim_ceil_div(a, b); }

/// "7", "N", "2*N + 1", "floordiv(N, 2)".
std::string to_text(Dim d);
inline void append_text(std::string& out, Dim d) { out += to_text(d); }
/// Printing a size decides nothing, also inside a trace.
template <class Traits>
std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& out, Dim d) {
  return out << to_text(d);
}
/// "==", "!=", "<", "<=".
std::string_view to_text(Relation relation);
inline void append_text(std::string& out, Relation r) { out += to_text(r); }
/// Whether the relation holds between two numbers.
bool relation_holds(int64_t a, Relation relation, int64_t b);
/// Parses what to_text writes; nullopt when it does not.
std::optional<Dim> parse_dim(std::string_view text);

/// Symbol values for one call.
struct SymbolBinding {
  Dim symbol;
  int64_t value;
};
using SymbolBindings = SmallVec<SymbolBinding, 4>;
/// The number under `bindings`; an unbound symbol raises UserError naming it.
int64_t dim_eval(Dim d, std::span<const SymbolBinding> bindings);
/// Appends the symbols of `d` that `out` does not have yet.
void dim_symbols(Dim d, SmallVec<Dim, 4>& out);

/// Answers for symbolic sizes on this thread; the tracer installs one.
class DimResolver {
 public:
  virtual ~DimResolver() = default;
  virtual int64_t value_of(Dim d) = 0;
  virtual bool equal(Dim a, Dim b) = 0;
  virtual bool less(Dim a, Dim b) = 0;
  /// What is known besides; null for nothing. Asked before the above.
  virtual const DimFacts* facts() const { return nullptr; }
};
DimResolver* dim_resolver();
/// Installs `next` on this thread; returns the one before.
DimResolver* exchange_dim_resolver(DimResolver* next);

}  // namespace etch
