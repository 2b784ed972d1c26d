// Every kernel against the naive loops of the canonical order, bit for bit.
#include "runtime/contract/contract.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "ir/support/error.h"
#include "runtime/contract/reference.h"
#include "runtime/threads.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::runtime::contract;

namespace {

class ThreadCount {
 public:
  explicit ThreadCount(int count) : previous_(num_threads()) { set_num_threads(count); }
  ~ThreadCount() { set_num_threads(previous_); }

 private:
  int previous_;
};

std::vector<Isa> tiers() {
  std::vector<Isa> out;
  for (Isa isa : {Isa::Generic, Isa::Avx2, Isa::Avx512}) {
    if (isa_supported(isa)) out.push_back(isa);
  }
  return out;
}

/// Values of many magnitudes, so that a changed order changes bits; specials on request.
template <class T>
std::vector<T> values(int64_t count, uint32_t seed, bool specials = false) {
  std::mt19937 rng(seed);
  std::vector<T> out(static_cast<size_t>(count));
  for (T& v : out) {
    if constexpr (std::is_floating_point_v<T>) {
      const auto mantissa = static_cast<T>(static_cast<int32_t>(rng())) / T(1u << 31);
      v = std::ldexp(mantissa, static_cast<int>(rng() % 9) - 4);
      if (specials) {
        const uint32_t pick = rng() % 64;
        if (pick == 0) v = std::numeric_limits<T>::infinity();
        if (pick == 1) v = -std::numeric_limits<T>::infinity();
        if (pick == 2) v = std::numeric_limits<T>::quiet_NaN();
        if (pick < 12 && pick > 2) v = T(-0.0);
        if (pick >= 12 && pick < 20) v = std::numeric_limits<T>::denorm_min() * T(pick);
        if (pick >= 20 && pick < 24) v = -std::numeric_limits<T>::min();
      }
    } else {
      v = static_cast<T>(rng() * 2654435761u + (static_cast<uint64_t>(rng()) << 32));
    }
  }
  return out;
}

/// Positions whose bits differ, all NaNs counting as one value.
template <class T>
int64_t differences(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return -1;
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      using U = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
      if (std::isnan(a[i]) && std::isnan(b[i])) continue;
      count += std::bit_cast<U>(a[i]) != std::bit_cast<U>(b[i]);
    } else {
      count += a[i] != b[i];
    }
  }
  return count;
}

struct Layout {
  bool a_transposed = false, b_transposed = false;
  int64_t c_extra = 0;
};

/// A product with its own storage.
template <class T>
struct Product {
  MatmulDesc d;
  std::vector<T> a, b, c;

  Product(int64_t batch, int64_t m, int64_t n, int64_t k, Layout layout, bool b_shared = false,
          bool specials = false)
      : a(values<T>(batch * m * k, 1, specials)),
        b(values<T>((b_shared ? 1 : batch) * k * n, 2, specials)),
        c(static_cast<size_t>(batch * m * (n + layout.c_extra)), T(7)) {
    d.dtype = dtype_of<T>;
    d.batch = batch;
    d.m = m;
    d.n = n;
    d.k = k;
    d.a_batch = m * k;
    d.b_batch = b_shared ? 0 : k * n;
    d.c_batch = m * (n + layout.c_extra);
    d.a_row = layout.a_transposed ? 1 : k;
    d.a_col = layout.a_transposed ? m : 1;
    d.b_row = layout.b_transposed ? 1 : n;
    d.b_col = layout.b_transposed ? k : 1;
    d.c_row = n + layout.c_extra;
    d.a = a.data();
    d.b = b.data();
    d.c = c.data();
  }

  std::vector<T> expected() const {
    std::vector<T> out(c.size(), T(7));
    MatmulDesc r = d;
    r.c = out.data();
    reference_matmul<T>(r);
    return out;
  }

  void wipe() { std::fill(c.begin(), c.end(), T(7)); }
};

std::string describe(const MatmulDesc& d, Isa isa, int threads) {
  return cat(d.dtype, " batch ", d.batch, " m ", d.m, " n ", d.n, " k ", d.k, " a_row ", d.a_row,
             " b_row ", d.b_row, " c_row ", d.c_row, " isa ", name(isa), " threads ", threads);
}

/// matmul and matmul_packed on every tier with 1 and 2 threads.
template <class T>
void check_product(Product<T>& p, std::vector<Isa> isas = tiers()) {
  const std::vector<T> want = p.expected();
  Scratch scratch;
  for (Isa isa : isas) {
    IsaOverride use(isa);
    for (int threads : {1, 2}) {
      ThreadCount guard(threads);
      INFO(describe(p.d, isa, threads));
      p.wipe();
      matmul(p.d, scratch);
      CHECK(differences(p.c, want) == 0);
      if (p.d.b_batch != 0 && p.d.batch != 1) continue;
      if constexpr (std::is_floating_point_v<T>) {
        Scratch packed;
        void* memory = packed.get(packed_b_bytes(p.d.dtype, p.d.k, p.d.n, isa) + 1);
        const PackedB pb =
            pack_b(p.d.dtype, p.d.k, p.d.n, p.d.b, p.d.b_row, p.d.b_col, isa, memory);
        p.wipe();
        matmul_packed(p.d, pb, scratch);
        CHECK(differences(p.c, want) == 0);
      }
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("matmul equals the naive loops bit for bit at every size and tier", "[matmul]",
                   float, double) {
  for (int64_t k : {0, 1, 5, 31, 512, 513}) {
    for (int64_t m : {0, 1, 2, 7, 12, 13, 25}) {
      for (int64_t n : {0, 1, 8, 16, 17, 31, 33, 65}) {
        if (m * n * k > 200000) continue;
        Product<TestType> p(1, m, n, k, {});
        check_product(p);
      }
    }
  }
}

TEMPLATE_TEST_CASE("matmul chunks long sums as the naive loops do", "[matmul]", float, double) {
  for (int64_t k : {511, 512, 513, 1024, 1025, 1600}) {
    Product<TestType> p(1, 13, 37, k, {});
    check_product(p);
  }
}

TEMPLATE_TEST_CASE("matmul takes transposed operands and padded results", "[matmul]", float,
                   double) {
  for (bool ta : {false, true}) {
    for (bool tb : {false, true}) {
      for (int64_t m : {1, 3, 40, 130}) {
        Product<TestType> p(1, m, 70, 530, {ta, tb, 5});
        check_product(p);
      }
    }
  }
  Product<TestType> column(1, 75, 1, 600, {});
  check_product(column);
  Product<TestType> strided_column(1, 75, 1, 600, {false, false, 2});
  check_product(strided_column);
}

TEMPLATE_TEST_CASE("matmul handles blocks beyond one cache block and one thread", "[matmul]", float,
                   double) {
  const std::vector<Isa> fast{best_isa()};
  Product<TestType> tall(1, 410, 97, 140, {});
  check_product(tall, fast);
  Product<TestType> wide(1, 30, 700, 520, {false, true, 0});
  check_product(wide, fast);
}

TEMPLATE_TEST_CASE("batches of products share or own their right-hand side", "[matmul]", float,
                   double) {
  for (bool shared : {false, true}) {
    for (int64_t batch : {0, 2, 9}) {
      for (int64_t m : {1, 5, 40}) {
        Product<TestType> p(batch, m, 45, 64, {false, true, 0}, shared);
        check_product(p);
        Product<TestType> q(batch, m, 45, 64, {}, shared);
        check_product(q);
      }
    }
  }
}

TEST_CASE("a batch computed in pieces gives the same bits", "[matmul]") {
  Product<float> whole(1, 103, 130, 700, {});
  Scratch scratch;
  matmul(whole.d, scratch);
  const std::vector<float> want = whole.c;
  whole.wipe();
  for (int64_t row = 0; row < 103; row += 5) {
    MatmulDesc part = whole.d;
    part.m = std::min<int64_t>(5, 103 - row);
    part.a = whole.a.data() + row * part.a_row;
    part.c = whole.c.data() + row * part.c_row;
    matmul(part, scratch);
  }
  CHECK(differences(whole.c, want) == 0);
}

TEMPLATE_TEST_CASE("infinities, NaNs, denormals and signed zeros follow the order", "[matmul]",
                   float, double) {
  for (int64_t k : {1, 3, 40, 513}) {
    for (bool tb : {false, true}) {
      Product<TestType> p(1, 17, 50, k, {false, tb, 0}, false, true);
      check_product(p);
    }
  }
}

TEST_CASE("a chunk that underflows to -0 stays -0", "[matmul]") {
  const float tiny = -std::numeric_limits<float>::denorm_min();
  for (int64_t k : {1, 512}) {
    Product<float> p(1, 1, 1, k, {});
    std::fill(p.a.begin(), p.a.end(), tiny);
    std::fill(p.b.begin(), p.b.end(), 1e-30f);
    CHECK(std::signbit(p.expected()[0]));
    check_product(p);
  }
}

TEMPLATE_TEST_CASE("integer products wrap", "[matmul]", uint8_t, int8_t, uint16_t, int16_t,
                   uint32_t, int32_t, uint64_t, int64_t) {
  for (int64_t k : {0, 1, 513}) {
    Product<TestType> p(2, 5, 9, k, {});
    check_product(p, {best_isa()});
    Product<TestType> q(1, 5, 9, k, {true, true, 3});
    check_product(q, {best_isa()});
  }
}

TEST_CASE("a scratch of the announced size suffices for matmul", "[matmul]") {
  for (bool tb : {false, true}) {
    for (int64_t m : {1, 60, 300}) {
      Product<float> p(1, m, 200, 300, {false, tb, 0});
      const size_t bytes = matmul_scratch_bytes(p.d);
      Scratch arena;
      void* memory = arena.get(bytes + 1);
      Scratch borrowed(memory, bytes);
      matmul(p.d, borrowed);
      CHECK(borrowed.size() == bytes);
      CHECK(differences(p.c, p.expected()) == 0);
    }
  }
}

TEST_CASE("an element type without contractions is refused by name", "[matmul]") {
  Product<float> p(1, 2, 2, 2, {});
  p.d.dtype = DType::Bool;
  Scratch scratch;
  CHECK_THROWS_AS(matmul(p.d, scratch), UserError);
  CHECK_THROWS_WITH(matmul(p.d, scratch), Catch::Contains("bool"));
}

namespace {

/// A convolution with its own storage, checked in all three directions.
template <class T>
void check_conv(const Conv2dDesc& shape, bool specials = false, std::vector<Isa> isas = tiers()) {
  Conv2dDesc d = shape;
  d.dtype = dtype_of<T>;
  const int64_t x_count = d.n * d.c * d.h * d.w, y_count = d.n * d.oc * d.out_h() * d.out_w();
  const int64_t w_count = d.oc * d.group_c() * d.kh * d.kw;
  const auto x = values<T>(x_count, 3, specials), w = values<T>(w_count, 4, specials);
  const auto dy = values<T>(y_count, 5, specials);
  std::vector<T> y_want(dy.size()), dx_want(x.size()), dw_want(w.size());
  reference_conv2d_forward(d, x.data(), w.data(), y_want.data());
  reference_conv2d_backward_data(d, dy.data(), w.data(), dx_want.data());
  reference_conv2d_backward_weights(d, x.data(), dy.data(), dw_want.data());
  Scratch scratch, packed;
  for (Isa isa : isas) {
    IsaOverride use(isa);
    for (int threads : {1, 2}) {
      ThreadCount guard(threads);
      INFO(name(d.dtype) << " n " << d.n << " c " << d.c << " h " << d.h << " w " << d.w << " oc "
                         << d.oc << " k " << d.kh << "x" << d.kw << " s " << d.stride_h << ","
                         << d.stride_w << " pad " << d.pad_top << "," << d.pad_left << ","
                         << d.pad_bottom << "," << d.pad_right << " dil " << d.dil_h << ","
                         << d.dil_w << " groups " << d.groups << " " << name(isa) << " threads "
                         << threads);
      std::vector<T> y(dy.size(), T(7)), dx(x.size(), T(7)), dw(w.size(), T(7));
      conv2d_forward(d, x.data(), w.data(), y.data(), scratch);
      CHECK(differences(y, y_want) == 0);
      conv2d_backward_data(d, dy.data(), w.data(), dx.data(), scratch);
      CHECK(differences(dx, dx_want) == 0);
      conv2d_backward_weights(d, x.data(), dy.data(), dw.data(), scratch);
      CHECK(differences(dw, dw_want) == 0);
      if constexpr (std::is_floating_point_v<T>) {
        const PackedConvWeight pw =
            pack_conv_weight(d, w.data(), isa, packed.get(packed_conv_weight_bytes(d, isa) + 1));
        std::fill(y.begin(), y.end(), T(7));
        conv2d_forward_packed(d, x.data(), pw, y.data(), scratch);
        CHECK(differences(y, y_want) == 0);
      }
    }
  }
}

Conv2dDesc conv(int64_t n, int64_t c, int64_t h, int64_t w, int64_t oc, int64_t k, int64_t stride,
                int64_t pad) {
  Conv2dDesc d;
  d.n = n;
  d.c = c;
  d.h = h;
  d.w = w;
  d.oc = oc;
  d.kh = d.kw = k;
  d.stride_h = d.stride_w = stride;
  d.pad_top = d.pad_left = d.pad_bottom = d.pad_right = pad;
  return d;
}

/// Different numbers in every place where two could be confused.
Conv2dDesc uneven(int64_t groups) {
  Conv2dDesc d;
  d.n = 2;
  d.c = 3 * groups;
  d.h = 11;
  d.w = 14;
  d.oc = 2 * groups;
  d.kh = 3;
  d.kw = 2;
  d.stride_h = 2;
  d.stride_w = 3;
  d.pad_top = 2;
  d.pad_left = 1;
  d.pad_bottom = 0;
  d.pad_right = 3;
  d.dil_h = 2;
  d.dil_w = 3;
  d.groups = groups;
  return d;
}

}  // namespace

TEMPLATE_TEST_CASE("convolutions equal the naive loops bit for bit", "[conv]", float, double) {
  check_conv<TestType>(conv(1, 3, 23, 19, 20, 3, 1, 1));
  check_conv<TestType>(conv(2, 5, 9, 9, 33, 3, 2, 1));
  check_conv<TestType>(conv(1, 3, 30, 33, 5, 7, 2, 3));
  check_conv<TestType>(conv(1, 6, 20, 20, 13, 1, 1, 0));
  check_conv<TestType>(conv(2, 6, 13, 11, 40, 1, 2, 0));
  check_conv<TestType>(conv(3, 70, 4, 5, 17, 3, 1, 1));
  check_conv<TestType>(conv(1, 2, 12, 12, 3, 9, 1, 4));
  check_conv<TestType>(conv(1, 2, 6, 6, 9, 3, 3, 2));
}

TEMPLATE_TEST_CASE("convolutions longer than one chunk keep the order", "[conv]", float, double) {
  const std::vector<Isa> fast{best_isa()};
  check_conv<TestType>(conv(1, 60, 18, 18, 18, 3, 1, 1), false, fast);
  check_conv<TestType>(conv(2, 130, 6, 6, 35, 2, 1, 0), false, fast);
  check_conv<TestType>(conv(5, 2, 17, 15, 3, 3, 2, 1), false, fast);
}

TEMPLATE_TEST_CASE("convolutions read a source in place, as joined rows, or laid out", "[conv]",
                   float, double) {
  check_conv<TestType>(conv(1, 4, 12, 21, 18, 3, 1, 0));  // every tap inside: in place
  Conv2dDesc rows = conv(2, 4, 13, 9, 18, 3, 1, 0);
  rows.stride_h = 2;  // in place, skipping rows
  check_conv<TestType>(rows);
  check_conv<TestType>(conv(1, 5, 19, 19, 12, 1, 1, 0));  // the grid is the plane: joined rows
  check_conv<TestType>(conv(1, 5, 19, 19, 12, 1, 2, 0));  // joined once laid out
  Conv2dDesc top = conv(1, 3, 17, 20, 12, 3, 1, 0);
  top.pad_top = 2;  // padding on one side only
  check_conv<TestType>(top);
  Conv2dDesc right = conv(1, 3, 17, 20, 12, 3, 1, 0);
  right.pad_right = 5;
  check_conv<TestType>(right);
  check_conv<TestType>(conv(1, 2, 3, 4, 9, 3, 1, 6));   // more padding than plane
  check_conv<TestType>(conv(1, 2, 5, 70, 9, 5, 3, 2));  // steps that no vector form knows
  Conv2dDesc far = conv(1, 3, 6, 7, 9, 3, 2, 5);
  far.dil_h = 4;  // taps beyond the plane on both sides
  far.dil_w = 5;
  check_conv<TestType>(far);
}

TEMPLATE_TEST_CASE("convolutions of many images and of few split into tasks alike", "[conv]", float,
                   double) {
  const std::vector<Isa> fast{best_isa()};
  for (int64_t n : {1, 3, 9}) {
    check_conv<TestType>(conv(n, 12, 20, 20, 40, 3, 1, 1), false, fast);  // vectors of positions
    check_conv<TestType>(conv(n, 70, 7, 7, 70, 3, 1, 1), false, fast);    // of channels, 2 chunks
    check_conv<TestType>(conv(n, 12, 21, 21, 40, 3, 2, 1), false, fast);
    Conv2dDesc grouped = conv(n, 12, 18, 18, 36, 3, 1, 1);
    grouped.groups = 2;
    check_conv<TestType>(grouped, false, fast);
  }
}

TEMPLATE_TEST_CASE("convolutions take uneven strides, paddings, dilations and groups", "[conv]",
                   float, double) {
  for (int64_t groups : {1, 2, 4}) check_conv<TestType>(uneven(groups));
  Conv2dDesc grouped = conv(2, 24, 18, 18, 36, 3, 1, 1);
  grouped.groups = 3;
  check_conv<TestType>(grouped, false, {best_isa()});
}

TEMPLATE_TEST_CASE("depthwise convolutions equal the naive loops", "[conv]", float, double) {
  for (int64_t stride : {1, 2, 3}) {
    for (int64_t width : {1, 6, 17, 40, 70}) {
      Conv2dDesc d = conv(2, 5, 9, width, 5, 3, stride, 1);
      d.groups = 5;
      check_conv<TestType>(d);
      d.dil_h = d.dil_w = 2;
      d.pad_left = d.pad_top = 3;
      check_conv<TestType>(d);
      d.oc = 10;
      check_conv<TestType>(d, false, {best_isa()});
    }
  }
  for (int64_t kw : {1, 2, 5}) {
    Conv2dDesc d = conv(1, 19, 10, 37, 19, 3, 1, 2);  // rows that results share, any width
    d.kw = kw;
    d.groups = 19;
    check_conv<TestType>(d);
  }
  Conv2dDesc wide = conv(3, 21, 25, 26, 21, 5, 1, 2);  // sums of weights over several chunks
  wide.groups = 21;
  check_conv<TestType>(wide, false, {best_isa()});
  Conv2dDesc huge = conv(1, 2, 24, 24, 2, 23, 1, 11);
  huge.groups = 2;
  check_conv<TestType>(huge, false, {best_isa()});
}

TEMPLATE_TEST_CASE("empty and single-element convolutions work", "[conv]", float, double) {
  check_conv<TestType>(conv(0, 3, 5, 5, 4, 3, 1, 1));
  check_conv<TestType>(conv(1, 0, 5, 5, 4, 3, 1, 1));
  check_conv<TestType>(conv(1, 3, 5, 5, 0, 3, 1, 1));
  check_conv<TestType>(conv(1, 3, 2, 2, 4, 3, 1, 0));
  check_conv<TestType>(conv(1, 1, 1, 1, 1, 1, 1, 0));
  check_conv<TestType>(conv(2, 3, 1, 1, 20, 3, 1, 1));
  check_conv<TestType>(conv(1, 3, 7, 7, 20, 1, 4, 0));
}

TEMPLATE_TEST_CASE("infinite weights meet padding as zeros do", "[conv]", float, double) {
  check_conv<TestType>(conv(1, 3, 7, 7, 20, 3, 1, 1), true);
  check_conv<TestType>(conv(1, 3, 20, 20, 5, 3, 2, 1), true);
  Conv2dDesc depthwise = conv(1, 4, 9, 20, 4, 3, 2, 1);
  depthwise.groups = 4;
  check_conv<TestType>(depthwise, true);
  depthwise.stride_h = depthwise.stride_w = 1;
  check_conv<TestType>(depthwise, true);
  check_conv<TestType>(conv(1, 3, 30, 21, 18, 7, 2, 3), true);
  check_conv<TestType>(conv(2, 5, 9, 9, 12, 1, 2, 2), true);
}

TEMPLATE_TEST_CASE("integer convolutions wrap", "[conv]", int8_t, uint16_t, int32_t, int64_t) {
  check_conv<TestType>(uneven(2), false, {best_isa()});
}

TEST_CASE("the forward bits of a convolution do not depend on the batch", "[conv]") {
  Conv2dDesc d = conv(5, 7, 9, 9, 24, 3, 1, 1);
  const auto x = values<float>(d.n * d.c * 81, 1), w = values<float>(d.oc * d.c * 9, 2);
  std::vector<float> whole(static_cast<size_t>(d.n * d.oc * 81)), parts(whole.size());
  Scratch scratch;
  conv2d_forward(d, x.data(), w.data(), whole.data(), scratch);
  Conv2dDesc one = d;
  one.n = 1;
  for (int64_t n = 0; n < d.n; ++n) {
    conv2d_forward(one, x.data() + n * d.c * 81, w.data(), parts.data() + n * d.oc * 81, scratch);
  }
  CHECK(differences(parts, whole) == 0);
}
