// What users write with sizes. Without a number it must compile; with ETCH_MUST_FAIL=k, snippet k
// is in, which must not.
#pragma once

#include <sstream>

#include "etch/ops.h"

namespace etch::test {

inline void idioms(const Tensor& x, bool c) {
  Dim n = x.size(0);
  Dim half = x.size(0) / 2;
  Dim mixed = 2 * n + n * 3 - (n - 1) % 4 + min(n, Dim(4)) + max(n, half) + ceil_div(n, Dim(16));
  int64_t raw = x.size(0);
  size_t wide = x.size(0);
  int narrow = x.size(0);
  int64_t chosen = c ? x.size(0) : 1;
  Dim chosen_dim = c ? x.size(0) : Dim(1);
  std::vector<int64_t> sizes{x.size(0), 4};
  std::vector<int64_t> filled(x.size(0), 7);
  int64_t steps = 0;
  for (int64_t i = 0; i < n; ++i) ++steps;
  for (size_t i = 0; i < n; ++i) ++steps;
  for (int i = 0; i != n; i += 1) ++steps;
  for (int64_t i = 0; i < x.size(0) - 1; ++i) ++steps;
  bool compared = n == 3 || 3 != n || n <= half || n > 2 || 5 >= n || n != half;
  if (n) ++steps;
  if (!n || n % 2 == 0) ++steps;
  while (half > 1) half /= 2;
  half += 3;
  half -= 1;
  half *= n;
  half %= 7;
  half += n;
  steps += filled[n - 1] + sizes.at(0) + raw + static_cast<int64_t>(wide) + narrow + chosen;
  double real = static_cast<double>(n) + n * 0.5 + 1.0 / n + (n > 2.5 ? 1 : 0);
  int64_t smaller = std::min<int64_t>(n, 3);
  std::ostringstream out;
  out << n << ' ' << mixed << ' ' << to_text(n);

  Tensor t = x.view({x.size(0), -1}).reshape({-1, n}).expand({n, n, half});
  t = x.slice(0, n / 2, n).slice(0, 1, INT64_MAX).slice(0, -1, n).select(0, n - 1);
  t = x.index({Index::range(1, n), 0}) + x.index({n - 1, Index::from(half), Index::all()});
  t = x.narrow(0, 0, half).repeat({n, 1}) + x.split(half).at(0) + x.split({half, n - half})[0];
  t = pad(x, {0, 0}, {(16 - n % 16) % 16, 0});
  t = zeros({n, 3}) + full({n, 1}, 0.5) + arange(n, DType::F32) + ones({half, 2 * half});
  t = t * dim_tensor(n, DType::F32) / static_cast<double>(raw + smaller);
  (void)compared, (void)chosen_dim, (void)real, (void)steps;

#ifdef ETCH_MUST_FAIL
#if ETCH_MUST_FAIL == 1  // a floating number of a size is one only when asked for
  double bad = x.size(0);
#elif ETCH_MUST_FAIL == 2  // as bits, a size would be an int
  auto bad = n & 1;
#elif ETCH_MUST_FAIL == 3  // a number is no size until somebody says so
  Dim bad = 3;
#elif ETCH_MUST_FAIL == 4
  float bad = n;
#elif ETCH_MUST_FAIL == 5
  Dim bad(2.5);
#elif ETCH_MUST_FAIL == 6
  bool bad = x.size(0);
#elif ETCH_MUST_FAIL == 7
  Tensor bad = x.slice(0, 0.5, 2);
#elif ETCH_MUST_FAIL == 8
  Tensor bad = zeros({n, 2.0});
#elif ETCH_MUST_FAIL == 9
  switch (x.size(0)) {}
#elif ETCH_MUST_FAIL == 10
  int fixed[x.size(0)];
#elif ETCH_MUST_FAIL == 11
  auto bad = x.size(0) << 1;
#else
#error there is no such snippet
#endif
#endif
}

}  // namespace etch::test
