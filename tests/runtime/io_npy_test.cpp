#include "runtime/io/npy.h"
#include "tests/runtime/io_test_util.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::runtime::test;

namespace {

/// A version 1 file with this header dict, unpadded, and this data.
std::string npy(const std::string& dict, const std::string& data, char major = 1) {
  std::string out = "\x93NUMPY";
  out += major;
  out += '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) {
    out += static_cast<char>((dict.size() + 1) >> (8 * i) & 255);
  }
  return out + dict + "\n" + data;
}

HostTensor decode(const std::string& file, const IoLimits& limits = {}) {
  return decode_npy(exact(file), "a.npy", limits);
}

std::string dict(const std::string& descr, const std::string& shape, bool fortran = false) {
  return "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }";
}

}  // namespace

TEST_CASE("npy keeps every type and shape", "[io][npy]") {
  Scratch dir;
  for (DType dtype : numpy_types()) {
    for (const auto& shape : test_shapes()) {
      HostTensor t = pattern(dtype, shape);
      CHECK(same_bits(decode_npy(encode_npy(t), "a.npy"), t));
      write_npy(dir / "a.npy", t);
      CHECK(same_bits(read_npy(dir / "a.npy"), t));
      HostTensor mapped = read_npy(dir / "a.npy", {}, FileAccess::Map);
      CHECK(same_bits(mapped, t));
      CHECK(mapped.bytes.aligned_to(64));
    }
  }
}

TEST_CASE("npy headers of versions 1, 2 and 3 mean the same", "[io][npy]") {
  for (char major : {1, 2, 3}) {
    HostTensor t = decode(npy(dict("<i2", "(2,)"), std::string("\1\0\2\0", 4), major));
    CHECK(t.dtype == DType::I16);
    CHECK(t.as<int16_t>()[1] == 2);
  }
  for (char major : {0, 4, 9}) {
    CHECK_THAT(refusal([&] { decode(npy(dict("<i2", "(0,)"), "", major)); }),
               Catch::Contains("version"));
  }
}

TEST_CASE("column-major and big-endian npy data is converted", "[io][npy]") {
  HostTensor t = decode(npy(dict("|u1", "(2, 3)", true), "abcdef"));
  CHECK(t.bytes.text() == "acebdf");
  t = decode(npy(dict(">u2", "(2,)"), std::string("\1\2\3\4", 4)));
  CHECK(t.as<uint16_t>()[0] == 0x0102);
  CHECK(t.as<uint16_t>()[1] == 0x0304);
  t = decode(npy(dict(">c8", "()"), "abcdefgh"));
  CHECK(t.bytes.text() == "dcbahgfe");
  CHECK(decode(npy(dict("<f4", "(2, 0, 3)", true), "")).bytes.empty());
}

TEST_CASE("bool bytes beyond 1 become true", "[io][npy]") {
  HostTensor t = decode(npy(dict("|b1", "(3,)"), std::string("\0\1\xff", 3)));
  CHECK(t.bytes.text() == std::string("\0\1\1", 3));
}

TEST_CASE("loosely written npy headers are understood", "[io][npy]") {
  for (const char* text : {"{\"shape\":(3L,),'fortran_order':False,'descr':'|u1'}",
                           "{ 'descr' : '|u1' , 'fortran_order' : True , 'shape' : ( 3 , ) , }   ",
                           "{'descr': '>u1', 'fortran_order': False, 'shape': (3,), }"}) {
    CHECK(decode(npy(text, "abc")).bytes.text() == "abc");
  }
}

TEST_CASE("hostile npy headers are refused", "[io][npy]") {
  for (const char* bad :
       {"",
        "{}",
        "{'descr': '|u1', 'fortran_order': False}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': [3], }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-3,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (+3,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3.0,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3 1,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (3,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), 'x': 1}",
        "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '|u1' 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)} 1",
        "{'descr': __import__('os'), 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '|u1\\x00', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<U3', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '|f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f3', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}"}) {
    INFO(bad);
    CHECK_FALSE(refusal([&] { decode(npy(bad, "abc")); }).empty());
  }
  CHECK_THAT(refusal([&] { decode(npy(dict("|O", "(1,)"), "x")); }), Catch::Contains("pickle"));
  CHECK_THAT(refusal([&] { decode("PK\3\4"); }), Catch::Contains("not a NumPy file"));
}

TEST_CASE("npy sizes must fit the data, whatever they claim", "[io][npy]") {
  CHECK_THAT(refusal([&] { decode(npy(dict("<f4", "(2,)"), "1234567")); }),
             Catch::Contains("needs 8 bytes, the file has 7"));
  CHECK_THAT(refusal([&] { decode(npy(dict("<f4", "(2,)"), "123456789")); }),
             Catch::Contains("needs 8 bytes, the file has 9"));
  for (const char* shape :
       {"(9223372036854775807,)", "(4611686018427387904, 4)", "(4294967296, 4294967296)",
        "(0, 9223372036854775807, 3)", "(1099511627776,)", "(35184372088831, 1)"}) {
    CHECK_FALSE(refusal([&] { decode(npy(dict("<f8", shape), "12345678")); }).empty());
  }
}

TEST_CASE("npy limits hold at the limit and fail one beyond", "[io][npy]") {
  auto ranked = [](int n) {
    std::string shape = "(";
    for (int i = 0; i < n; ++i) shape += "1,";
    return npy(dict("|u1", shape + ")"), "x");
  };
  CHECK(decode(ranked(16)).shape.size() == 16);
  CHECK_THAT(refusal([&] { decode(ranked(17)); }), Catch::Contains("limit of 16"));
  IoLimits limits;
  std::string file = npy(dict("|u1", "(3,)"), "abc");
  limits.max_header_bytes = file.size() - 10 - 3;
  CHECK_NOTHROW(decode(file, limits));
  limits.max_header_bytes -= 1;
  CHECK_FALSE(refusal([&] { decode(file, limits); }).empty());
  limits = {};
  limits.max_tensor_bytes = 3;
  CHECK_NOTHROW(decode(file, limits));
  limits.max_tensor_bytes = 2;
  CHECK_FALSE(refusal([&] { decode(file, limits); }).empty());
}

TEST_CASE("types without an npy form and broken tensors are not written", "[io][npy]") {
  Scratch dir;
  CHECK_THROWS_AS(write_npy(dir / "a", pattern(DType::BF16, {2})), UserError);
  CHECK_THROWS_AS(write_npy(dir / "a", pattern(DType::U4, {2})), UserError);
  HostTensor broken = pattern(DType::F32, {2});
  broken.shape = {3};
  CHECK_THROWS_AS(write_npy(dir / "a", broken), UserError);
  CHECK_THROWS_AS(encode_npy(pattern(DType::U8, std::vector<int64_t>(65, 1))), UserError);
  CHECK(dir.count() == 0);
}

TEST_CASE("cut or flipped npy files are refused or read, never worse", "[io][npy]") {
  std::string file(encode_npy(pattern(DType::F32, {2, 3})).text());
  Decode d = [](const Bytes& b) { decode_npy(b, "a.npy"); };
  check_truncations(file, d);
  CHECK(accepted_flips(file, d) >= 24 * 8);
}

TEST_CASE("npy agrees with NumPy in both directions", "[io][npy][python]") {
  Scratch dir;
  int index = 0;
  for (DType dtype : numpy_types()) {
    for (const auto& shape : test_shapes()) {
      write_npy(dir / cat("ours", index++, ".npy"), pattern(dtype, shape));
    }
  }
  // NumPy must write the very bytes that we wrote, and writes variants for us to read.
  bool ran = run_python(dir, cat("n = ", index, R"(
import io, numpy as np
for i in range(n):
    raw = open(f'ours{i}.npy', 'rb').read()
    a = np.load(io.BytesIO(raw))
    out = io.BytesIO()
    np.save(out, a)
    assert out.getvalue() == raw, (i, a.dtype, a.shape)
    np.lib.format.write_array(open(f'v2_{i}.npy', 'wb'), a, version=(2, 0))
    np.lib.format.write_array(open(f'v3_{i}.npy', 'wb'), a, version=(3, 0))
    np.save(f'fortran{i}.npy', np.asfortranarray(a) if a.ndim else a)
    np.save(f'big{i}.npy', a.astype(a.dtype.newbyteorder('>')).view(a.dtype.newbyteorder('>')))
np.save('object.npy', np.array([{}], dtype=object), allow_pickle=True)
np.save('text.npy', np.array(['abc']))
np.save('record.npy', np.zeros(2, dtype=[('a', '<f4'), ('b', '<i4')]))
)"));
  if (!ran) return;
  for (int i = 0; i < index; ++i) {
    HostTensor t = read_npy(dir / cat("ours", i, ".npy"));
    for (const char* variant : {"v2_", "v3_", "fortran", "big"}) {
      INFO(variant << i);
      CHECK(same_bits(read_npy(dir / cat(variant, i, ".npy")), t));
    }
  }
  for (const char* bad : {"object.npy", "text.npy", "record.npy"}) {
    CHECK_FALSE(refusal([&] { read_npy(dir / bad); }).empty());
  }
}
