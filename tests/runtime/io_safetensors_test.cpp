#include "runtime/io/reader.h"
#include "runtime/io/safetensors.h"
#include "tests/runtime/io_test_util.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::runtime::test;

namespace {

const std::vector<DType>& types() {
  static const std::vector<DType> all = {DType::Bool, DType::U8,     DType::I8,     DType::U16,
                                         DType::I16,  DType::U32,    DType::I32,    DType::U64,
                                         DType::I64,  DType::F16,    DType::F32,    DType::F64,
                                         DType::BF16, DType::F8E4M3, DType::F8E5M2, DType::C64};
  return all;
}

SafeTensors sample() {
  SafeTensors s;
  int index = 0;
  for (DType dtype : types()) {
    for (const auto& shape : test_shapes()) {
      s.tensors.emplace(cat("t", index++), pattern(dtype, shape));
    }
  }
  s.tensors.emplace("quote\" \\ \xc3\xa9", pattern(DType::U8, {3}));
  s.metadata = {{"format", "pt"}, {"note", "line\n"}};
  return s;
}

bool same(const SafeTensors& a, const SafeTensors& b) {
  return a.metadata == b.metadata && a.tensors.size() == b.tensors.size() &&
         std::equal(a.tensors.begin(), a.tensors.end(), b.tensors.begin(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && same_bits(x.second, y.second);
                    });
}

std::string file_of(const std::string& header, const std::string& data) {
  ByteWriter w;
  w.u64(header.size());
  w.string(header);
  w.string(data);
  return std::move(w).finish();
}

SafeTensors decode(const std::string& file, const IoLimits& limits = {}) {
  return decode_safetensors(exact(file), "a.safetensors", limits);
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return cat("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape,
             ",\"data_offsets\":", offsets, "}");
}

}  // namespace

TEST_CASE("safetensors keeps types, shapes, names and metadata; same input, same bytes",
          "[io][safetensors]") {
  Scratch dir;
  SafeTensors s = sample();
  write_safetensors(dir / "a.safetensors", s);
  CHECK(same(read_safetensors(dir / "a.safetensors"), s));
  SafeTensors mapped = read_safetensors(dir / "a.safetensors", {}, FileAccess::Map);
  CHECK(same(mapped, s));
  for (const auto& [name, tensor] : mapped.tensors) CHECK_NOTHROW(tensor.check());
  Bytes again = encode_safetensors(mapped);
  CHECK(again.text() == read_file(dir / "a.safetensors").text());
  CHECK(Reader(again.span(), "", "").u64() % 64 == 56);
  CHECK(same(decode_safetensors(encode_safetensors({}), "empty"), {}));
}

TEST_CASE("the safetensors header is sorted by name and data by element size",
          "[io][safetensors]") {
  SafeTensors s;
  s.tensors.emplace("a", pattern(DType::U8, {3}));
  s.tensors.emplace("b", pattern(DType::F64, {1}));
  std::string file(encode_safetensors(s).text());
  CHECK_THAT(file, Catch::Contains(entry("a", "U8", "[3]", "[8,11]") + "," +
                                   entry("b", "F64", "[1]", "[0,8]") + "}"));
}

TEST_CASE("misaligned safetensors data is copied to an aligned place", "[io][safetensors]") {
  std::string header = std::string("{") + entry("a", "U8", "[1]", "[0,1]") + "," +
                       entry("b", "F32", "[1]", "[1,5]") + "}";
  SafeTensors s = decode(file_of(header, std::string("x\0\0\x80\x3f", 5)));
  CHECK(s.tensors.at("b").as<float>()[0] == 1.0f);
}

TEST_CASE("zero-size tensors may share an offset", "[io][safetensors]") {
  std::string header = std::string("{") + entry("a", "F32", "[0]", "[0,0]") + "," +
                       entry("b", "U8", "[2]", "[0,2]") + "," +
                       entry("c", "F32", "[0,4]", "[0,0]") + "," +
                       entry("d", "F32", "[3,0]", "[2,2]") + "}";
  CHECK(decode(file_of(header, "xy")).tensors.size() == 4);
}

TEST_CASE("safetensors with a layout that is not exact are refused", "[io][safetensors]") {
  auto refused = [](const std::string& entries, const std::string& data) {
    return refusal([&] { decode(file_of(std::string("{") + entries + "}", data)); });
  };
  CHECK_THAT(
      refused(entry("a", "U8", "[2]", "[0,2]") + "," + entry("b", "U8", "[2]", "[1,3]"), "xyz"),
      Catch::Contains("overlaps"));
  CHECK_THAT(
      refused(entry("a", "U8", "[1]", "[0,1]") + "," + entry("b", "U8", "[1]", "[2,3]"), "xyz"),
      Catch::Contains("hole"));
  CHECK_THAT(refused(entry("a", "U8", "[1]", "[1,2]"), "xy"), Catch::Contains("hole"));
  CHECK_THAT(refused(entry("a", "U8", "[3]", "[0,3]"), "xy"), Catch::Contains("outside"));
  CHECK_THAT(refused(entry("a", "U8", "[1]", "[0,1]"), "xy"), Catch::Contains("1 bytes follow"));
  CHECK_THAT(refused("", "x"), Catch::Contains("1 bytes follow"));
  CHECK_THAT(refused(entry("a", "F32", "[1]", "[0,3]"), "xyz"), Catch::Contains("needs 4 bytes"));
  CHECK_THAT(refused(entry("a", "U8", "[1]", "[1,0]"), "x"), Catch::Contains("backwards"));
  CHECK_THAT(refused(entry("a", "U8", "[-1]", "[0,1]"), "x"), Catch::Contains("negative"));
  CHECK_THAT(refused(entry("a", "U8", "[1]", "[-1,0]"), "x"), Catch::Contains("negative"));
  CHECK_THAT(refused(entry("a", "U8", "[1]", "[0]"), "x"), Catch::Contains("fewer"));
  CHECK_THAT(refused(entry("a", "U8", "[1]", "[0,1,2]"), "x"), Catch::Contains("more than two"));
  CHECK_THAT(refused(entry("a", "Q8", "[1]", "[0,1]"), "x"), Catch::Contains("Q8"));
  CHECK_THAT(refused(entry("a", "U8", "[4294967296,4294967296]", "[0,1]"), "x"),
             Catch::Contains("beyond the limit"));
  CHECK_THAT(refused(entry("a", "U8", "[0,9223372036854775807,2]", "[0,0]"), ""),
             Catch::Contains("beyond the limit"));
  CHECK_THAT(refused(entry("a", "U8", "[9223372036854775808]", "[0,1]"), "x"),
             Catch::Contains("64 bits"));
  CHECK_THAT(refused(entry("a", "U8", "[1.0]", "[0,1]"), "x"), Catch::Contains("whole number"));
}

TEST_CASE("safetensors with repeated or unknown keys are refused", "[io][safetensors]") {
  auto refused = [](const std::string& header, const std::string& data) {
    return refusal([&] { decode(file_of(header, data)); });
  };
  std::string a = entry("a", "U8", "[0]", "[0,0]");
  CHECK_THAT(refused(std::string("{") + a + "," + a + "}", ""), Catch::Contains("repeated"));
  CHECK_THAT(refused(R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", ""),
             Catch::Contains("repeated"));
  CHECK_THAT(refused(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}})", ""),
             Catch::Contains("unknown key"));
  CHECK_THAT(refused(R"({"a":{"dtype":"U8","shape":[0]}})", ""), Catch::Contains("lacks"));
  CHECK_THAT(refused(R"({"__metadata__":{"a":"1","a":"2"}})", ""), Catch::Contains("repeated"));
  CHECK_THAT(refused(R"({"__metadata__":{},"__metadata__":{}})", ""), Catch::Contains("repeated"));
  CHECK_FALSE(refused(R"({"__metadata__":{"a":1}})", "").empty());
  CHECK_FALSE(refused(R"({"a":[]})", "").empty());
  CHECK_FALSE(refused("[]", "").empty());
  CHECK_FALSE(refused(" {}", "").empty());
  CHECK_FALSE(refused("", "").empty());
  CHECK_NOTHROW(decode(file_of("{}   \n", "")));
  CHECK_FALSE(refused("{}   x", "").empty());
}

TEST_CASE("safetensors limits hold at the limit and fail one beyond", "[io][safetensors]") {
  std::string header = std::string("{") + entry("a", "U8", "[1,1]", "[0,1]") + "," +
                       entry("b", "U8", "[2]", "[1,3]") + "}";
  std::string file = file_of(header, "xyz");
  auto at = [&](auto IoLimits::* field, uint64_t value) {
    IoLimits limits;
    limits.*field = static_cast<std::decay_t<decltype(limits.*field)>>(value);
    CHECK_NOTHROW(decode(file, limits));
    limits.*field -= 1;
    CHECK_FALSE(refusal([&] { decode(file, limits); }).empty());
  };
  at(&IoLimits::max_header_bytes, header.size());
  at(&IoLimits::max_tensors, 2);
  at(&IoLimits::max_rank, 2);
  at(&IoLimits::max_tensor_bytes, 2);
  at(&IoLimits::max_json_depth, 3);
  at(&IoLimits::max_string_bytes, std::string("data_offsets").size());
  ByteWriter w;
  w.u64(UINT64_MAX);
  CHECK_THAT(refusal([&] { decode(w.text() + "{}"); }), Catch::Contains("the limit is"));
  CHECK_THAT(refusal([&] { decode(file_of("{}", "").substr(0, 9)); }), Catch::Contains("left"));
}

TEST_CASE("what safetensors cannot hold is not written", "[io][safetensors]") {
  auto with = [](const std::string& name, DType dtype) {
    SafeTensors s;
    s.tensors.emplace(name, pattern(dtype, {2}));
    return s;
  };
  CHECK_THROWS_AS(encode_safetensors(with("a", DType::C128)), UserError);
  CHECK_THROWS_AS(encode_safetensors(with("a", DType::I4)), UserError);
  CHECK_THROWS_AS(encode_safetensors(with("__metadata__", DType::U8)), UserError);
  CHECK_THROWS_AS(encode_safetensors(with("\xff", DType::U8)), UserError);
}

TEST_CASE("cut or flipped safetensors are refused or read, never worse", "[io][safetensors]") {
  SafeTensors s;
  s.tensors.emplace("w", pattern(DType::F32, {2, 2}));
  s.tensors.emplace("b", pattern(DType::Bool, {3}));
  s.metadata = {{"k", "v"}};
  std::string file(encode_safetensors(s).text());
  Decode d = [](const Bytes& b) { decode_safetensors(b, "a"); };
  check_truncations(file, d);
  CHECK(accepted_flips(file, d) >= 19 * 8);
}

TEST_CASE("safetensors agrees with the reference library in both directions",
          "[io][safetensors][python]") {
  Scratch dir;
  SafeTensors s = sample();
  for (auto it = s.tensors.begin(); it != s.tensors.end();) {
    // NumPy has no type for these.
    DType t = it->second.dtype;
    bool skip = t == DType::BF16 || t == DType::F8E4M3 || t == DType::F8E5M2 || t == DType::C64;
    it = skip ? s.tensors.erase(it) : std::next(it);
  }
  write_safetensors(dir / "ours.safetensors", s);
  bool ran = run_python(dir, cat("n = ", s.tensors.size(), R"(
try:
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
except ImportError:
    raise SystemExit(0)
a = load_file('ours.safetensors')
assert len(a) == n, len(a)
with safe_open('ours.safetensors', 'np') as f:
    m = f.metadata()
assert m == {'format': 'pt', 'note': 'line\n'}, m
save_file(a, 'theirs.safetensors', metadata=m)
)"));
  if (!ran) return;
  if (!std::filesystem::exists(dir / "theirs.safetensors")) {
    WARN("skipped: the python of ETCH_PYTHON has no safetensors");
    return;
  }
  CHECK(same(read_safetensors(dir / "theirs.safetensors"), s));
}
