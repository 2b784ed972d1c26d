#include "runtime/io/reader.h"
#include "tests/runtime/io_test_util.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::runtime::test;

namespace {

Reader reader(const Bytes& b) { return Reader(b.span(), "net.bin", "test", 100); }

}  // namespace

TEST_CASE("what a byte writer writes a reader reads", "[io][reader]") {
  ByteWriter w;
  w.u8(1);
  w.u16(0x0203);
  w.u32(0x04050607);
  w.u64(0x08090a0b0c0d0e0full);
  w.i64(-5);
  for (uint64_t v : {uint64_t{0}, uint64_t{127}, uint64_t{128}, UINT64_MAX}) w.varint(v);
  w.var_string("name");
  w.align(16);
  w.string("end");
  Bytes b = exact(w.text());
  Reader r = reader(b);
  CHECK(r.u8() == 1);
  CHECK(r.u16() == 0x0203);
  CHECK(r.u32() == 0x04050607);
  CHECK(r.u64() == 0x08090a0b0c0d0e0full);
  CHECK(r.i64() == -5);
  CHECK(r.varint() == 0);
  CHECK(r.varint() == 127);
  CHECK(r.varint() == 128);
  CHECK(r.varint() == UINT64_MAX);
  CHECK(r.var_string(4) == "name");
  r.align(16);
  Reader tail = r.sub(3);
  CHECK(tail.string(3) == "end");
  CHECK(tail.at_end());
  CHECK(r.at_end());
  CHECK_NOTHROW(r.expect_end());
}

TEST_CASE("a reader names file and byte when the data ends early", "[io][reader]") {
  Bytes b = exact("abc");
  Reader r = reader(b);
  r.skip(1);
  CHECK(refusal([&] { r.u32("the size"); }) ==
        "[test] net.bin (byte 101): the size needs 4 bytes, 2 are left. The file is cut short "
        "or damaged");
  CHECK(r.position() == 1);
  CHECK_FALSE(refusal([&] { r.bytes(UINT64_MAX); }).empty());
  CHECK_FALSE(refusal([&] { r.skip(3); }).empty());
  CHECK_FALSE(refusal([&] { r.seek(4); }).empty());
  CHECK_FALSE(refusal([&] { r.expect_end(); }).empty());
  CHECK_FALSE(refusal([&] { r.range(1, UINT64_MAX); }).empty());
  CHECK_FALSE(refusal([&] { r.range(4, 0); }).empty());
  CHECK(r.range(3, 0).at_end());
  Reader part = r.range(1, 2);
  CHECK_THAT(refusal([&] { part.u64(); }), Catch::Contains("byte 101"));
}

TEST_CASE("a variable-length number has one spelling and 64 bits", "[io][reader]") {
  auto read = [](std::string_view text) {
    Bytes b = exact(text);
    Reader r = reader(b);
    return r.varint();
  };
  using namespace std::string_view_literals;
  CHECK(read("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv) == UINT64_MAX);
  CHECK_THAT(refusal([&] { read("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"sv); }),
             Catch::Contains("64 bits"));
  CHECK_THAT(refusal([&] { read("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"sv); }),
             Catch::Contains("64 bits"));
  CHECK_THAT(refusal([&] { read("\x81\x00"sv); }), Catch::Contains("longer"));
  CHECK_THAT(refusal([&] { read("\x81"sv); }), Catch::Contains("are left"));
}

TEST_CASE("counts and string lengths are bounded before memory is taken", "[io][reader]") {
  ByteWriter w;
  w.varint(3);
  w.string("aabbcc");
  Bytes b = exact(w.text());
  CHECK(reader(b).count(2) == 3);
  CHECK_THAT(refusal([&] { reader(b).count(3); }), Catch::Contains("holds at most 2"));
  CHECK(reader(b).var_string(3) == "aab");
  CHECK_THAT(refusal([&] { reader(b).var_string(2); }), Catch::Contains("the limit is 2"));
}

TEST_CASE("padding that is not zero is refused", "[io][reader]") {
  Bytes b = exact("a\1bc");
  Reader r = reader(b);
  r.u8();
  CHECK_THAT(refusal([&] { r.align(4); }), Catch::Contains("byte 101): padding"));
}

TEST_CASE("text from a file is shown without control characters", "[io][reader]") {
  CHECK(in_quotes("a\x1b[2J\"\\\n") == "\"a\\x1b[2J\\\"\\\\\\x0a\"");
  CHECK(in_quotes(std::string(100, 'x')) == "\"" + std::string(80, 'x') + "...\"");
}

TEST_CASE("only well-formed UTF-8 passes", "[io][reader]") {
  CHECK(is_utf8("plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
  CHECK(is_utf8("\xf4\x8f\xbf\xbf"));
  for (const char* bad : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xc3",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    CHECK_FALSE(is_utf8(bad));
  }
}
