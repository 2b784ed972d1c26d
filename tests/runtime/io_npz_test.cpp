#include "runtime/io/crc32.h"
#include "runtime/io/npy.h"
#include "runtime/io/npz.h"
#include "runtime/io/zip.h"
#include "tests/runtime/io_test_util.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::runtime::test;

namespace {

TensorMap sample() {
  TensorMap t;
  int index = 0;
  for (DType dtype : numpy_types()) {
    for (const auto& shape : test_shapes()) t.emplace(cat("t", index++), pattern(dtype, shape));
  }
  t.emplace("a/b", pattern(DType::F32, {2}));
  t.emplace("\xc3\xa9", pattern(DType::F32, {2}));
  return t;
}

bool same(const TensorMap& a, const TensorMap& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) {
           return x.first == y.first && same_bits(x.second, y.second);
         });
}

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& entries,
                   bool always_zip64 = false) {
  MemorySink sink;
  ZipWriter zip(sink, always_zip64);
  for (const auto& [name, data] : entries) zip.add(name, {Bytes::copy(data)});
  zip.finish();
  return std::string(std::move(sink).finish().text());
}

std::vector<ZipEntry> unzip(const std::string& file, const IoLimits& limits = {}) {
  return read_zip(exact(file), "a.npz", "npz", limits);
}

/// `file` with `value` put at `position`, little endian.
std::string patched(std::string file, size_t position, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) file[position + i] = static_cast<char>(value >> (8 * i) & 255);
  return file;
}

}  // namespace

TEST_CASE("crc32 gives the check value of its definition, for every cut", "[io][npz]") {
  std::string text = "123456789";
  auto bytes = std::as_bytes(std::span<const char>(text));
  CHECK(crc32(bytes) == 0xcbf43926u);
  for (size_t i = 0; i <= text.size(); ++i) {
    CHECK(crc32(bytes.subspan(i), crc32(bytes.first(i))) == 0xcbf43926u);
  }
}

TEST_CASE("npz keeps every type, shape and name, and the same input gives the same bytes",
          "[io][npz]") {
  Scratch dir;
  TensorMap t = sample();
  write_npz(dir / "a.npz", t);
  CHECK(same(read_npz(dir / "a.npz"), t));
  TensorMap mapped = read_npz(dir / "a.npz", {}, FileAccess::Map);
  CHECK(same(mapped, t));
  for (const auto& [name, tensor] : mapped) CHECK(tensor.bytes.aligned_to(64));
  CHECK(encode_npz(t).text() == read_file(dir / "a.npz").text());
  CHECK(decode_npz(encode_npz({}), "empty.npz").empty());
}

TEST_CASE("zip64 archives read like others", "[io][npz]") {
  for (bool wide : {false, true}) {
    auto entries = unzip(zip_of({{"a.npy", "first"}, {"b.npy", ""}, {"c.npy", "third"}}, wide));
    REQUIRE(entries.size() == 3);
    CHECK(entries[0].data.text() == "first");
    CHECK(entries[1].data.empty());
    CHECK(entries[2].name == "c.npy");
  }
}

TEST_CASE("an archive with more than 65535 entries uses zip64", "[io][npz]") {
  MemorySink sink;
  ZipWriter zip(sink);
  for (int i = 0; i < 65536; ++i) zip.add(cat(i), {});
  zip.finish();
  Bytes file = std::move(sink).finish();
  CHECK(read_zip(file, "a.npz", "npz", {}).size() == 65536);
}

TEST_CASE("compressed, encrypted, repeated and damaged entries are refused", "[io][npz]") {
  std::string good = zip_of({{"a.npy", "data"}, {"b.npy", "more"}});
  const size_t central = good.find("PK\1\2");
  auto refused = [](const std::string& file) { return refusal([&] { unzip(file); }); };
  CHECK_THAT(refused(patched(good, central + 10, 8, 2)),
             Catch::Contains("compressed npz. Save with np.savez"));
  CHECK_THAT(refused(patched(good, central + 10, 14, 2)), Catch::Contains("method 14"));
  CHECK_THAT(refused(patched(good, central + 8, 1, 2)), Catch::Contains("encrypted"));
  CHECK_THAT(refused(patched(good, central + 24, 5, 4)), Catch::Contains("sizes differ"));
  CHECK_THAT(refused(patched(good, central + 42, 64, 4)), Catch::Contains("damaged"));
  CHECK_THAT(refused(patched(good, central + 42, central, 4)), Catch::Contains("behind"));
  CHECK_THAT(refused(patched(good, central + 46, 'x', 1)), Catch::Contains("differ"));
  CHECK_THAT(refused(patched(good, good.find("data"), 'x', 1)), Catch::Contains("checksum"));
  CHECK_THAT(refused(zip_of({{"a.npy", "x"}, {"a.npy", "x"}})), Catch::Contains("repeated"));
  CHECK_THAT(refused("not a zip file, but long enough"), Catch::Contains("no end record"));
  CHECK_THAT(refused("PK"), Catch::Contains("too short"));
  CHECK_THAT(refused("junk" + good), Catch::Contains("must end at byte"));
  CHECK_THAT(refused(good + "junk"), Catch::Contains("no end record"));
  CHECK_THAT(refusal([&] { decode_npz(exact(zip_of({{"a.txt", "x"}})), "a.npz"); }),
             Catch::Contains("not an array"));
  CHECK_THAT(refusal([&] { decode_npz(exact(zip_of({{"a.npy", "x"}})), "a.npz"); }),
             Catch::Contains("not a NumPy file"));
}

TEST_CASE("entries that share bytes are refused", "[io][npz]") {
  // Both directory entries point at the first local header and so must name it alike; the second
  // local header is then unused.
  std::string good = zip_of({{"a.npy", "data"}, {"b.npy", "data"}});
  const size_t second = good.find("PK\1\2", good.find("PK\1\2") + 4);
  std::string bad = patched(patched(good, second + 42, 0, 4), second + 46, 'a', 1);
  CHECK_THAT(refusal([&] { unzip(bad); }), Catch::Contains("overlap"));
}

TEST_CASE("huge counts and sizes in a zip directory are refused", "[io][npz]") {
  for (bool wide : {false, true}) {
    std::string good = zip_of({{"a.npy", "data"}}, wide);
    for (size_t i = good.find("PK\1\2"); i + 8 <= good.size(); ++i) {
      for (uint64_t value : {UINT64_MAX, uint64_t{1} << 63, uint64_t{1} << 40}) {
        std::string bad = patched(good, i, value, 8);
        (void)refusal([&] { unzip(bad); });
      }
    }
  }
  IoLimits limits;
  std::string two = zip_of({{"a.npy", "x"}, {"b.npy", "x"}});
  limits.max_tensors = 2;
  CHECK_NOTHROW(unzip(two, limits));
  limits.max_tensors = 1;
  CHECK_THAT(refusal([&] { unzip(two, limits); }), Catch::Contains("limit is 1"));
  limits = {};
  limits.max_header_bytes = two.size() - 22 - two.find("PK\1\2");
  CHECK_NOTHROW(unzip(two, limits));
  limits.max_header_bytes -= 1;
  CHECK_FALSE(refusal([&] { unzip(two, limits); }).empty());
}

TEST_CASE("an archive comment is read over", "[io][npz]") {
  std::string file = zip_of({{"a.npy", "data"}});
  file = patched(file, file.size() - 2, 5, 2) + "hello";
  CHECK(unzip(file).size() == 1);
}

TEST_CASE("cut or flipped npz files never give other data", "[io][npz]") {
  TensorMap t;
  t.emplace("w", pattern(DType::F32, {3}));
  t.emplace("b", pattern(DType::Bool, {5}));
  std::string file(encode_npz(t).text());
  Decode decode = [&](const Bytes& b) {
    TensorMap read = decode_npz(b, "a.npz");
    CHECK(same(read, t));
  };
  check_truncations(file, decode);
  // Accepted flips lie in times, versions and padding, which carry no data.
  CHECK(accepted_flips(file, decode) < file.size() * 4);
}

TEST_CASE("npz agrees with NumPy in both directions", "[io][npz][python]") {
  Scratch dir;
  TensorMap t = sample();
  write_npz(dir / "ours.npz", t);
  write_file(dir / "wide.npz",
             zip_of({{"x.npy", std::string(encode_npy(t.at("t0")).text())}}, true));
  bool ran = run_python(dir, cat("n = ", t.size(), R"(
import numpy as np, zipfile
assert zipfile.ZipFile('ours.npz').testzip() is None
a = dict(np.load('ours.npz'))
assert len(a) == n, len(a)
np.savez('theirs.npz', **a)
np.savez_compressed('packed.npz', **a)
b = dict(np.load('wide.npz'))
assert b['x'] == a['t0']
)"));
  if (!ran) return;
  CHECK(same(read_npz(dir / "theirs.npz"), t));
  CHECK(same(read_npz(dir / "theirs.npz", {}, FileAccess::Map), t));
  CHECK_THAT(refusal([&] { read_npz(dir / "packed.npz"); }),
             Catch::Contains("compressed npz. Save with np.savez"));
}
