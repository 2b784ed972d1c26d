#include "ir/support/checked.h"
#include "ir/support/hash.h"
#include "tests/runtime/io_test_util.h"

using namespace etch;

TEST_CASE("content hashes match the published XXH3 values", "[io][hash]") {
  // Values of the xxHash project's own sanity test for empty input and seed 0.
  CHECK(hash64(std::string_view("")) == 0x2d06800538d394c2ull);
  CHECK(hash128(std::string_view("")) == Hash128{0x6001c324468d497full, 0x99aa06d3014798d8ull});
}

TEST_CASE("a streamed hash equals the hash of the whole for every cut", "[io][hash]") {
  std::string text(1500, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 256);
  for (size_t n : {0, 1, 3, 16, 17, 128, 129, 240, 241, 256, 1024, 1500}) {
    std::string_view whole = std::string_view(text).substr(0, n);
    for (size_t cut = 0; cut <= n; cut += 1 + n / 13) {
      Hasher h;
      h.update(whole.substr(0, cut));
      h.update(whole.substr(cut));
      CHECK(h.digest128() == hash128(whole));
      CHECK(h.digest64() == hash64(whole));
    }
  }
}

TEST_CASE("hashed strings keep their borders", "[io][hash]") {
  Hasher a;
  a.update_string("ab");
  a.update_string("c");
  Hasher b;
  b.update_string("a");
  b.update_string("bc");
  CHECK(a.digest128() != b.digest128());
}

TEST_CASE("a hash survives its hex form and other text is refused", "[io][hash]") {
  Hash128 h{0x0123456789abcdefull, 0xfedcba9876543210ull};
  CHECK(h.to_hex() == "fedcba98765432100123456789abcdef");
  CHECK(Hash128::from_hex(h.to_hex()) == h);
  CHECK_FALSE(Hash128::from_hex("").has_value());
  CHECK_FALSE(Hash128::from_hex("fedcba98765432100123456789abcde").has_value());
  CHECK_FALSE(Hash128::from_hex("fedcba98765432100123456789abcdeg").has_value());
  CHECK_FALSE(Hash128::from_hex("FEDCBA98765432100123456789ABCDEF").has_value());
}

TEST_CASE("size products report overflow at the edge", "[io][checked]") {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  using Shape = std::vector<int64_t>;
  CHECK(checked_numel(Shape{}) == 1);
  CHECK(checked_numel(Shape{kMax}) == kMax);
  CHECK(checked_numel(Shape{kMax, 1}) == kMax);
  CHECK(checked_numel(Shape{3, 0, 5}) == 0);
  CHECK_FALSE(checked_numel(Shape{kMax, 2}).has_value());
  CHECK_FALSE(checked_numel(Shape{int64_t{1} << 32, int64_t{1} << 31}).has_value());
  CHECK_FALSE(checked_numel(Shape{0, kMax, 2}).has_value());
  CHECK_FALSE(checked_numel(Shape{-1}).has_value());
  CHECK_FALSE(checked_numel(Shape{0, -1}).has_value());
  CHECK(checked_nbytes(DType::F32, Shape{2, 3}) == 24);
  CHECK(checked_nbytes(DType::I4, Shape{3}) == 2);
  CHECK_FALSE(checked_nbytes(DType::F64, Shape{kMax}).has_value());
  CHECK_FALSE(checked_nbytes(DType::U4, Shape{kMax}).has_value());
  CHECK(checked_add(1, UINT64_MAX - 1) == UINT64_MAX);
  CHECK_FALSE(checked_add(2, UINT64_MAX - 1).has_value());
  CHECK(checked_mul(0, UINT64_MAX) == 0);
  CHECK_FALSE(checked_mul(UINT64_MAX, 2).has_value());
  CHECK(checked_align(65, 64) == 128);
  CHECK_FALSE(checked_align(UINT64_MAX - 1, 64).has_value());
}
