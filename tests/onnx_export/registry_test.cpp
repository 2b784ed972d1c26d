#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>

#include "ir/registry.h"
#include "ir/support/error.h"
#include "tests/onnx_export/dense_emitter.h"
#include "tests/onnx_export/op_cases.h"
#include "tests/onnx_export/oracle.h"
#include "tests/skip.h"

using namespace etch;
using namespace etch::ir;
using namespace etch::onnx;
using namespace etch::test;

namespace {

/// x0, x1, ... -> op -> y0, ...; two inputs more tell the symbolic sizes.
Graph graph_of(const OpCase& c) {
  Graph g;
  std::vector<ir::Value> in;
  for (const TensorType& t : c.in) in.push_back(g.add_input(cat("x", in.size()), t));
  g.add_input("sizes", {DType::F32, {Dim::symbol("N"), Dim::symbol("M")}});
  GraphEmitter e(g);
  Vars operands;
  for (ir::Value v : in) operands.push_back(e.var(v));
  Vars results = e.emit(*c.op, operands, c.attr_data());
  for (size_t i = 0; i < results.size(); ++i) {
    g.add_result(GraphEmitter::value(results[i]), cat("y", i));
  }
  return g;
}

std::string write(const Graph& g, const ExportOptions& options) {
  std::string bytes;
  export_onnx(g, options, [&](std::span<const std::byte> b) {
    bytes.append(reinterpret_cast<const char*>(b.data()), b.size());
  });
  return bytes;
}

/// Expected results, from the operator's own definition.
void fill_expected(const OpCase& c, OracleBatch::Case& out) {
  DenseEmitter e(case_bindings());
  Vars operands;
  std::vector<Dense> values = draw_operands(c, 7);
  for (size_t i = 0; i < values.size(); ++i) {
    operands.push_back(e.value(c.in[i], values[i]));
    out.inputs.push_back({cat("x", i), values[i]});
  }
  out.inputs.push_back(
      {"sizes",
       Dense(DType::F32, shape_eval(Shape{Dim::symbol("N"), Dim::symbol("M")}, case_bindings()))});
  Vars results = e.emit(*c.op, operands, c.attr_data());
  for (size_t i = 0; i < results.size(); ++i)
    out.outputs.push_back({cat("y", i), e.data(results[i])});
  // ONNX Runtime's f32 functions are good for some units in the last place, f64 for more digits.
  bool wide = c.in.empty() || c.in.back().dtype == DType::F64;
  out.rtol = wide ? 1e-9 : 2e-5;
  out.atol = wide ? 1e-11 : 2e-5;
}

bool later_opset_only(const std::vector<Blocker>& blockers) {
  return std::all_of(blockers.begin(), blockers.end(),
                     [](const Blocker& b) { return b.opset != 0; });
}

struct Tally {
  size_t later = 0;
  std::map<std::string, std::string> blocked;  // operator and dtype -> reason
};

/// Adds one case at one opset, unless something stands in the way.
void add_case(const OpCase& c, int opset, const char* target, OracleBatch& batch, Tally& tally) {
  Graph g = graph_of(c);
  ExportOptions options;
  options.opset = opset;
  options.target = target;
  std::vector<Blocker> blockers;
  to_model(g, options, nullptr, &blockers);
  if (!blockers.empty()) {
    if (later_opset_only(blockers))
      ++tally.later;
    else
      tally.blocked[cat(c.op->name(), " ", c.in.empty() ? "" : name(c.in.back().dtype))] =
          blockers[0].reason;
    CHECK_THROWS_AS(write(g, options), UserError);
    return;
  }
  OracleBatch::Case out;
  out.name = cat(c.name, " at opset ", opset, *target != '\0' ? " for " : "", target);
  out.opset = opset;
  out.must_run = *target != '\0';
  fill_expected(c, out);
  out.bytes = write(g, options);
  batch.add(out);
}

void run_opsets(std::initializer_list<int> opsets, const char* target, DTypeSet types) {
  if (oracle_python() == nullptr)
    ETCH_SKIP("ETCH_PYTHON names no Python with onnx and onnxruntime");
  OracleBatch batch;
  Tally tally;
  for (const OpDef* op : all_ops()) {
    INFO(op->name());
    size_t samples = 0;
    for (int t = 0; t < kDTypeCount; ++t) {
      for (const OpCase& c : op_cases(*op, static_cast<DType>(t))) {
        ++samples;
        if (!contains(types, static_cast<DType>(t))) continue;
        for (int opset : opsets) {
          CHECK_NOTHROW(add_case(c, opset, target, batch, tally));
        }
      }
    }
    CHECK(samples > 0);
  }
  OracleBatch::Answer answer = batch.run();
  if (std::getenv("ETCH_TEST_VERBOSE") != nullptr) {
    for (const auto& [what, why] : tally.blocked)
      std::printf("blocked %s: %s\n", what.c_str(), why.c_str());
    std::printf("%zu models, %zu need a later opset\n%s", batch.size(), tally.later,
                answer.text.c_str());
  }
  INFO(answer.text);
  CHECK(answer.ok);
}

}  // namespace

TEST_CASE("every operator exported for ONNX Runtime gives there what it gives here", "[onnx]") {
  run_opsets({13, 18}, "ort", kAll);
}

TEST_CASE("every operator exports at every opset", "[onnx]") {
  run_opsets({7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 19, 21, 26}, "ort",
             bit(DType::F32) | bit(DType::I64));
}

TEST_CASE("every operator exported for no engine in particular passes the reference checker",
          "[onnx]") {
  run_opsets({13, 17}, "", bit(DType::F64) | bit(DType::I16) | bit(DType::Bool));
}
