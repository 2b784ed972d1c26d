#include "tools/ulp/ulp.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "runtime/interp/loops.h"

namespace etch::tools {

namespace {

using ir::Prim;
using Long = long double;

struct Reference {
  Prim op;
  double (*in_double)(double);
  Long (*in_long)(Long);
  double lo, hi;  // where the function does its work
};

// clang-format off
const Reference kReferences[] = {
    {Prim::Exp, std::exp, expl, -750, 715},       {Prim::Exp2, std::exp2, exp2l, -1080, 1030},
    {Prim::Expm1, std::expm1, expm1l, -40, 20},   {Prim::Log, std::log, logl, 0.4, 3},
    {Prim::Log2, std::log2, log2l, 0.4, 3},       {Prim::Log10, std::log10, log10l, 0.4, 3},
    {Prim::Log1p, std::log1p, log1pl, -1, 3},     {Prim::Sin, std::sin, sinl, -100, 100},
    {Prim::Cos, std::cos, cosl, -100, 100},       {Prim::Tan, std::tan, tanl, -100, 100},
    {Prim::Asin, std::asin, asinl, -1, 1},        {Prim::Acos, std::acos, acosl, -1, 1},
    {Prim::Atan, std::atan, atanl, -20, 20},      {Prim::Sinh, std::sinh, sinhl, -5, 5},
    {Prim::Cosh, std::cosh, coshl, -5, 5},        {Prim::Tanh, std::tanh, tanhl, -20, 20},
    {Prim::Asinh, std::asinh, asinhl, -5, 5},     {Prim::Acosh, std::acosh, acoshl, 1, 5},
    {Prim::Atanh, std::atanh, atanhl, -1, 1},     {Prim::Erf, std::erf, erfl, -6, 6},
    {Prim::Erfc, std::erfc, erfcl, -6, 28},
};
// clang-format on

const Reference* reference_of(Prim op) {
  for (const Reference& r : kReferences) {
    if (r.op == op) return &r;
  }
  return nullptr;
}

/// |got - want| in the spacing of T at `want`, which may lie beyond T's range.
template <class T, class Wide>
double ulp_error(T got, Wide want) {
  using L = std::numeric_limits<T>;
  bool want_nan = want != want, got_nan = got != got;
  if (want_nan || got_nan) return want_nan == got_nan ? 0 : INFINITY;
  Wide size = want < 0 ? -want : want;
  // One spacing above the largest number stands for infinity, on both sides.
  const Wide top = static_cast<Wide>(L::max()) +
                   static_cast<Wide>(std::ldexp(T{1}, L::max_exponent - L::digits));
  auto bounded = [&](Wide v) { return v > top ? top : v < -top ? -top : v; };
  int exponent = L::min_exponent - L::digits;
  if (size > static_cast<Wide>(L::max())) {
    exponent = L::max_exponent - L::digits;
  } else if (size >= static_cast<Wide>(L::min())) {
    if constexpr (sizeof(Wide) == 8) {
      exponent = static_cast<int>(__builtin_bit_cast(uint64_t, size) >> 52) - 1022 - L::digits;
    } else {
      int e;
      std::frexp(static_cast<long double>(size), &e);
      exponent = e - L::digits;
    }
  }
  Wide scale;
  if constexpr (sizeof(Wide) == 8)
    scale = __builtin_bit_cast(double, static_cast<uint64_t>(exponent + 1023) << 52);
  else
    scale = static_cast<Wide>(std::ldexp(1.0L, exponent));
  Wide diff = bounded(static_cast<Wide>(got)) - bounded(want);
  return static_cast<double>((diff < 0 ? -diff : diff) / scale);
}

void note(UlpResult& r, double error, double a, double b) {
  ++r.points;
  if (error == INFINITY) {
    if (r.wrong++ == 0) r.wrong_at[0] = a, r.wrong_at[1] = b;
  } else if (error > r.max_ulp) {
    r.max_ulp = error, r.at[0] = a, r.at[1] = b;
  }
}

struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  template <class T>
  T pattern() {
    uint64_t bits = next();
    T out;
    std::memcpy(&out, &bits, sizeof(T));
    return out;
  }
};

/// Points for a unary function: patterns, the working range, and neighbourhoods of its edges.
std::vector<double> unary_points(const Reference& f, uint64_t count, Random& random) {
  std::vector<double> out;
  bool trig = f.op == Prim::Sin || f.op == Prim::Cos || f.op == Prim::Tan;
  for (uint64_t i = 0; i < count; ++i) {
    out.push_back(random.pattern<double>());
    out.push_back(f.lo + (f.hi - f.lo) * random.uniform());
    double small = std::ldexp(random.uniform() + 0.5, -static_cast<int>(random.next() % 60));
    double sign = random.next() & 1 ? 1 : -1;
    if (trig) {
      // Next to multiples of pi/2, of all sizes.
      double k =
          std::floor(std::ldexp(random.uniform() + 0.5, static_cast<int>(random.next() % 50)));
      out.push_back(static_cast<double>(static_cast<Long>(k) * (2 * atanl(1))));
    } else if (f.op == Prim::Log1p || f.op == Prim::Atanh || f.op == Prim::Asin ||
               f.op == Prim::Acos) {
      out.push_back(random.next() & 1 ? sign * small : sign * (1 - small));
    } else {
      out.push_back(random.next() & 1 ? sign * small : 1 + sign * small);
    }
  }
  return out;
}

template <class T>
void binary_points(Prim op, uint64_t count, Random& random, std::vector<T>& a, std::vector<T>& b) {
  for (uint64_t i = 0; i < count; ++i) {
    a.push_back(random.pattern<T>());
    b.push_back(random.pattern<T>());
    if (op == Prim::Pow) {
      // Results across the whole range: y = target / log2 x.
      T x = static_cast<T>(
          std::ldexp(0.5 + random.uniform(), static_cast<int>(random.next() % 40) - 20));
      double target = (random.uniform() - 0.5) * (sizeof(T) == 4 ? 300 : 2200);
      a.push_back(x);
      b.push_back(static_cast<T>(target / std::log2(static_cast<double>(x))));
      a.push_back(static_cast<T>(random.uniform() * 4));
      b.push_back(static_cast<T>(random.uniform() * 20 - 10));
    } else {
      a.push_back(static_cast<T>(random.uniform() - 0.5));
      b.push_back(static_cast<T>(random.uniform() - 0.5));
      a.push_back(
          static_cast<T>(std::ldexp(random.uniform() - 0.5, static_cast<int>(random.next() % 40))));
      b.push_back(
          static_cast<T>(std::ldexp(random.uniform() - 0.5, static_cast<int>(random.next() % 40))));
    }
  }
}

template <class T>
UlpResult sample_binary(Prim op, uint64_t count, uint64_t seed, runtime::Isa isa) {
  Random random{seed};
  std::vector<T> a, b;
  binary_points(op, count, random, a, b);
  std::vector<T> got(a.size());
  runtime::LoopArgs args{static_cast<int64_t>(a.size()), got.data(), {a.data(), b.data(), nullptr}};
  runtime::find_loop(op, dtype_of<T>, dtype_of<T>, 0, isa)(args);
  UlpResult r;
  for (size_t i = 0; i < a.size(); ++i) {
    long double x = a[i], y = b[i];
    double error = ulp_error(got[i], op == Prim::Pow ? std::pow(x, y) : std::atan2(x, y));
    note(r, error, a[i], b[i]);
  }
  return r;
}

template <class T>
UlpResult sample_unary(const Reference& f, uint64_t count, uint64_t seed, runtime::Isa isa) {
  Random random{seed};
  std::vector<T> x;
  for (double v : unary_points(f, count, random)) x.push_back(static_cast<T>(v));
  std::vector<T> got(x.size());
  runtime::LoopArgs args{static_cast<int64_t>(x.size()), got.data(), {x.data(), nullptr, nullptr}};
  runtime::find_loop(f.op, dtype_of<T>, dtype_of<T>, 0, isa)(args);
  UlpResult r;
  for (size_t i = 0; i < x.size(); ++i) note(r, ulp_error(got[i], f.in_long(x[i])), x[i], 0);
  return r;
}

}  // namespace

void UlpResult::merge(const UlpResult& other) {
  points += other.points;
  if (other.max_ulp > max_ulp) max_ulp = other.max_ulp, at[0] = other.at[0], at[1] = other.at[1];
  if (wrong == 0) wrong_at[0] = other.wrong_at[0], wrong_at[1] = other.wrong_at[1];
  wrong += other.wrong;
}

const std::vector<Prim>& ulp_functions() {
  static const std::vector<Prim> all = [] {
    std::vector<Prim> v;
    for (const Reference& f : kReferences) v.push_back(f.op);
    v.push_back(Prim::Pow);
    v.push_back(Prim::Atan2);
    return v;
  }();
  return all;
}

UlpResult sweep_f32(Prim op, uint64_t first, uint64_t stride, runtime::Isa isa) {
  constexpr int64_t kBlock = 4096;
  const Reference* f = reference_of(op);
  runtime::LoopFn loop = runtime::find_loop(op, DType::F32, DType::F32, 0, isa);
  std::vector<float> x(kBlock), got(kBlock);
  UlpResult r;
  for (uint64_t pattern = first; pattern < (uint64_t{1} << 32);) {
    int64_t n = 0;
    for (; n < kBlock && pattern < (uint64_t{1} << 32); ++n, pattern += stride) {
      auto bits = static_cast<uint32_t>(pattern);
      std::memcpy(&x[static_cast<size_t>(n)], &bits, 4);
    }
    loop({n, got.data(), {x.data(), nullptr, nullptr}});
    for (int64_t i = 0; i < n; ++i) {
      float a = x[static_cast<size_t>(i)];
      note(r, ulp_error(got[static_cast<size_t>(i)], f->in_double(a)), a, 0);
    }
  }
  return r;
}

UlpResult sample(Prim op, DType t, uint64_t count, uint64_t seed, runtime::Isa isa) {
  if (op == Prim::Pow || op == Prim::Atan2) {
    return t == DType::F32 ? sample_binary<float>(op, count, seed, isa)
                           : sample_binary<double>(op, count, seed, isa);
  }
  const Reference& f = *reference_of(op);
  return t == DType::F32 ? sample_unary<float>(f, count, seed, isa)
                         : sample_unary<double>(f, count, seed, isa);
}

std::string to_row(Prim op, DType t, const UlpResult& r) {
  char text[160];
  bool two = op == Prim::Pow || op == Prim::Atan2;
  int n = std::snprintf(text, sizeof text, "| %s | %s | %llu | %.3f | %a",
                        std::string(name(op)).c_str(), std::string(name(t)).c_str(),
                        static_cast<unsigned long long>(r.points), r.max_ulp, r.at[0]);
  std::string out(text, static_cast<size_t>(n));
  if (two) {
    n = std::snprintf(text, sizeof text, ", %a", r.at[1]);
    out.append(text, static_cast<size_t>(n));
  }
  out += " |";
  if (r.wrong != 0) {
    n = std::snprintf(text, sizeof text, " WRONG %llu, first at %a, %a",
                      static_cast<unsigned long long>(r.wrong), r.wrong_at[0], r.wrong_at[1]);
    out.append(text, static_cast<size_t>(n));
  }
  return out;
}

}  // namespace etch::tools
