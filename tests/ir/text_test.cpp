#include <catch2/catch.hpp>
#include <random>

#include "ir/registry.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/support/op_call.h"

using namespace etch;
using namespace etch::ir;

namespace {

constexpr std::string_view kSample = R"(etch.ir 1
fn @f0 "scaled relu" {
  %0 = input "a" : f32[N, 4]
  %1 = full() {shape=dims[], value=f32:0x40000000} : f32[]
  %2 = mul(%0, %1) : f32[N, 4]
  %3 = relu(%2) : f32[N, 4]
  result "r" = %3
}
graph "main" {
  symbol N in [1, 1024]
  symbol M
  require [2*M + 1 <= N] at "net.cpp":7
  require [M != N]
  %0 = input "x" : f32[N, 4] in "encoder" at "net.cpp":12
  %1 = state "w" : f32[2*M + 1]
  %2 = constant #ced8d38a3b6d16dd41f42d2a0f7d9c7f [0x3f800000, 0x80000000] : f32[2]
  %3 = fusion @f0(%0) : f32[N, 4]
  %4 = fusion @f0(%3) : f32[N, 4] in "encoder.second"
  %5 = sum(%4) {axes=[0, -1], keepdims=false} : f32[] at "a \"b\"\\\n.cpp":3
  %6 = constant #K [0x7] : i64[]
  result "y" = %5
  result "w.next" = %1 -> state 1
  result "k > 2" = %6 guard [-3, 2] at "net.cpp":7
}
)";

std::shared_ptr<const Constant> floats(std::vector<float> values, std::vector<int64_t> sizes) {
  auto data = std::make_shared<std::vector<float>>(std::move(values));
  return make_constant(DType::F32, sizes, std::shared_ptr<const void>(data, data->data()));
}

/// The sample with the hash that its two elements have.
std::string sample() {
  std::string text(kSample);
  size_t at = text.find('#') + 1;
  text.replace(at, 32, floats({1.0f, -0.0f}, {2})->hash.to_hex());
  auto seven = std::make_shared<int64_t>(7);
  return text.replace(text.find("#K") + 1, 1, make_constant(DType::I64, {}, seven)->hash.to_hex());
}

std::string parse_error(std::string_view text, const TextLimits& limits = {}) {
  try {
    parse(text, {}, "text", limits);
  } catch (const UserError& e) {
    CHECK(e.kind() == ErrorKind::Unreadable);
    return e.what();
  }
  return "";
}

std::string wrap(std::string_view lines) {
  return cat("etch.ir 1\ngraph \"g\" {\n", lines, "\n}\n");
}

}  // namespace

TEST_CASE("printing what was parsed gives the same text") {
  Graph g = parse(sample());
  REQUIRE(print(g) == sample());
  REQUIRE(same_graph(g, parse(print(g))));
  REQUIRE(g.node(g.node(g.last()).prev).op->name() == "sum");
  REQUIRE(g.loc(g.node(g.node(g.last()).prev).loc).file == "a \"b\"\\\n.cpp");
}

TEST_CASE("bodies that several fusions share are printed once and shared again after parsing") {
  Graph g = parse(sample());
  std::vector<const Graph*> bodies;
  for (NodeId id : g) {
    if (is_fusion(g.node(id))) bodies.push_back(g.node(id).body.get());
  }
  REQUIRE(bodies.size() == 2);
  REQUIRE(bodies[0] == bodies[1]);
  REQUIRE(nested_graphs(g).size() == 1);
}

TEST_CASE("the compact form leaves out origins, defaults and hashes, and still parses") {
  Graph g = parse(sample());
  std::string text = print(g, kCompact);
  REQUIRE(text.find(" in \"") == std::string::npos);
  REQUIRE(text.find(" at \"") == std::string::npos);
  REQUIRE(text.find('#') == std::string::npos);
  REQUIRE(text.find("sum(%5)") == std::string::npos);
  REQUIRE(text.find("sum(%4) {axes=[0, -1]} : f32[]") != std::string::npos);
  Graph again = parse(text);
  REQUIRE(print(again, kCompact) == text);
  REQUIRE_FALSE(same_graph(g, again));
}

TEST_CASE("the summary names inputs, scopes, source lines and what a fusion computes") {
  std::string text = summary(parse(sample()));
  INFO(text);
  REQUIRE(text.find("graph main: 1 input, 1 state, 2 constants, 3 operators, 3 results, 2 fused "
                    "groups") == 0);
  REQUIRE(text.find("  N: 1 to 1024\n") != std::string::npos);
  REQUIRE(text.find("  2*M + 1 <= N  net.cpp:7\n  M != N\n") != std::string::npos);
  REQUIRE(text.find("fused: full, mul, relu") != std::string::npos);
  REQUIRE(text.find("net.cpp:12") != std::string::npos);
  REQUIRE(text.find("encoder.second") != std::string::npos);
  REQUIRE(text.find("-> w.next") != std::string::npos);
}

TEST_CASE("any single difference makes graphs unequal") {
  const std::pair<const char*, const char*> edits[] = {
      {"\"main\"", "\"main2\""},
      {"N in [1, 1024]", "N in [2, 1024]"},
      {"  symbol M\n", ""},
      {"2*M + 1 <= N", "2*M + 1 < N"},
      {"2*M + 1 <= N", "2*M <= N"},
      {"\"net.cpp\":7", "\"net.cpp\":8"},
      {"  require [M != N]\n", ""},
      {"input \"x\"", "input \"z\""},
      {"\"encoder\"", "\"decoder\""},
      {":12", ":13"},
      {"state \"w\"", "input \"w\""},
      {"fusion @f0(%3)", "fusion @f0(%0)"},
      {"0x40000000", "0x40000001"},
      {"keepdims=false} : f32[]", "keepdims=true} : f32[1, 1]"},
      {"relu(%2)", "abs(%2)"},
      {"result \"y\" = %5", "result \"y\" = %4"},
      {" -> state 1", ""},
      {"[-3, 2]", "[-3, 3]"},
      {" guard [-3, 2] at \"net.cpp\":7", ""},
      {"\"net.cpp\":7", "\"net.cpp\":8"},
  };
  Graph g = parse(sample());
  for (const auto& [from, to] : edits) {
    std::string text = sample();
    INFO(from);
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from), std::string_view(from).size(), to);
    if (std::string_view(from).substr(0, 5) == "state") {
      text.replace(text.find(" -> state 1"), 11, "");
    }
    REQUIRE_FALSE(same_graph(g, parse(text)));
  }
}

TEST_CASE("constants of up to 16 elements are written in full and larger ones by hash") {
  Graph g;
  g.add_result(g.add_constant(floats(std::vector<float>(16, 0.5f), {16})), "a");
  g.add_result(g.add_constant(floats(std::vector<float>(17, 0.25f), {17})), "b");
  std::string text = print(g);
  auto large = g.node(g.last()).constant;
  REQUIRE_THROWS_WITH(parse(text),
                      Catch::Contains("not known") && Catch::Contains(large->hash.to_hex()));
  auto lookup = [&](const Hash128& h) {
    return h == large->hash ? large : std::shared_ptr<const Constant>();
  };
  REQUIRE(same_graph(g, parse(text, lookup)));
}

TEST_CASE("contents found by hash take the declared type, when the length fits") {
  auto stored = floats(std::vector<float>(20, 0.0f), {20});
  auto lookup = [&](const Hash128&) { return stored; };
  std::string hash = stored->hash.to_hex();
  Graph g = parse(wrap(cat("%0 = constant #", hash, " : i64[2, 5]")), lookup);
  REQUIRE(g.node(g.first()).constant->dtype == DType::I64);
  REQUIRE(g.node(g.first()).constant->data == stored->data);
  REQUIRE_THROWS_AS(parse(wrap(cat("%0 = constant #", hash, " : f32[21]")), lookup), UserError);
  REQUIRE_THROWS_AS(parse(wrap(cat("%0 = constant #", hash, " : bool[80]")), lookup), UserError);
}

TEST_CASE("errors name the source, line, column, what was expected and what was found") {
  std::string text = wrap("  %0 = input \"x\" : f32[2]\n  %1 = relu(%0] : f32[2]");
  REQUIRE_THROWS_WITH(parse(text, {}, "net.etch"),
                      "[parse] net.etch:4:15: expected ')' after the operands, found ']'");
  const std::pair<const char*, const char*> cases[] = {
      {"%0 = input \"x\" : f32[2]\n%1 = rely(%0) : f32[2]", "4:6: operator 'rely' is not known"},
      {"%0 = input \"x\" : f32[2]\n%1 = relu(%2) : f32[2]",
       "4:11: expected a value that is defined"},
      {"%0 = input \"x\" : f32[2]\n%1 = relu(%0) : f32[3]", "expected the types f32[2] (relu)"},
      {"%0 = input \"x\" : f32[2]\n%0 = relu(%0) : f32[2]", "value %0 is defined twice"},
      {"%0 = input \"x\" : f32[-1]", "has a negative size"},
      {"%0 = input \"x\" : f16[1]", "f16 is not supported yet"},
      {"%0 = input \"x\" : f32[4611686018427387904]", "3:22: expected a size"},
      {"%0 = input \"x\" : f32[1152921504606846976, 8]", "more bytes than"},
      {"%0 = input \"x\" : f32[2 : ", "3:22: expected a size, found '2 :'"},
      {"%0 = input \"x : f32[2]", "expected a closing '\"'"},
      {"%0, %1 = input \"x\" : f32[2]", "expected 1 values before '=', found 2"},
      {"%0 = input \"x\" : f32[]\nresult \"x\" = %0 guard [0, 0]", "not on one bool or integer"},
      {"%0 = input \"x\" : i64[]\nresult \"x\" = %0 guard [1, 0]", "the highest value"},
      {"%0 = constant : f32[]", "expected '#' and a content hash"},
      {"%0 = constant [0x1] : bool[2]", "expected the elements of bool[2], found 1"},
      {"%0 = constant [0x2] : bool[1]", "element 0 does not fit bool"},
      {"%0 = constant #00000000000000000000000000000000 [0x0] : u8[1]", "with the hash"},
      {"%0 = full() {shape=dims[], value=f32:0x1, value=f32:0x1} : f32[]", "is given twice"},
      {"%0 = full() {size=1} : f32[]", "full has no attribute 'size'"},
      {"%0 = full() {shape=1} : f32[1]", "expected '[' before sizes, found '1'"},
      {"%0 = fusion @f(%0) : f32[]", "function @f is not defined"},
      {"%0 = relu.v2(%0) : f32[]", "expected version 1 of relu, found 2"},
      {"%0 = input \"x\" : f32[]\nresult \"y\" = %0 -> state 0", "input 0 is not a state"},
      {"symbol N in [5, 4]", "expected the largest size from 5"},
      {"symbol N\nsymbol N", "declared twice"},
      {"nonsense", "expected a value, 'symbol', 'require', 'result' or '}', found 'nonsense'"},
      {"%0 = full() {value=f32:0x0} : f32[]\n%1 = input \"x\" : f32[]", "come before all other"},
  };
  for (const auto& [lines, message] : cases) {
    INFO(lines);
    CHECK_THAT(parse_error(wrap(lines)), Catch::Contains(message));
  }
  CHECK_THAT(parse_error(""), Catch::Contains("1:1: expected 'etch.ir'"));
  CHECK_THAT(parse_error("etch.ir 2\n"), Catch::Contains("grammar 2 is newer"));
  CHECK_THAT(parse_error(sample() + "}"),
             Catch::Contains("expected the end of the text, found '}'"));
}

TEST_CASE("a constraint between sizes names a relation, and one that never holds is refused") {
  for (Relation r : {Relation::Equal, Relation::NotEqual, Relation::Less, Relation::LessEqual}) {
    Graph g = parse(wrap(cat("symbol N\nsymbol M\nrequire [min(N, 4) + 1 ", r, " 2*M]")));
    REQUIRE(g.constraints.size() == 1);
    CHECK(g.constraints[0].relation == r);
    CHECK(to_text(g.constraints[0].rhs) == "2*M");
    CHECK(same_graph(g, parse(print(g))));
  }
  CHECK_THAT(parse_error(wrap("require [N > M]")),
             Catch::Contains("expected a size, found 'N > M"));
  CHECK_THAT(parse_error(wrap("require [N = M]")), Catch::Contains("expected '='"));
  CHECK_THAT(parse_error(wrap("require [N + 1 <= N]")),
             Catch::Contains("rule 'constraints'") && Catch::Contains("never holds"));
}

TEST_CASE("a graph keeps one of equal constraints, and none that always holds") {
  Graph g;
  Dim n = Dim::symbol("N"), m = Dim::symbol("M");
  g.require(n, Relation::Equal, m, g.intern_loc("a.cpp", 3));
  g.require(m, Relation::Equal, n);
  g.require(n, Relation::Less, n + 1);
  g.require(n, Relation::Less, m + 1);
  g.require(Dim::symbol("K"), Relation::Less, n);
  g.require(Dim::symbol("K"), Relation::LessEqual, m);
  REQUIRE(g.constraints.size() == 2);
  CHECK(g.loc(g.constraints[0].loc).line == 3);
}

TEST_CASE("names may hold any bytes but stay on one line of text") {
  Graph g;
  std::string name = "a\"b\\c\nd\t\x01\xff//#%";
  g.name = name;
  g.add_result(g.add_input(name, {DType::F32, {}}), name);
  std::string text = print(g);
  REQUIRE(std::count(text.begin(), text.end(), '\n') == 5);
  REQUIRE(same_graph(g, parse(text)));
}

TEST_CASE("every limit of the parser holds at the limit and refuses one beyond") {
  std::string text = wrap(
      "symbol N\nrequire [1 <= N]\n%0 = input \"ab\" : f32[N + 1, 2]\n%1 = concat(%0, %0) {axis=0} "
      ": f32[2*N + 2, "
      "2]\n"
      "%2 = sum(%1) {axes=[0, 1]} : f32[]");
  auto check = [&](auto member, size_t needed) {
    TextLimits limits;
    limits.*member = needed;
    CHECK(parse_error(text, limits).empty());
    limits.*member = needed - 1;
    CHECK_FALSE(parse_error(text, limits).empty());
  };
  check(&TextLimits::text_bytes, text.size());
  check(&TextLimits::nodes, 3);
  check(&TextLimits::flat_nodes, 3);
  check(&TextLimits::operands, 2);
  check(&TextLimits::rank, 2);
  check(&TextLimits::list_items, 2);
  check(&TextLimits::name_bytes, 2);
  check(&TextLimits::dim_bytes, 7);
  check(&TextLimits::symbols, 1);
  check(&TextLimits::constraints, 1);
  check(&TextLimits::dims, 3);

  text = "etch.ir 1\n";
  for (int i = 0; i < 5; ++i) {
    text += cat("fn @f", i, " \"f\" {\n%0 = input \"x\" : f32[]\n");
    text += i == 0 ? std::string("%1 = relu(%0) : f32[]\n%2 = relu(%1) : f32[]\n")
                   : cat("%1 = fusion @f", i - 1, "(%0) : f32[]\n%2 = fusion @f", i - 1,
                         "(%1) : f32[]\n");
    text += "result \"r\" = %2\n}\n";
  }
  text += "graph \"g\" {\n%0 = input \"x\" : f32[]\n%1 = fusion @f4(%0) : f32[]\n}\n";
  check(&TextLimits::graphs, 5);
  check(&TextLimits::depth, 6);
  size_t flat = 3;  // doubles with every level
  for (int i = 1; i < 5; ++i) flat = 3 + 2 * flat;
  check(&TextLimits::flat_nodes, 2 + flat);
}

namespace {

/// Random attributes and operands; most do not fit together, and inference says which do.
class RandomNodes {
 public:
  explicit RandomNodes(uint32_t seed) : rng_(seed) {}

  /// Adds a node of `op` with inputs of its own to `g`; false when inference refused `tries` times.
  bool add(Graph& g, const OpDef& op, int tries) {
    for (int t = 0; t < tries; ++t) {
      std::vector<TensorType> in = operands(op);
      std::shared_ptr<void> attrs = op.schema->create();
      for (int i = 0; i < op.schema->count; ++i) {
        if (below(2) == 0) op.schema->set(attrs.get(), i, change(op.schema->get(attrs.get(), i)));
      }
      if (try_add(g, op, in, attrs.get())) return true;
    }
    return false;
  }

 private:
  int64_t below(int64_t n) { return static_cast<int64_t>(rng_() % static_cast<uint64_t>(n)); }
  DType dtype() {
    DType t;
    do {
      t = static_cast<DType>(below(kDTypeCount));
    } while (!contains(kSupported, t));
    return t;
  }
  DType dtype_in(DTypeSet set) {
    DType t = dtype();
    while (!contains(set, t)) t = dtype();
    return t;
  }
  Dim dim() {
    return below(4) == 0 ? Dim::symbol(below(2) == 0 ? "N" : "M") + below(2) : Dim(below(4));
  }

  AttrValue change(AttrValue v) {
    if (std::holds_alternative<bool>(v)) return below(2) == 0;
    if (std::holds_alternative<int64_t>(v)) return below(6) - 2;
    if (std::holds_alternative<double>(v)) {
      uint64_t bits = uint64_t{rng_()} << 32 | rng_();
      return std::bit_cast<double>(bits);
    }
    if (std::holds_alternative<DType>(v)) return dtype();
    if (std::holds_alternative<Number>(v)) {
      DType t = dtype();
      uint64_t bits = uint64_t{rng_()} << 32 | rng_();
      if (is_bool(t)) bits &= 1;
      return Number{t, etch::bits(t) == 64 ? bits : bits & ((uint64_t{1} << etch::bits(t)) - 1)};
    }
    int64_t count = below(4);
    if (std::holds_alternative<Axes>(v)) {
      Axes axes;
      for (int64_t i = 0; i < count; ++i) axes.push_back(below(5) - 2);
      return axes;
    }
    if (std::holds_alternative<Shape>(v)) {
      Shape shape;
      for (int64_t i = 0; i < count; ++i) shape.push_back(below(8) == 0 ? Dim(-1) : dim());
      return shape;
    }
    std::string s;
    for (int64_t i = 0; i < count; ++i) s += static_cast<char>(below(256));
    return s;
  }

  std::vector<TensorType> operands(const OpDef& op) {
    int count = op.min_operands +
                static_cast<int>(below(std::min(op.max_operands - op.min_operands, 2) + 1));
    DType common = dtype_in(op.info.types);
    Shape shape;
    for (int64_t i = below(5); i > 0; --i) shape.push_back(dim());
    std::vector<TensorType> in;
    for (int i = 0; i < count; ++i) {
      bool typed = i >= op.typed_from && i < op.typed_to;
      Shape own = shape;
      if (below(3) == 0) {
        own.clear();
        for (int64_t k = below(5); k > 0; --k) own.push_back(dim());
      }
      in.push_back({typed ? common : dtype_in(below(2) == 0 ? kBoolSet : kInts), own});
    }
    return in;
  }

  bool try_add(Graph& g, const OpDef& op, const std::vector<TensorType>& in, const void* attrs) {
    Types out;
    try {
      out = infer_types(op, in, attrs);
    } catch (const UserError&) {
      return false;
    }
    for (const TensorType& t : out) {
      if (!type_problem(t).empty()) return false;
    }
    SmallVec<Value, 4> values;
    for (const TensorType& t : in) values.push_back(g.add_input(cat("i", g.size()), t));
    g.add_node(op, values, AttrBox::copy(*op.schema, attrs), out);
    return true;
  }

  std::mt19937 rng_;
};

}  // namespace

TEST_CASE("every operator with random attributes survives print and parse") {
  RandomNodes random(7);
  std::string missing;
  for (const OpDef* op : all_ops()) {
    Graph g;
    int made = 0;
    if (op->is_control()) {  // graphs as attributes are not found by chance
      for (const test::OpCase& c : test::op_cases(*op, DType::F32)) {
        g = test::graph_of(c);
        ++made;
      }
    }
    for (int i = 0; i < 12; ++i) made += random.add(g, *op, 400) ? 1 : 0;
    if (made == 0) missing += cat(op->name(), " ");
    std::string text = print(g);
    INFO(text);
    Graph again = parse(text);
    REQUIRE(same_graph(g, again));
    REQUIRE(print(again) == text);
    REQUIRE(same_graph(g, parse(print(g, kCompact))));
  }
  // Nearly everything must be reachable by chance; convolutions have four shapes to agree on.
  INFO(missing);
  CHECK(std::count(missing.begin(), missing.end(), ' ') <= 4);
}

namespace {

std::string mutate(std::string text, std::mt19937& rng) {
  static constexpr std::string_view kPieces[] = {"%",
                                                 "@f0",
                                                 "#",
                                                 "\"",
                                                 "{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 "(",
                                                 ")",
                                                 "=",
                                                 ",",
                                                 "->",
                                                 "-",
                                                 "0x",
                                                 "//",
                                                 "99999999999999999999",
                                                 "-1",
                                                 "9223372036854775807",
                                                 "floordiv(N, 0)",
                                                 "mod(N, 1)",
                                                 "*N",
                                                 "graph",
                                                 "fn",
                                                 "state",
                                                 "fusion",
                                                 "f32",
                                                 "u4",
                                                 "c128",
                                                 "dims[]",
                                                 ".v9",
                                                 "\\",
                                                 "\n",
                                                 "in",
                                                 "at"};
  for (uint32_t edits = 1 + rng() % 4; edits > 0; --edits) {
    size_t at = rng() % (text.size() + 1);
    size_t length = std::min<size_t>(rng() % 12, text.size() - at);
    switch (rng() % 5) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, kPieces[rng() % std::size(kPieces)]);
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(rng());
        break;
      case 3:
        text.insert(at, text.substr(rng() % text.size(), rng() % 40));
        break;
      default:
        text.replace(at, length, kPieces[rng() % std::size(kPieces)]);
    }
    if (text.empty()) text = "e";
  }
  return text;
}

}  // namespace

TEST_CASE("thousands of mutated texts are refused with a position or parse into a sound graph") {
  std::mt19937 rng(11);
  RandomNodes random(13);
  std::vector<std::string> seeds{sample()};
  for (const OpDef* op : all_ops()) {
    Graph g;
    random.add(g, *op, 400);
    if (op->is_control()) g = test::graph_of(test::op_cases(*op, DType::F32).front());
    seeds.push_back(print(g));
  }
  int accepted = 0;
  for (int i = 0; i < 6000; ++i) {
    std::string text = mutate(seeds[rng() % seeds.size()], rng);
    INFO(text);
    try {
      Graph g = parse(text);
      ++accepted;
      verify(g);
      if (!same_graph(g, parse(print(g)))) FAIL("the accepted graph does not round-trip");
    } catch (const UserError& e) {
      if (e.kind() != ErrorKind::Unreadable) FAIL("wrong kind: " << e.what());
    }
  }
  CHECK(accepted > 100);
}
