// Level fast: contractions run in oneDNN and stay close to what is exact.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "etch/random.h"
#include "etch/rt.hpp"
#include "runtime/contraction_library.h"
#include "runtime/program/artifact.h"
#include "tests/skip.h"
#include "tests/support/op_call.h"

using namespace etch;

namespace {

using Inputs = std::vector<Tensor>;
using Function = std::function<Tensor(std::span<const Tensor>)>;

Tensor uniform(std::vector<int64_t> sizes, uint64_t seed) {
  Generator rng(seed);
  return rand(sizes, rng) * 4 - 2;
}

Trace trace_of(const Function& f, const Inputs& in) {
  std::vector<NamedTensor> named;
  for (size_t i = 0; i < in.size(); ++i) named.push_back({cat("x", i), in[i]});
  return trace_flat(
      [&](std::span<const Tensor> x) { return std::vector<NamedTensor>{{"y", f(x)}}; }, named);
}

struct Ran {
  Tensor result;
  uint64_t by_library = 0;
};

Ran run_fast(const Function& f, const Inputs& in) {
  Compiled program(trace_of(f, in), {.mode = CompileMode::Interpret, .level = Level::Fast});
  Tensor y = program(in).front();
  return {y, program.stats().vendor_run};
}

Inputs mapped(const Inputs& in, Tensor (*each)(const Tensor&)) {
  Inputs out;
  for (const Tensor& t : in) out.push_back(each(t));
  return out;
}

/// |y - exact| is at most terms * 2^-23 * (the same contraction of the absolute values), which
/// holds for sums of products in any order; exact is computed in f64.
void check_close(const Function& f, const Inputs& in, int64_t terms) {
  NoGrad no_grad;
  Ran ran = run_fast(f, in);
  // Sums of one term are products, which fuse with what is around them at every level.
  CHECK((ran.by_library > 0) == (terms > 1));
  Inputs wide = mapped(in, [](const Tensor& t) { return t.to(DType::F64); });
  std::vector<double> want = f(wide).to_vector<double>();
  std::vector<double> most =
      f(mapped(wide, [](const Tensor& t) { return abs(t); })).to_vector<double>();
  std::vector<float> got = ran.result.to_vector<float>();
  REQUIRE(got.size() == want.size());
  int64_t beyond = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    beyond += !(std::abs(got[i] - want[i]) <= static_cast<double>(terms) * 0x1p-23 * most[i]);
  }
  CHECK(beyond == 0);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return etch::test::same_bits(etch::test::to_dense(a), etch::test::to_dense(b));
}

}  // namespace

#define NEEDS_LIBRARY() \
  if (runtime::contraction_library() == nullptr) ETCH_SKIP("the oneDNN module is not built")

TEST_CASE("products at level fast run in the library, whatever the layout, within their bound") {
  NEEDS_LIBRARY();
  Function plain = [](std::span<const Tensor> x) { return matmul(x[0], x[1]); };
  Function both = [](std::span<const Tensor> x) { return matmul(x[0].t(), x[1].t()); };
  struct Sizes3 {
    int64_t m, n, k;
  };
  for (auto [m, n, k] : {Sizes3{1, 1, 1}, {1, 10, 64}, {64, 1, 33}, {7, 5, 600}, {65, 130, 257}}) {
    CAPTURE(m, n, k);
    check_close(plain, {uniform({m, k}, 1), uniform({k, n}, 2)}, k);
    check_close(both, {uniform({k, m}, 3), uniform({n, k}, 4)}, k);
  }
  check_close(plain, {uniform({3, 2, 8, 16}, 5), uniform({2, 16, 9}, 6)}, 16);
  Function window = [](std::span<const Tensor> x) {
    return matmul(x[0].slice(1, 2, 10), x[1].slice(0, 0, 16, 2));
  };
  check_close(window, {uniform({6, 20}, 7), uniform({16, 12}, 8)}, 8);
}

TEST_CASE("convolutions and their gradients at level fast stay within their bound") {
  NEEDS_LIBRARY();
  struct Case {
    int64_t n, c, h, w, oc, kh, kw;
    Axes stride, padding, dilation;
    int64_t groups;
  };
  for (const Case& s : {Case{2, 3, 12, 11, 8, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
                        Case{1, 16, 9, 9, 32, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
                        Case{2, 8, 14, 13, 8, 3, 5, {2, 2}, {1, 2, 0, 1}, {1, 1}, 2},
                        Case{1, 6, 15, 15, 6, 3, 3, {1, 2}, {2, 2, 2, 2}, {2, 2}, 6},
                        Case{3, 1, 7, 7, 5, 7, 7, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1}}) {
    CAPTURE(s.c, s.oc, s.kh, s.groups);
    Tensor x = uniform({s.n, s.c, s.h, s.w}, 1), w = uniform({s.oc, s.c / s.groups, s.kh, s.kw}, 2);
    Function forward = [&](std::span<const Tensor> in) {
      return conv2d(in[0], in[1], s.stride, s.padding, s.dilation, s.groups);
    };
    check_close(forward, {x, w}, s.c / s.groups * s.kh * s.kw);
    const Inputs both = {x, w};
    Tensor dy = forward(both);
    Function input_grad = [&](std::span<const Tensor> in) {
      return conv2d_input_grad(in[0], in[1], {s.n, s.c, s.h, s.w}, s.stride, s.padding, s.dilation,
                               s.groups);
    };
    check_close(input_grad, {dy, w}, s.oc / s.groups * s.kh * s.kw);
    Function weight_grad = [&](std::span<const Tensor> in) {
      return conv2d_weight_grad(in[0], in[1], {s.kh, s.kw}, s.stride, s.padding, s.dilation,
                                s.groups);
    };
    check_close(weight_grad, {x, dy}, s.n * dy.sizes()[2] * dy.sizes()[3]);
  }
}

TEST_CASE("what the library does not take runs exactly at level fast, too") {
  NEEDS_LIBRARY();
  NoGrad no_grad;
  Function product = [](std::span<const Tensor> x) { return matmul(x[0], x[1]); };
  for (DType t : {DType::F64, DType::I32, DType::U8}) {
    CAPTURE(t);
    Inputs in = {uniform({9, 20}, 1).to(t), uniform({20, 7}, 2).to(t)};
    Ran ran = run_fast(product, in);
    CHECK(ran.by_library == 0);
    CHECK(same_bits(ran.result, product(in)));
  }
  for (auto [m, k] : {std::pair<int64_t, int64_t>{0, 4}, {3, 0}}) {
    Inputs in = {uniform({m, k}, 1), uniform({k, 5}, 2)};
    Ran ran = run_fast(product, in);
    CHECK(ran.by_library == 0);
    CHECK(same_bits(ran.result, product(in)));
  }
}

TEST_CASE("level exact keeps out of the library") {
  Function product = [](std::span<const Tensor> x) { return matmul(x[0], x[1]); };
  Inputs in = {uniform({9, 20}, 1), uniform({20, 7}, 2)};
  Compiled program(trace_of(product, in), {.mode = CompileMode::Interpret});
  CHECK(same_bits(program(in).front(), product(in)));
  CHECK(program.stats().vendor_run == 0);
}

TEST_CASE("an artifact keeps its level, and the runtime follows it") {
  NEEDS_LIBRARY();
  NoGrad no_grad;
  Function product = [](std::span<const Tensor> x) { return matmul(x[0], x[1]); };
  Inputs in = {uniform({33, 700}, 1), uniform({700, 65}, 2)};
  Compiled fast(trace_of(product, in), {.mode = CompileMode::Interpret, .level = Level::Fast});
  std::string path =
      (std::filesystem::temp_directory_path() / cat("etch-level-", ::getpid(), ".etch")).string();
  fast.save(path);
  CHECK(runtime::load_artifact(path).level == Level::Fast);
  rt::Session session{rt::Program(path)};
  session.state.save_program(session.program, path);
  CHECK(runtime::load_artifact(path).level == Level::Fast);
  std::filesystem::remove(path);
  std::vector<rt::View> views;
  for (const Tensor& t : in)
    views.push_back(rt::view(t.data<float>(), {t.sizes().begin(), t.sizes().end()}));
  const rt::Array y = session.run(views).front();
  Tensor got = from_bytes(y.memory.data(), y.sizes, DType::F32);
  CHECK(same_bits(got, fast(in).front()));
  // The library adds in another order, so this shows that it ran.
  CHECK_FALSE(same_bits(got, product(in)));
}
