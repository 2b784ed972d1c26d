// Reductions, contractions and normalisations against plain loops in long double.
#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>

#include "etch/autograd.h"
#include "ir/ops/all.h"
#include "ir/registry.h"
#include "runtime/eager.h"
#include "tests/support/op_call.h"

using namespace etch;
using namespace etch::test;

namespace {

using Real = long double;

/// A tensor of long doubles: they hold every f32, f64 and i64.
struct Reals {
  Sizes sizes;
  std::vector<Real> v;

  explicit Reals(Sizes s) : sizes(std::move(s)) {
    int64_t n = 1;
    for (int64_t size : sizes) n *= size;
    v.resize(static_cast<size_t>(n));
  }
  int64_t dim(size_t i) const { return sizes[i]; }
  Real& at(std::initializer_list<int64_t> index) {
    int64_t offset = 0;
    size_t d = 0;
    for (int64_t i : index) offset = offset * sizes[d++] + i;
    return v[static_cast<size_t>(offset)];
  }
  Real at(std::initializer_list<int64_t> index) const {
    return const_cast<Reals&>(*this).at(index);
  }
};

Real element(const Dense& d, int64_t i) {
  uint64_t b = d.at(i);
  if (d.dtype == DType::F64) return std::bit_cast<double>(b);
  if (d.dtype == DType::F32) return std::bit_cast<float>(static_cast<uint32_t>(b));
  if (!is_signed_int(d.dtype)) return static_cast<Real>(b);
  int shift = 64 - bits(d.dtype);
  return static_cast<Real>(static_cast<int64_t>(b << shift) >> shift);
}
Reals reals(const Dense& d) {
  Reals r(d.sizes);
  for (int64_t i = 0; i < d.numel(); ++i) r.v[static_cast<size_t>(i)] = element(d, i);
  return r;
}

/// How a test's operands and attributes reach its rule.
struct Input {
  const OpCase& c;
  const void* attrs;
  std::vector<Reals> x;
  Sizes out;  // what the operator said its result's sizes are
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs);
  }
};

// Reductions: the elements of every result, row-major over the reduced axes.

using Group = std::vector<Real>;

std::vector<Group> groups(const Reals& x, const ir::ReduceAttrs& a) {
  auto rank = static_cast<int64_t>(x.sizes.size());
  std::set<int64_t> axes;
  for (int64_t axis : a.axes) axes.insert(axis < 0 ? axis + rank : axis);
  int64_t count = 1;
  for (int64_t d = 0; d < rank; ++d) {
    if (!axes.empty() && axes.count(d) == 0) count *= x.sizes[static_cast<size_t>(d)];
  }
  std::vector<Group> out(static_cast<size_t>(count));
  for (size_t at = 0; at < x.v.size(); ++at) {
    int64_t rest = static_cast<int64_t>(at), group = 0, scale = 1;
    for (int64_t d = rank; d-- > 0;) {
      int64_t size = x.sizes[static_cast<size_t>(d)];
      if (!axes.empty() && axes.count(d) == 0) group += rest % size * scale, scale *= size;
      rest /= size;
    }
    out[static_cast<size_t>(group)].push_back(x.v[at]);
  }
  return out;
}

Real sum_of(const Group& g) {
  Real s = 0;
  for (Real v : g) s += v;
  return s;
}
Real mean_of(const Group& g) { return sum_of(g) / static_cast<Real>(g.size()); }
Real variance_of(const Group& g) {
  Real m = mean_of(g), s = 0;
  for (Real v : g) s += (v - m) * (v - m);
  return s / static_cast<Real>(g.size());
}
Real product_of(const Group& g) {
  Real p = 1;
  for (Real v : g) p *= v;
  return p;
}

template <Real (*F)(const Group&)>
std::vector<Real> reduce(const Input& in) {
  std::vector<Real> out;
  for (const Group& g : groups(in.x[0], in.as<ir::ReduceAttrs>())) out.push_back(F(g));
  return out;
}
Real max_of(const Group& g) { return *std::max_element(g.begin(), g.end()); }
Real min_of(const Group& g) { return *std::min_element(g.begin(), g.end()); }
Real argmax_of(const Group& g) {
  return static_cast<Real>(std::max_element(g.begin(), g.end()) - g.begin());
}
Real argmin_of(const Group& g) {
  return static_cast<Real>(std::min_element(g.begin(), g.end()) - g.begin());
}

// Contractions.

std::vector<Real> matmul_rule(const Input& in) {
  const Reals &a = in.x[0], &b = in.x[1];
  size_t rank = in.out.size();
  int64_t m = in.out[rank - 2], n = in.out[rank - 1], k = a.sizes.back();
  auto batch_of = [&](const Reals& x, int64_t batch) {
    int64_t offset = 0, scale = 1;
    for (size_t d = rank - 2; d-- > 0; batch /= in.out[d]) {
      size_t extra = rank - x.sizes.size();
      if (d < extra) continue;
      if (x.sizes[d - extra] != 1) offset += batch % in.out[d] * scale;
      scale *= x.sizes[d - extra];
    }
    return static_cast<size_t>(offset * x.sizes[x.sizes.size() - 2] * x.sizes.back());
  };
  Reals out(in.out);
  for (int64_t batch = 0; batch < static_cast<int64_t>(out.v.size()) / (m * n); ++batch) {
    const Real *p = a.v.data() + batch_of(a, batch), *q = b.v.data() + batch_of(b, batch);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        Real s = 0;
        for (int64_t l = 0; l < k; ++l) s += p[i * k + l] * q[l * n + j];
        out.v[static_cast<size_t>((batch * m + i) * n + j)] = s;
      }
    }
  }
  return out.v;
}

struct ConvShape {
  Axes stride, padding, dilation;
  int64_t groups;
};

/// Calls f(n, oc, ic, ic within its group, oh, ow, ih, iw, kh, kw) for every product of a
/// convolution.
template <class F>
void each_tap(const Sizes& x, const Sizes& w, const Sizes& y, const ConvShape& s, F&& f) {
  int64_t per_group = w[1], outputs = w[0] / s.groups;
  for (int64_t n = 0; n < y[0]; ++n)
    for (int64_t oc = 0; oc < w[0]; ++oc)
      for (int64_t c = 0; c < per_group; ++c)
        for (int64_t oh = 0; oh < y[2]; ++oh)
          for (int64_t ow = 0; ow < y[3]; ++ow)
            for (int64_t kh = 0; kh < w[2]; ++kh)
              for (int64_t kw = 0; kw < w[3]; ++kw) {
                int64_t ih = oh * s.stride[0] + kh * s.dilation[0] - s.padding[0];
                int64_t iw = ow * s.stride[1] + kw * s.dilation[1] - s.padding[1];
                if (ih < 0 || iw < 0 || ih >= x[2] || iw >= x[3]) continue;
                f(n, oc, oc / outputs * per_group + c, c, oh, ow, ih, iw, kh, kw);
              }
}

template <class A>
ConvShape conv_shape(const A& a) {
  return {a.stride, a.padding, a.dilation, a.groups};
}

std::vector<Real> conv_rule(const Input& in) {
  Reals y(in.out);
  each_tap(
      in.x[0].sizes, in.x[1].sizes, y.sizes, conv_shape(in.as<ir::Conv2d::Attrs>()),
      [&](auto n, auto oc, auto ic, auto c, auto oh, auto ow, auto ih, auto iw, auto kh, auto kw) {
        y.at({n, oc, oh, ow}) += in.x[0].at({n, ic, ih, iw}) * in.x[1].at({oc, c, kh, kw});
      });
  return y.v;
}
std::vector<Real> conv_input_grad_rule(const Input& in) {
  Reals x(in.out);
  each_tap(
      x.sizes, in.x[1].sizes, in.x[0].sizes, conv_shape(in.as<ir::Conv2dInputGrad::Attrs>()),
      [&](auto n, auto oc, auto ic, auto c, auto oh, auto ow, auto ih, auto iw, auto kh, auto kw) {
        x.at({n, ic, ih, iw}) += in.x[0].at({n, oc, oh, ow}) * in.x[1].at({oc, c, kh, kw});
      });
  return x.v;
}
std::vector<Real> conv_weight_grad_rule(const Input& in) {
  Reals w(in.out);
  each_tap(
      in.x[0].sizes, w.sizes, in.x[1].sizes, conv_shape(in.as<ir::Conv2dWeightGrad::Attrs>()),
      [&](auto n, auto oc, auto ic, auto c, auto oh, auto ow, auto ih, auto iw, auto kh, auto kw) {
        w.at({oc, c, kh, kw}) += in.x[0].at({n, ic, ih, iw}) * in.x[1].at({n, oc, oh, ow});
      });
  return w.v;
}

// Normalisations, over the last axis (or axes) of the sample calls.

/// Calls f(row, length) for every run of `length` elements.
template <class F>
std::vector<Real> each_row(Reals x, int64_t length, F&& f) {
  for (int64_t at = 0; at < static_cast<int64_t>(x.v.size()); at += length) f(x.v.data() + at);
  return x.v;
}
Real log_sum_exp(const Real* row, int64_t length) {
  Real top = *std::max_element(row, row + length), s = 0;
  for (int64_t i = 0; i < length; ++i) s += std::exp(row[i] - top);
  return top + std::log(s);
}
/// Softmax and its logarithm along any axis.
template <bool Log>
std::vector<Real> softmax_rule(const Input& in) {
  Reals x = in.x[0];
  int64_t axis = in.as<ir::Softmax::Attrs>().axis, rank = static_cast<int64_t>(x.sizes.size());
  auto a = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  int64_t inner = 1;
  for (size_t d = a + 1; d < x.sizes.size(); ++d) inner *= x.sizes[d];
  for (int64_t at = 0; at < static_cast<int64_t>(x.v.size()); ++at) {
    if (at / inner % x.sizes[a] != 0) continue;
    Group row;
    for (int64_t i = 0; i < x.sizes[a]; ++i)
      row.push_back(x.v[static_cast<size_t>(at + i * inner)]);
    Real total = log_sum_exp(row.data(), x.sizes[a]);
    for (int64_t i = 0; i < x.sizes[a]; ++i) {
      Real v = row[static_cast<size_t>(i)] - total;
      x.v[static_cast<size_t>(at + i * inner)] = Log ? v : std::exp(v);
    }
  }
  return x.v;
}
std::vector<Real> layer_norm_rule(const Input& in) {
  auto length = static_cast<int64_t>(in.x[1].v.size());
  Real epsilon = in.as<ir::LayerNorm::Attrs>().eps;
  return each_row(in.x[0], length, [&](Real* row) {
    Group g(row, row + length);
    Real m = mean_of(g), scale = 1 / std::sqrt(variance_of(g) + epsilon);
    for (size_t i = 0; i < g.size(); ++i) row[i] = (g[i] - m) * scale * in.x[1].v[i] + in.x[2].v[i];
  });
}
std::vector<Real> cross_entropy_rule(const Input& in) {
  int64_t rows = in.x[0].dim(0), classes = in.x[0].dim(1);
  Real s = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const Real* row = in.x[0].v.data() + i * classes;
    s += log_sum_exp(row, classes) - row[static_cast<int64_t>(in.x[1].at({i}))];
  }
  return {s / static_cast<Real>(rows)};
}
std::vector<Real> batch_norm_rule(const Input& in) {
  Reals x = in.x[0];
  int64_t channels = x.dim(1), inner = 1;
  Real epsilon = in.as<ir::BatchNorm::Attrs>().eps;
  for (size_t d = 2; d < x.sizes.size(); ++d) inner *= x.dim(d);
  for (size_t at = 0; at < x.v.size(); ++at) {
    auto c = static_cast<size_t>(static_cast<int64_t>(at) / inner % channels);
    Real scale = in.x[3].v[c] / std::sqrt(in.x[2].v[c] + epsilon);
    x.v[at] = (x.v[at] - in.x[1].v[c]) * scale + in.x[4].v[c];
  }
  return x.v;
}

using Rule = std::vector<Real> (*)(const Input&);

const std::map<std::string_view, Rule>& rules() {
  static const std::map<std::string_view, Rule> table = {
      {"amax", reduce<max_of>},
      {"amin", reduce<min_of>},
      {"argmax", reduce<argmax_of>},
      {"argmin", reduce<argmin_of>},
      {"batch_norm", batch_norm_rule},
      {"conv2d", conv_rule},
      {"conv2d_input_grad", conv_input_grad_rule},
      {"conv2d_weight_grad", conv_weight_grad_rule},
      {"cross_entropy", cross_entropy_rule},
      {"layer_norm", layer_norm_rule},
      {"log_softmax", softmax_rule<true>},
      {"matmul", matmul_rule},
      {"mean", reduce<mean_of>},
      {"prod", reduce<product_of>},
      {"softmax", softmax_rule<false>},
      {"sum", reduce<sum_of>},
      {"var", reduce<variance_of>},
  };
  return table;
}

/// "" or the first element outside rounding. Sums of products of drawn values stay below 1000.
std::string compare(const Dense& got, const std::vector<Real>& want) {
  if (static_cast<size_t>(got.numel()) != want.size()) {
    return cat("sizes ", got.sizes, " for ", want.size(), " values");
  }
  Real tolerance = got.dtype == DType::F32 ? 2e-5L : 1e-13L;
  for (int64_t i = 0; i < got.numel(); ++i) {
    Real w = want[static_cast<size_t>(i)], g = element(got, i);
    Real allowed = is_float(got.dtype) ? tolerance * (1 + std::fabs(w)) : 0;
    if (!is_float(got.dtype) && bits(got.dtype) < 64) {
      w = std::fmod(w - g, std::ldexp(Real{1}, bits(got.dtype))), g = 0;  // integers wrap
    }
    if (!(std::fabs(g - w) <= allowed)) {
      return cat("element ", i, ": got ", static_cast<double>(g), ", want ",
                 static_cast<double>(w));
    }
  }
  return "";
}

}  // namespace

TEST_CASE("reductions, contractions and normalisations agree with plain loops in long double",
          "[registry]") {
  std::set<std::string_view> seen;
  for (const ir::OpDef* op : ir::all_ops()) {
    auto rule = rules().find(op->name());
    bool needs_rule = op->kind == ir::OpKind::Reduction || op->kind == ir::OpKind::Contraction;
    INFO(op->name());
    if (rule == rules().end()) {
      CHECK(!needs_rule);
      continue;
    }
    seen.insert(op->name());
    for (int t = 0; t < kDTypeCount; ++t) {
      if (!contains(kSupported, static_cast<DType>(t))) continue;
      for (const OpCase& c : op_cases(*op, static_cast<DType>(t))) {
        std::vector<Dense> drawn = draw_operands(c, 31);
        if (op->name() == "batch_norm") {  // a variance is not negative
          for (int64_t i = 0; i < drawn[2].numel(); ++i) {
            drawn[2].set(i, drawn[2].at(i) & ~(uint64_t{1} << (bits(drawn[2].dtype) - 1)));
          }
        }
        std::vector<Tensor> tensors;
        Input in{c, nullptr, {}, {}};
        for (const Dense& d : drawn) {
          tensors.push_back(to_tensor(d));
          in.x.push_back(reals(d));
        }
        std::shared_ptr<void> attrs = concrete(c);
        in.attrs = attrs.get();
        NoGrad no_grad;
        Dense out = to_dense(runtime::apply1(*op, tensors, attrs.get()));
        in.out = out.sizes;
        INFO(c.name);
        CHECK(compare(out, rule->second(in)) == "");
      }
    }
  }
  CHECK(seen.size() == rules().size());
}

TEST_CASE("reductions of specials take the first NaN, and the empty sum is +0", "[registry]") {
  Tensor x = from_vector<float>({1, NAN, 3, NAN, -1, 2}, {2, 3});
  NoGrad no_grad;
  auto apply = [&](const char* op, const Tensor& t, Axes axes) {
    ir::ReduceAttrs attrs{axes, false};
    return to_dense(runtime::apply1(*ir::find_op(op), {&t, 1}, &attrs));
  };
  CHECK(apply("argmax", x, {1}).at(0) == 1);
  CHECK(apply("argmin", x, {0}).at(0) == 1);
  CHECK(std::isnan(element(apply("amax", x, {1}), 0)));
  CHECK(std::isnan(element(apply("amin", x, {}), 0)));
  Dense none = apply("sum", empty({0, 2}), {0});
  CHECK(none.at(0) == 0);
  Tensor negative_zeros = from_vector<float>({-0.0F, -0.0F}, {2});
  CHECK(apply("sum", negative_zeros, {}).at(0) == 0x80000000);
}
