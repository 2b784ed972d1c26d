// Eager execution: arithmetic, promotion, views, in-place writes and their errors.
#include <catch2/catch.hpp>

#include <cmath>

#include "etch/autograd.h"
#include "etch/ops.h"
#include "etch/random.h"

using namespace etch;

namespace {

Tensor iota(std::initializer_list<SizeArg> sizes) {
  Shape shape = SizeList(sizes).shape();
  return arange(shape_numel(shape), DType::F32).reshape(shape);
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("adding broadcasts as NumPy does", "[eager]") {
  Tensor a = iota({2, 3}), b = tensor<float>({10, 20, 30});
  CHECK((a + b).to_vector<float>() == std::vector<float>{10, 21, 32, 13, 24, 35});
  CHECK((a + 1).to_vector<float>() == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK((1 - a).to_vector<float>() == std::vector<float>{1, 0, -1, -2, -3, -4});
}

TEST_CASE("dtypes promote as PyTorch's do", "[eager]") {
  Tensor i = arange(Dim(3), DType::I32), f = tensor<float>({0.5, 1.5, 2.5});
  CHECK((i + f).dtype() == DType::F32);
  CHECK((i + arange(Dim(3), DType::I64)).dtype() == DType::I64);
  CHECK((i / i).dtype() == DType::F32);
  CHECK((i * 2).dtype() == DType::I32);
  CHECK((i * 2.5).dtype() == DType::F32);
  CHECK(sum(i).dtype() == DType::I64);
  CHECK(sum(i).item<int64_t>() == 3);
  CHECK(mean(i).item<float>() == 1.0f);
}

TEST_CASE("views share their buffer and write through", "[eager]") {
  Tensor a = iota({4, 3}).clone();
  Tensor row = a.select(0, 1), column = a.slice(1, 2, 3);
  row.fill_(7);
  CHECK(a.index({1, 0}).item<float>() == 7);
  column.mul_(scalar_tensor(10, DType::F32));
  CHECK(a.to_vector<float>() == std::vector<float>{0, 1, 20, 7, 7, 70, 6, 7, 80, 9, 10, 110});
  CHECK(row.to_vector<float>() == std::vector<float>{7, 7, 70});
  Tensor t = a.t();
  CHECK_FALSE(t.is_contiguous());
  CHECK(t.reshape({12}).to_vector<float>()[1] == 7);
  CHECK(message_of([&] { t.view({12}); }).find("without a copy") != std::string::npos);
}

TEST_CASE("an empty transposed tensor can be reshaped", "[eager]") {
  Tensor t = zeros({0, 4}).t().reshape({2, 0, 2});
  CHECK(t.sizes()[0] == 2);
  CHECK(t.to_vector<float>().empty());
}

TEST_CASE("a tensor prints its values, dtype and shape", "[eager]") {
  CHECK(to_string(tensor<float>({1, -2.5})) == "[1, -2.5] f32[2]");
  CHECK(to_string(tensor<int8_t>({-3})) == "[-3] i8[1]");
  CHECK(to_string(arange(Dim(40))).find(", 15, ...] i64[40]") != std::string::npos);
}

TEST_CASE("softmax of a row sums to one and matches a naive loop", "[eager]") {
  Generator rng(3);
  Tensor x = randn({5, 37}, rng) * 4;
  std::vector<float> v = x.to_vector<float>(), y = softmax(x, 1).to_vector<float>();
  for (size_t r = 0; r < 5; ++r) {
    double top = -1e30, total = 0;
    for (size_t i = 0; i < 37; ++i) top = std::max<double>(top, v[r * 37 + i]);
    for (size_t i = 0; i < 37; ++i) total += std::exp(v[r * 37 + i] - top);
    for (size_t i = 0; i < 37; ++i) {
      CHECK(y[r * 37 + i] == Approx(std::exp(v[r * 37 + i] - top) / total).epsilon(1e-5));
    }
  }
}

TEST_CASE("matmul agrees with f64 loops for plain, transposed and batched operands", "[eager]") {
  Generator rng(5);
  Tensor a = randn({2, 7, 13}, rng), b = randn({5, 13}, rng).t();
  std::vector<float> c = matmul(a, b).to_vector<float>();
  std::vector<float> av = a.to_vector<float>(), bv = b.to_vector<float>();
  for (size_t z = 0; z < 2; ++z) {
    for (size_t i = 0; i < 7; ++i) {
      for (size_t j = 0; j < 5; ++j) {
        double sum = 0;
        for (size_t p = 0; p < 13; ++p) sum += double{av[(z * 7 + i) * 13 + p]} * bv[p * 5 + j];
        CHECK(c[(z * 7 + i) * 5 + j] == Approx(sum).margin(1e-5));
      }
    }
  }
}

TEST_CASE("random draws are a function of seed, ordinal and index", "[eager]") {
  Generator a(42), b(42);
  std::vector<float> first = rand({1000}, a).to_vector<float>();
  CHECK(first == rand({1000}, b).to_vector<float>());
  CHECK(first != rand({1000}, a).to_vector<float>());
  double sum = 0;
  for (float v : first) {
    CHECK((v >= 0 && v < 1));
    sum += v;
  }
  CHECK(sum / 1000 == Approx(0.5).margin(0.05));
  std::vector<float> n = randn({4000}, a).to_vector<float>();
  double square = 0;
  for (float v : n) square += double{v} * v;
  CHECK(square / 4000 == Approx(1).margin(0.1));
}

TEST_CASE("tensors without elements may be written in place", "[eager]") {
  Tensor a = zeros({3, 2, 0}).clone();
  a.add_(a).fill_(1);
  CHECK(a.sizes()[0] == 3);
  CHECK(message_of([&] { iota({1, 2}).expand({3, 2}).fill_(1); }).find("expanded tensor") !=
        std::string::npos);
}

TEST_CASE("bad operands say what, where, both values and a hint", "[eager]") {
  Tensor a = iota({2, 3}), b = iota({4, 5});
  std::string m = message_of([&] { matmul(a, b); });
  CHECK(m.find("[matmul] expected inner sizes to match, got [2, 3] x [4, 5]") == 0);
  CHECK(m.find("eager_test.cpp:") != std::string::npos);
  CHECK(m.find("Transpose an operand?") != std::string::npos);
  CHECK(message_of([&] { add(a, b); }).find("[add] expected shapes that broadcast") == 0);
  CHECK(message_of([&] { sum(a, {2}); }).find("axis 2 is out of range for rank 2") !=
        std::string::npos);
  CHECK(message_of([&] { a.reshape({4, 2}); }).find("6 and 8 elements") != std::string::npos);
  CHECK(message_of([&] { empty({-1, 2}); }).find("negative size -1") != std::string::npos);
  CHECK(message_of([&] { empty({int64_t{1} << 40, int64_t{1} << 40}); }).find("too many") !=
        std::string::npos);
  CHECK(message_of([&] { Tensor() + a; }).find("undefined") != std::string::npos);
  CHECK(message_of([&] { a.item<float>(); }).find("expected one element") != std::string::npos);
}
