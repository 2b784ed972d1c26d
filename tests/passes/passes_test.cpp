#include <catch2/catch.hpp>

#include "ir/interfaces.h"
#include "ir/ops/elementwise.h"
#include "ir/registry.h"
#include "ir/scalar/eval.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/cse.h"
#include "passes/dce.h"
#include "passes/decompose.h"
#include "passes/fold.h"
#include "passes/pipeline.h"
#include "passes/simplify.h"

using namespace etch;
using namespace etch::ir;
using namespace etch::passes;

namespace {

std::string wrap(std::string_view lines) { return cat("etch.ir 1\ngraph \"g\" {\n", lines, "}\n"); }

/// The lines between the braces after a pass, in the compact form.
std::string after(std::string_view lines, std::initializer_list<PassFunction> run,
                  const PassContext& context = {}) {
  Graph g = parse(wrap(lines));
  for (PassFunction pass : run) {
    pass(g, context);
    verify(g);
  }
  std::string text = print(g, kCompact);
  size_t begin = text.find("{\n") + 2;
  return text.substr(begin, text.rfind('}') - begin);
}

/// The operator lines only, with `simplify` and `dce` run.
std::string simplified(std::string_view lines) {
  std::string out;
  std::string text = after(lines, {simplify, dce});
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    if (line.find(" = input ") == std::string::npos) out += line + "\n";
    at = end + 1;
  }
  return out;
}

/// "%0 = input f32[2]", then `line` as the last statements and a result.
std::string on_x(std::string_view dtype, std::string_view lines, std::string_view result) {
  return cat("  %x = input \"x\" : ", dtype, "[2, 3]\n", lines, "  result \"y\" = %", result, "\n");
}

constexpr std::string_view kGone = "  result \"y\" = %0\n";

/// Adds and transposes f32 constants with plain loops: an evaluator that shares nothing with
/// Etch's.
class TinyEvaluator : public Evaluator {
 public:
  int calls = 0;
  std::vector<std::shared_ptr<const Constant>> evaluate(
      const Graph& g, std::span<const std::shared_ptr<const Constant>> inputs,
      size_t budget) override {
    ++calls;
    const Node& n = g.node(g.last());
    const auto* a = static_cast<const float*>(inputs[0]->data.get());
    Sizes sizes = shape_eval(n.outputs[0].shape, {});
    int64_t count = 1;
    for (int64_t s : sizes) count *= s;
    if (static_cast<size_t>(count) * 4 > budget) fail("tiny", "over budget");
    auto out = std::make_shared<std::vector<float>>(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      auto k = static_cast<size_t>(i);
      if (n.op->name() == "permute") {
        (*out)[k] = a[(i % sizes[1]) * sizes[0] + i / sizes[1]];
      } else if (n.op->name() == "add") {
        (*out)[k] = a[i] + static_cast<const float*>(inputs[1]->data.get())[i];
      } else {
        fail("tiny", cat("cannot run ", n.op->name()));
      }
    }
    return {make_constant(DType::F32, sizes, std::shared_ptr<const void>(out, out->data()))};
  }
};

}  // namespace

TEST_CASE("dce removes what no result needs and keeps the signature") {
  REQUIRE(after("  %0 = input \"x\" : f32[2]\n  %1 = input \"unused\" : f32[2]\n"
                "  %2 = relu(%0) : f32[2]\n  %3 = neg(%2) : f32[2]\n  %4 = abs(%3) : f32[2]\n"
                "  result \"y\" = %2\n",
                {dce}) ==
          "  %0 = input \"x\" : f32[2]\n  %1 = input \"unused\" : f32[2]\n"
          "  %2 = relu(%0) : f32[2]\n  result \"y\" = %2\n");
}

TEST_CASE("cse merges equal nodes, through commuted operands, and nothing else") {
  REQUIRE(
      after("  %0 = input \"x\" : f32[2]\n  %1 = input \"z\" : f32[2]\n"
            "  %2 = add(%0, %1) : f32[2]\n  %3 = add(%1, %0) : f32[2]\n"
            "  %4 = sub(%0, %1) : f32[2]\n  %5 = sub(%1, %0) : f32[2]\n"
            "  %6 = mul(%2, %3) : f32[2]\n  %7 = sum(%6) {axes=[0]} : f32[]\n"
            "  %8 = sum(%6) {axes=[-1]} : f32[]\n"
            "  result \"a\" = %4\n  result \"b\" = %5\n  result \"c\" = %7\n  result \"d\" = %8\n",
            {cse}) ==
      "  %0 = input \"x\" : f32[2]\n  %1 = input \"z\" : f32[2]\n"
      "  %2 = add(%0, %1) : f32[2]\n  %3 = sub(%0, %1) : f32[2]\n  %4 = sub(%1, %0) : f32[2]\n"
      "  %5 = mul(%2, %2) : f32[2]\n  %6 = sum(%5) {axes=[0]} : f32[]\n"
      "  %7 = sum(%5) {axes=[-1]} : f32[]\n"
      "  result \"a\" = %3\n  result \"b\" = %4\n  result \"c\" = %6\n  result \"d\" = %7\n");
}

TEST_CASE("cse tells constants apart by bits, dtype and shape") {
  std::string text = after(
      "  %0 = constant [0x0] : f32[]\n  %1 = constant [0x80000000] : f32[]\n"
      "  %2 = constant [0x0] : i32[]\n  %3 = constant [0x0] : f32[1]\n  %4 = constant [0x0] : "
      "f32[]\n"
      "  result \"a\" = %0\n  result \"b\" = %1\n  result \"c\" = %2\n  result \"d\" = %3\n"
      "  result \"e\" = %4\n",
      {cse});
  REQUIRE(text.find("result \"e\" = %0") != std::string::npos);
  REQUIRE(text.find("result \"d\" = %3") != std::string::npos);
}

TEST_CASE("a merged node takes over a source line when it has none") {
  Graph g =
      parse(wrap("  %0 = input \"x\" : f32[]\n  %1 = relu(%0) : f32[]\n"
                 "  %2 = relu(%0) : f32[] in \"head\" at \"net.cpp\":7\n"
                 "  result \"a\" = %1\n  result \"b\" = %2\n"));
  REQUIRE(cse(g, {}));
  REQUIRE(g.loc(g.node(g.last()).loc).line == 7);
  REQUIRE(g.scope(g.node(g.last()).scope) == "head");
}

TEST_CASE("decompose leaves no composite and keeps scope and source line") {
  Graph g =
      parse(wrap("  %0 = input \"x\" : f32[2, 3]\n"
                 "  %1 = softmax(%0) {axis=1} : f32[2, 3] in \"head\" at \"net.cpp\":9\n"
                 "  %2 = silu(%1) : f32[2, 3]\n  result \"y\" = %2\n"));
  REQUIRE(decompose(g, {}));
  verify(g);
  REQUIRE(g.size() > 4);
  for (NodeId id : g) {
    const Node& n = g.node(id);
    CHECK(n.op->kind != OpKind::Composite);
    if (n.op->name() == "exp") CHECK(g.loc(n.loc).line == 9);
    if (n.op->name() == "sigmoid") CHECK(n.loc == 0);
  }
  REQUIRE_FALSE(decompose(g, {}));
}

TEST_CASE("every exact arithmetic rule rewrites what it says") {
  auto one = [](std::string_view op, std::string_view value, std::string_view dtype = "f32") {
    return simplified(on_x(dtype,
                           cat("  %c = full() {shape=dims[], value=", dtype, ":", value,
                               "} : ", dtype, "[]\n  %y = ", op, "(%x, %c) : ", dtype, "[2, 3]\n"),
                           "y"));
  };
  CHECK(one("mul", "0x3f800000") == kGone);
  CHECK(one("div", "0x3f800000") == kGone);
  CHECK(one("add", "0x80000000") == kGone);
  CHECK(one("sub", "0x0") == kGone);
  CHECK(one("add", "0x0", "i32") == kGone);
  CHECK(one("mul", "0x1", "u8") == kGone);
  CHECK(one("add", "0x0", "bool") == kGone);
  CHECK(one("mul", "0x1", "bool") == kGone);
  CHECK_THAT(one("mul", "0xbf800000"), Catch::Contains("neg(%0)"));
  CHECK_THAT(one("mul", "0xffffffff", "i32"), Catch::Contains("neg(%0)"));
  // 8 = 2^3: x / 8 = x * 0.125; 10 has no exact inverse and that of 2^127 is denormal.
  CHECK_THAT(one("div", "0x41000000"),
             Catch::Contains("value=f32:0x3e000000") && Catch::Contains("mul("));
  CHECK_THAT(one("div", "0x41200000"), Catch::Contains("div("));
  CHECK_THAT(one("div", "0x7f000000"), Catch::Contains("div("));
}

TEST_CASE("rules that would change a bit are refused") {
  auto kept = [](std::string_view op, std::string_view value) {
    std::string text = simplified(on_x("f32",
                                       cat("  %c = full() {shape=dims[], value=f32:", value,
                                           "} : f32[]\n  %y = ", op, "(%x, %c) : f32[2, 3]\n"),
                                       "y"));
    return text.find(cat(" ", op, "(")) != std::string::npos;
  };
  CHECK(kept("add", "0x0"));         // -0 + +0 = +0
  CHECK(kept("sub", "0x80000000"));  // -0 - -0 = +0
  CHECK(kept("mul", "0x0"));         // NaN, infinities, signs
  CHECK(kept("pow", "0x40000000"));
  auto lines = [](std::string_view text) { return simplified(on_x("f32", text, "y")); };
  CHECK_THAT(lines("  %y = sub(%x, %x) : f32[2, 3]\n"), Catch::Contains("sub("));
  CHECK_THAT(lines("  %y = div(%x, %x) : f32[2, 3]\n"), Catch::Contains("div("));
  CHECK_THAT(lines("  %a = lt(%x, %x) : bool[2, 3]\n  %y = logical_not(%a) : bool[2, 3]\n"),
             Catch::Contains("logical_not("));
}

TEST_CASE("a rule never changes a shape: x * ones of a larger shape stays") {
  CHECK_THAT(
      simplified(on_x("f32",
                      "  %c = full() {shape=dims[4, 2, 3], value=f32:0x3f800000} : f32[4, 2, 3]\n"
                      "  %y = mul(%x, %c) : f32[4, 2, 3]\n",
                      "y")),
      Catch::Contains("mul("));
}

TEST_CASE("minus signs, double negation and repeated functions disappear") {
  auto lines = [](std::string_view dtype, std::string_view text) {
    return simplified(on_x(dtype, text, "y"));
  };
  CHECK(lines("f32", "  %a = neg(%x) : f32[2, 3]\n  %y = neg(%a) : f32[2, 3]\n") == kGone);
  CHECK(lines("f32", "  %a = neg(%x) : f32[2, 3]\n  %y = add(%x, %a) : f32[2, 3]\n") ==
        "  %1 = sub(%0, %0) : f32[2, 3]\n  result \"y\" = %1\n");
  CHECK(lines("f32", "  %a = neg(%x) : f32[2, 3]\n  %y = mul(%a, %a) : f32[2, 3]\n") ==
        "  %1 = mul(%0, %0) : f32[2, 3]\n  result \"y\" = %1\n");
  CHECK(lines("f32", "  %a = neg(%x) : f32[2, 3]\n  %y = abs(%a) : f32[2, 3]\n") ==
        "  %1 = abs(%0) : f32[2, 3]\n  result \"y\" = %1\n");
  CHECK(lines("f32", "  %a = floor(%x) : f32[2, 3]\n  %y = floor(%a) : f32[2, 3]\n") ==
        "  %1 = floor(%0) : f32[2, 3]\n  result \"y\" = %1\n");
  CHECK(lines("f32", "  %y = maximum(%x, %x) : f32[2, 3]\n") == kGone);
  CHECK(
      lines("bool", "  %a = logical_not(%x) : bool[2, 3]\n  %y = logical_not(%a) : bool[2, 3]\n") ==
      kGone);
  CHECK(lines("bool",
              "  %c = full() {shape=dims[], value=bool:0x1} : bool[]\n"
              "  %y = where(%c, %x, %c) : bool[2, 3]\n") == kGone);
}

TEST_CASE("casts through a type that holds every value disappear, the others stay") {
  auto chain = [](std::string_view from, std::string_view middle, std::string_view to) {
    std::string text =
        simplified(on_x(from,
                        cat("  %a = cast(%x) {to=", middle, "} : ", middle,
                            "[2, 3]\n  %y = cast(%a) {to=", to, "} : ", to, "[2, 3]\n"),
                        "y"));
    int casts = 0;
    for (size_t at = text.find("cast("); at != std::string::npos; at = text.find("cast(", at + 1)) {
      ++casts;
    }
    return casts;
  };
  CHECK(chain("f32", "f64", "f32") == 0);
  CHECK(chain("i16", "f32", "i16") == 0);
  CHECK(chain("bool", "f32", "bool") == 0);
  CHECK(chain("f32", "f64", "i8") == 1);
  CHECK(chain("u8", "i32", "f32") == 1);
  CHECK(chain("i8", "i64", "u16") == 1);
  CHECK(chain("f64", "f32", "f64") == 2);  // rounds
  CHECK(chain("i32", "f32", "i32") == 2);  // rounds
  CHECK(chain("i32", "f64", "i8") == 2);   // saturates where the direct cast wraps
  CHECK(chain("i8", "u8", "i32") == 2);    // -1 becomes 255
  CHECK(chain("i32", "bool", "i32") == 2);
}

TEST_CASE("removed casts give the same bits as kept ones, for every pair of types and edge value") {
  const uint64_t edges[] = {0,
                            1,
                            2,
                            0x7f,
                            0x80,
                            0xff,
                            0x7fff,
                            0x8000,
                            0xffff,
                            0x7fffffff,
                            0x80000000,
                            0xffffffff,
                            0x7fffffffffffffff,
                            0x8000000000000000,
                            ~uint64_t{0},
                            0x3f800000,
                            0x7fc00000,
                            0x7f800000,
                            0xff800000,
                            0x3ff0000000000000,
                            0x4f000000,
                            0xc3800000};
  for (int f = 0; f < kDTypeCount; ++f) {
    for (int m = 0; m < kDTypeCount; ++m) {
      for (int t = 0; t < kDTypeCount; ++t) {
        DType from = static_cast<DType>(f), middle = static_cast<DType>(m),
              to = static_cast<DType>(t);
        if (!contains(kSupported, from) || !contains(kSupported, middle) ||
            !contains(kSupported, to)) {
          continue;
        }
        Graph g;
        GraphEmitter e(g);
        Var x = e.var(g.add_input("x", {from, {}}));
        g.add_result(GraphEmitter::value(op<Cast>({to}, op<Cast>({middle}, x))), "y");
        simplify(g, {});
        dce(g, {});
        if (g.size() == 3) continue;  // kept
        for (uint64_t edge : edges) {
          uint64_t bits = edge;
          if (etch::bits(from) < 64) bits &= (uint64_t{1} << etch::bits(from)) - 1;
          if (is_bool(from)) bits &= 1;
          bits = canonical_value(from, bits);
          uint64_t direct = eval_cast(from, to, bits);
          uint64_t through = eval_cast(middle, to, eval_cast(from, middle, bits));
          INFO(name(from) << " " << name(middle) << " " << name(to) << " " << bits);
          if (canonical_value(to, direct) != canonical_value(to, through)) FAIL("other bits");
        }
      }
    }
  }
}

TEST_CASE("views of views compose and views that do nothing disappear") {
  auto lines = [](std::string_view text) { return simplified(on_x("f32", text, "y")); };
  CHECK(lines("  %a = reshape(%x) {shape=dims[6]} : f32[6]\n"
              "  %y = reshape(%a) {shape=dims[2, -1]} : f32[2, 3]\n") == kGone);
  CHECK(lines("  %a = permute(%x) {axes=[1, 0]} : f32[3, 2]\n"
              "  %y = permute(%a) {axes=[-1, -2]} : f32[2, 3]\n") == kGone);
  CHECK(lines("  %a = unsqueeze(%x) {axes=[0]} : f32[1, 2, 3]\n"
              "  %y = permute(%a) {axes=[1, 0, 2]} : f32[2, 1, 3]\n") ==
        "  %1 = reshape(%0) {shape=dims[2, 1, 3]} : f32[2, 1, 3]\n  result \"y\" = %1\n");
  CHECK(lines("  %y = slice(%x) {axis=1, range=dims[0, 3]} : f32[2, 3]\n") == kGone);
  CHECK(lines("  %a = slice(%x) {axis=1, range=dims[1, 3]} : f32[2, 2]\n"
              "  %y = slice(%a) {axis=-1, range=dims[1, 2]} : f32[2, 1]\n") ==
        "  %1 = slice(%0) {axis=1, range=dims[2, 3]} : f32[2, 1]\n  result \"y\" = %1\n");
  CHECK(lines("  %a = expand(%x) {shape=dims[4, 2, 3]} : f32[4, 2, 3]\n"
              "  %y = expand(%a) {shape=dims[5, 4, 2, 3]} : f32[5, 4, 2, 3]\n") ==
        "  %1 = expand(%0) {shape=dims[5, 4, 2, 3]} : f32[5, 4, 2, 3]\n  result \"y\" = %1\n");
  CHECK(lines("  %y = concat(%x) {axis=0} : f32[2, 3]\n") == kGone);
  CHECK(lines("  %c = full() {shape=dims[3], value=f32:0x40400000} : f32[3]\n"
              "  %e = expand(%c) {shape=dims[2, 3]} : f32[2, 3]\n"
              "  %y = sub(%x, %e) : f32[2, 3]\n") ==
        "  %1 = full() {shape=dims[3], value=f32:0x40400000} : f32[3]\n"
        "  %2 = sub(%0, %1) : f32[2, 3]\n  result \"y\" = %2\n");
}

TEST_CASE("folding computes numbers without an engine and never makes tensors of them") {
  CHECK(after("  %0 = full() {shape=dims[], value=f32:0x40000000} : f32[]\n"
              "  %1 = constant [0x40400000] : f32[]\n  %2 = mul(%0, %1) : f32[]\n"
              "  %3 = expand(%2) {shape=dims[1000, 1000]} : f32[1000, 1000]\n"
              "  %4 = neg(%3) : f32[1000, 1000]\n  result \"y\" = %4\n",
              {fold, dce}) ==
        "  %0 = full() {shape=dims[1000, 1000], value=f32:0xc0c00000} : f32[1000, 1000]\n"
        "  result \"y\" = %0\n");
}

TEST_CASE("tensors fold through the evaluator, within the budget, and never grow") {
  constexpr std::string_view text =
      "  %0 = constant [0x3f800000, 0x40000000, 0x40400000, 0x40800000, 0x40a00000, 0x40c00000] : "
      "f32[2, 3]\n"
      "  %1 = permute(%0) {axes=[1, 0]} : f32[3, 2]\n  %2 = add(%1, %1) : f32[3, 2]\n"
      "  %3 = sqrt(%2) : f32[3, 2]\n  result \"y\" = %2\n  result \"z\" = %3\n";
  TinyEvaluator tiny;
  PassContext context{.evaluator = &tiny};
  std::string folded = after(text, {fold, dce}, context);
  CHECK(
      folded ==
      "  %0 = constant [0x40000000, 0x41000000, 0x40800000, 0x41200000, 0x40c00000, 0x41400000] : "
      "f32[3, 2]\n  %1 = sqrt(%0) : f32[3, 2]\n  result \"y\" = %0\n  result \"z\" = %1\n");
  CHECK(tiny.calls == 3);  // the failing sqrt was asked for and left in place
  context.fold_budget = 24;
  CHECK_THAT(after(text, {fold, dce}, context),
             Catch::Contains("add(") && !Catch::Contains("permute("));
  CHECK_THAT(after("  %0 = constant [0x1, 0x2] : f32[2]\n"
                   "  %1 = expand(%0) {shape=dims[1000, 2]} : f32[1000, 2]\n  result \"y\" = %1\n",
                   {fold}, PassContext{.evaluator = &tiny}),
             Catch::Contains("expand("));
}

TEST_CASE("every row of the pipeline has a name, a function and a reason") {
  for (const Pass& pass : pipeline()) {
    CHECK_FALSE(pass.name.empty());
    CHECK((pass.run != nullptr) != (pass.make != nullptr));
    CHECK(pass.why.size() > 10);
  }
}

TEST_CASE("the manager reports, skips, stops and shows what changed") {
  std::string text = wrap(
      "  %0 = input \"x\" : f32[2]\n  %1 = neg(%0) : f32[2]\n"
      "  %2 = neg(%1) : f32[2]\n  result \"y\" = %2\n");
  std::string changes;
  PassOptions options;
  options.verify_each = true;
  options.changes = [&](std::string_view s) { changes += s; };
  Graph g = parse(text);
  auto reports = optimize(g, options);
  CHECK(reports.size() == pipeline().size());
  CHECK(g.size() == 1);
  CHECK_THAT(changes, Catch::Contains("pass simplify\n- result \"y\" = %2\n+ result \"y\" = %0\n"));
  CHECK_THAT(changes,
             Catch::Contains("pass dce\n- %1 = neg(%0) : f32[2]\n- %2 = neg(%1) : f32[2]\n"));
  CHECK_THAT(to_text(reports), Catch::Contains("dce         3 -> 3 nodes"));

  Graph stopped = parse(text);
  options.stop_after = 1;
  CHECK(optimize(stopped, options).size() == 1);
  CHECK(stopped.size() == 3);

  Graph skipped = parse(text);
  PassOptions without;
  without.skip = {"simplify", "fuse"};
  optimize(skipped, without);
  CHECK(skipped.size() == 3);
  without.skip = {"no such pass"};
  CHECK_THROWS_AS(optimize(skipped, without), UserError);
}

TEST_CASE("bounded passes run at level fast only, and a pass that breaks the graph is named") {
  auto breaks = [](Graph& g, const PassContext&) {
    g.set_output_type({g.last(), 0}, {DType::F64, {}});
    return true;
  };
  const Pass rows[] = {{"breaker", breaks, PassClass::Bounded, "for this test"}};
  std::string text =
      wrap("  %0 = input \"x\" : f32[]\n  %1 = neg(%0) : f32[]\n  result \"y\" = %1\n");
  Graph g = parse(text);
  PassOptions options;
  options.verify_each = true;
  CHECK(run_passes(g, rows, options).empty());
  options.level = Level::Fast;
  CHECK_THROWS_WITH(run_passes(g, rows, options), Catch::Contains("after pass 'breaker'"));
}
