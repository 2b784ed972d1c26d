#include "runtime/io/json.h"
#include "tests/runtime/io_test_util.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::runtime::test;

namespace {

JsonValue parse(std::string_view text, const IoLimits& limits = {}) {
  Bytes b = exact(text);
  return parse_json(b.text(), "a.json", "json", limits);
}

}  // namespace

TEST_CASE("JSON of every kind reads and writes back to the same text", "[io][json]") {
  std::string text =
      R"({"a":[1,-2,3.5,1e+30,true,false,null],"b":{"c":"x\n\"\\","d":[]},"e":{},"f":"é€😀"})";
  JsonValue v = parse(text);
  CHECK(to_json(v) == text);
  CHECK(parse(to_json(v, 2)) == v);
  CHECK(v.at("a").as_array("a")[1].as_int("n") == -2);
  CHECK(v.at("a").as_array("a")[2].as_float("n") == 3.5);
  CHECK(v.at("a").as_array("a")[0].as_float("n") == 1.0);
  CHECK(v.at("b").at("c").as_string("c") == "x\n\"\\");
  CHECK(v.find("z") == nullptr);
}

TEST_CASE("JSON escapes decode to UTF-8", "[io][json]") {
  CHECK(parse(R"("\u0041\u00e9\u20ac\ud83d\ude00\/\b\f\t\r\u0000")").as_string("s") ==
        std::string("A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80/\b\f\t\r\0", 16));
}

TEST_CASE("JSON numbers keep their value", "[io][json]") {
  CHECK(parse("9223372036854775807").as_int("n") == INT64_MAX);
  CHECK(parse("-9223372036854775808").as_int("n") == INT64_MIN);
  CHECK(std::signbit(parse("-0").as_float("n")));
  CHECK(parse(" 0.1 ").as_float("n") == 0.1);
  CHECK(parse("5e-324").as_float("n") == 5e-324);
  for (double v : {0.1, 1.0, -0.0, 1e300, 5e-324, 123456789.0}) {
    JsonValue back = parse(to_json(JsonValue(v)));
    CHECK(back.kind() == JsonKind::Float);
    CHECK(back.as_float("n") == v);
  }
}

TEST_CASE("text that is not strict JSON is refused", "[io][json]") {
  for (const char* bad : {"",
                          " ",
                          "nul",
                          "nulll",
                          "truefalse",
                          "{",
                          "}",
                          "[",
                          "]",
                          "[1",
                          "[1,",
                          "[1,]",
                          "[,1]",
                          "[1 2]",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{\"a\":1,}",
                          "{,}",
                          "{a:1}",
                          "{'a':1}",
                          "{\"a\" 1}",
                          "{\"a\":1 \"b\":2}",
                          "01",
                          "-",
                          "+1",
                          ".5",
                          "1.",
                          "1e",
                          "1e+",
                          "0x10",
                          "NaN",
                          "Infinity",
                          "-Infinity",
                          "1 2",
                          "\"",
                          "\"\\",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\\u12g4\"",
                          "\"\\ud800\"",
                          "\"\\ud800\\u0041\"",
                          "\"\\udc00\"",
                          "\"\x01\"",
                          "\"\n\"",
                          "\"\xff\"",
                          "\"\xc0\xaf\"",
                          "/**/1",
                          "1//x",
                          "{\"a\":1,\"a\":2}",
                          "9223372036854775808",
                          "-9223372036854775809",
                          "1e999",
                          "1e-999",
                          "\xef\xbb\xbf{}",
                          "[1}",
                          "{\"a\":1]"}) {
    INFO(bad);
    CHECK_FALSE(refusal([&] { parse(bad); }).empty());
  }
  CHECK_FALSE(refusal([&] { parse(std::string_view("1\0", 2)); }).empty());
  CHECK_FALSE(refusal([&] { parse(std::string_view("\0", 1)); }).empty());
  CHECK_THAT(refusal([&] { parse("{\"a\":1,\"b\":2,\"a\":3}"); }), Catch::Contains("\"a\""));
  CHECK_THAT(refusal([&] { parse("[1, x]"); }), Catch::Contains("a.json (byte 4)"));
}

TEST_CASE("JSON limits hold at the limit and fail one beyond", "[io][json]") {
  auto nested = [](size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  IoLimits limits;
  CHECK_NOTHROW(parse(nested(64)));
  CHECK_THAT(refusal([&] { parse(nested(65)); }), Catch::Contains("64 deep"));
  CHECK_FALSE(refusal([&] { parse(std::string(1000000, '[')); }).empty());
  limits.max_json_values = 3;
  CHECK_NOTHROW(parse("[1,2]", limits));
  CHECK_THAT(refusal([&] { parse("[1,2,3]", limits); }), Catch::Contains("3 values"));
  limits = {};
  limits.max_string_bytes = 4;
  CHECK_NOTHROW(parse("\"abcd\"", limits));
  CHECK_THAT(refusal([&] { parse("\"abcde\"", limits); }), Catch::Contains("4 bytes"));
  CHECK_THAT(refusal([&] { parse(R"("abc\n\n")", limits); }), Catch::Contains("4 bytes"));
  CHECK_FALSE(refusal([&] { parse("{\"abcde\":1}", limits); }).empty());
  limits = {};
  limits.max_header_bytes = 7;
  CHECK_NOTHROW(parse("[1,2,3]", limits));
  CHECK_THAT(refusal([&] { parse("[1,2,3] ", limits); }), Catch::Contains("limit is 7"));
}

TEST_CASE("a cursor skips any value and stops at the next", "[io][json]") {
  std::string text = R"({"a":{"b":[1,{"c":null}],"d":"x"},"e":7})";
  JsonCursor c(text, "a.json");
  std::string key;
  c.begin_object();
  REQUIRE(c.next_key(key));
  c.skip();
  REQUIRE(c.next_key(key));
  CHECK(key == "e");
  CHECK(c.integer() == 7);
  CHECK_FALSE(c.next_key(key));
  c.finish();
}

TEST_CASE("wrong kinds and missing keys are named", "[io][json]") {
  JsonValue v = parse(R"({"a":1})");
  CHECK_THAT(refusal([&] { v.at("b"); }), Catch::Contains("\"b\""));
  CHECK_THAT(refusal([&] { v.at("a").as_string("a"); }),
             Catch::Contains("expected a text, found a whole number"));
  v.set("a", "x");
  v.set("n", size_t{3});
  CHECK(to_json(v) == R"({"a":"x","n":3})");
}

TEST_CASE("the JSON writer is stable and refuses misuse", "[io][json]") {
  JsonWriter w(2);
  w.begin_object().member("a", 1).member("b", "x\x01\x7f").key("c").begin_array();
  w.value(1.0).value(uint64_t{UINT64_MAX}).value(std::nan("")).end_array().end_object();
  CHECK(std::move(w).finish() ==
        "{\n  \"a\": 1,\n  \"b\": \"x\\u0001\\u007f\",\n  \"c\": [\n    1.0,\n    "
        "18446744073709551615,\n    \"nan\"\n  ]\n}");
  CHECK(to_json(JsonValue("a\xff")) == "\"a\xef\xbf\xbd\"");
  CHECK_THROWS_AS(JsonWriter().begin_object().value(1), InternalError);
  CHECK_THROWS_AS(JsonWriter().key("a"), InternalError);
  CHECK_THROWS_AS(JsonWriter().begin_object().end_array(), InternalError);
  CHECK_THROWS_AS(JsonWriter().value(1).value(2), InternalError);
  CHECK_THROWS_AS(std::move(JsonWriter().begin_array()).finish(), InternalError);
}

TEST_CASE("cut or flipped JSON is refused or read, never worse", "[io][json]") {
  std::string text = R"({"a":[1,-2.5e3,"x\u00e9\\",true,null,{"b":{}}],"c":false})";
  Decode decode = [](const Bytes& b) { parse_json(b.text(), "a.json"); };
  check_truncations(text, decode);
  CHECK(accepted_flips(text, decode) > 0);
}
