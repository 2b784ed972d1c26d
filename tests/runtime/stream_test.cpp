// Results that are stored past the caches are the same results.
#include "runtime/stream.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"

using namespace etch;

TEST_CASE("a streaming copy copies every byte at every alignment", "[stream]") {
  std::vector<uint8_t> from(400), to(400), want(400);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i * 7 + 1);
  for (size_t at : {0, 1, 16, 63, 64, 100}) {
    for (size_t n : {0, 1, 15, 63, 64, 65, 128, 200, 290}) {
      std::fill(to.begin(), to.end(), 0);
      std::fill(want.begin(), want.end(), 0);
      std::memcpy(&want[at], &from[3], n);
      runtime::stream_copy(&to[at], &from[3], n);
      runtime::stream_fence();
      CAPTURE(at, n);
      REQUIRE(to == want);
    }
  }
}

TEST_CASE("large results equal small ones in eager and compiled code", "[stream][slow]") {
  NoGrad no_grad;
  // 20 MiB of f32: more than is kept in caches. Rows of 1250 end inside cache lines.
  const int64_t rows = 4195, columns = 1250;
  Tensor x = empty({rows, columns}, DType::F32);
  for (int64_t i = 0; i < rows * columns; ++i) {
    x.data<float>()[i] = static_cast<float>(i % 4099) * 0x1p-9f - 4.f;
  }
  REQUIRE(runtime::worth_streaming(rows * columns * 4, 2, 1));
  auto sum_and_softmax = [](const Tensor& v) { return softmax(gelu(v + v), -1); };
  auto pointwise = [](const Tensor& v, const Tensor& u) { return relu(v - u) * u; };
  Jit compiled_rows = jit(sum_and_softmax, {"v"}), compiled_points = jit(pointwise, {"v", "u"});
  Jit interpreted = jit(pointwise, {"v", "u"}, {}, {.mode = CompileMode::Interpret});
  Tensor y = x.slice(1, 0, columns).clone() * 0.5f;
  Tensor inputs[] = {x, y};
  Tensor whole[] = {x + y, interpreted(inputs)[0], sum_and_softmax(x), compiled_points(inputs)[0],
                    compiled_rows({inputs, 1})[0]};
  for (int64_t row : {int64_t{0}, int64_t{1}, rows / 2, rows - 1}) {
    Tensor part = x.slice(0, row, row + 1).clone();
    Tensor other = y.slice(0, row, row + 1).clone(), want_points = pointwise(part, other);
    Tensor want[] = {part + other, want_points, sum_and_softmax(part), want_points,
                     sum_and_softmax(part)};
    for (size_t i = 0; i < 5; ++i) {
      CAPTURE(row, i);
      CHECK(whole[i].slice(0, row, row + 1).clone().to_vector<float>() ==
            want[i].to_vector<float>());
    }
  }
}
