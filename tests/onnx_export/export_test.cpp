#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "ir/facts.h"
#include "ir/ops/nn.h"
#include "ir/support/error.h"
#include "onnx_export/exporter.h"
#include "onnx_export/model_io.h"
#include "tests/onnx_export/oracle.h"
#include "tests/skip.h"

using namespace etch;
using namespace etch::ir;
using namespace etch::onnx;
using namespace etch::test;
using Catch::Matchers::Contains;

namespace {

std::shared_ptr<const Constant> ramp(Sizes sizes) {
  Dense d(DType::F32, sizes);
  for (int64_t i = 0; i < d.numel(); ++i)
    d.as<float>()[i] = static_cast<float>(i % 7) * 0.25f - 0.5f;
  auto data = std::make_shared<std::vector<std::byte>>(d.bytes);
  return make_constant(DType::F32, sizes, std::shared_ptr<const void>(data, data->data()));
}

/// Two linear layers that share one weight, rows of symbolic number, then a layer norm.
Graph shared_layers() {
  Graph g;
  g.name = "net";
  Dim n = Dim::symbol("N");
  ir::Value x = g.add_input("x", {DType::F32, {n, Dim(4)}});
  ir::Value w = g.add_input("encoder.weight", {DType::F32, {Dim(4), Dim(4)}}, InputKind::State);
  GraphEmitter e(g);
  uint32_t loc = g.intern_loc("src/net.cpp", 87);
  g.set_origin(g.intern_scope("encoder.0"), loc);
  Var h = op<Relu>(op<MatMul>(e.var(x), e.var(w)));
  g.set_origin(g.intern_scope("encoder.1"), loc);
  h = op<Relu>(op<MatMul>(h, e.var(w)));
  Var scale = e.var(g.add_constant(ramp({4}))), bias = e.var(g.add_constant(ramp({4})));
  h = op<LayerNorm>({1, 1e-5}, h, scale, bias);
  h = op<Reshape>({{n * 2, Dim(2)}}, h);
  g.add_result(GraphEmitter::value(h), "logits");
  return g;
}

ExportOptions with_state() {
  ExportOptions o;
  o.state = [](std::string_view) { return ramp({4, 4}); };
  return o;
}

std::string write(const Graph& g, const ExportOptions& o, ExportReport* report = nullptr) {
  std::string bytes;
  ExportReport r = export_onnx(g, o, [&](std::span<const std::byte> b) {
    bytes.append(reinterpret_cast<const char*>(b.data()), b.size());
  });
  if (report != nullptr) *report = r;
  return bytes;
}

Model read(const std::string& bytes, const ReadLimits& limits = {}) {
  return read_model("test.onnx", nullptr, std::as_bytes(std::span(bytes)), limits);
}

std::string message_of(const Graph& g, const ExportOptions& o) {
  try {
    write(g, o);
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}

size_t count_op(const Model& m, std::string_view op) {
  size_t n = 0;
  for (const NodeModel& node : m.graph.nodes) n += node.op == op;
  return n;
}

}  // namespace

TEST_CASE("an export keeps the names of inputs, results and parameters", "[onnx]") {
  Model m = read(write(shared_layers(), with_state()));
  CHECK(m.graph.name == "net");
  REQUIRE(m.graph.inputs.size() == 1);
  CHECK(m.graph.inputs[0].name == "x");
  CHECK(m.graph.inputs[0].type.dims[0].param == "N");
  CHECK(m.graph.inputs[0].type.dims[1].value == 4);
  REQUIRE(m.graph.outputs.size() == 1);
  CHECK(m.graph.outputs[0].name == "logits");
  CHECK(m.graph.outputs[0].type.dims[0].param == "2*N");
  CHECK(m.graph.nodes[0].name == "encoder.0/MatMul");
  CHECK(m.graph.nodes[0].inputs[1] == "encoder.weight");
}

TEST_CASE("a shared weight and equal constants are stored once", "[onnx]") {
  Model m = read(write(shared_layers(), with_state()));
  size_t weights = 0, rows = 0;
  for (const TensorModel& t : m.graph.initializers) {
    weights += t.name == "encoder.weight";
    rows += t.dims == std::vector<int64_t>{4};
  }
  CHECK(weights == 1);
  CHECK(rows == 1);
}

TEST_CASE("the same graph gives the same bytes", "[onnx]") {
  CHECK(write(shared_layers(), with_state()) == write(shared_layers(), with_state()));
}

TEST_CASE("the opset is the lowest that has the composites, and can be chosen", "[onnx]") {
  ExportReport report;
  Model m = read(write(shared_layers(), with_state(), &report));
  CHECK(report.opset == 17);
  CHECK(report.ir_version == 8);
  CHECK(count_op(m, "LayerNormalization") == 1);
  ExportOptions older = with_state();
  older.opset = 13;
  m = read(write(shared_layers(), older, &report));
  CHECK(report.opset == 13);
  CHECK(count_op(m, "LayerNormalization") == 0);
  older.opset = 6;
  CHECK_THAT(message_of(shared_layers(), older), Contains("opset 6 is outside 7 to 26"));
}

TEST_CASE("all blockers come in one error with their source lines", "[onnx]") {
  Graph g;
  GraphEmitter e(g);
  Var x = e.var(g.add_input("x", {DType::F32, {Dim(3)}}));
  Var s = e.var(g.add_input("steps", {DType::F32, {}}, InputKind::State));
  g.set_origin(g.intern_scope("head.router"), g.intern_loc("/src/net.cpp", 12));
  Var y = op<Erfc>(x);
  g.set_origin(0, g.intern_loc("/src/net.cpp", 13));
  Var next = op<Add>(s, s);
  g.add_result(GraphEmitter::value(y), "y");
  g.add_result(GraphEmitter::value(next), "steps.next", 1);
  std::string text = message_of(g, {});
  CHECK_THAT(text, Contains("erfc (net.cpp:12, module head.router): ONNX has no Erfc"));
  CHECK_THAT(text, Contains("state steps: a new value is written back"));
}

TEST_CASE("what blocks twice on one line is listed once", "[onnx]") {
  Graph g;
  GraphEmitter e(g);
  Var x = e.var(g.add_input("x", {DType::F32, {Dim(3)}}));
  Var y = e.var(g.add_input("y", {DType::F32, {Dim(3)}}));
  g.set_origin(0, g.intern_loc("/src/net.cpp", 12));
  g.add_result(GraphEmitter::value(op<Erfc>(x)), "a");
  g.add_result(GraphEmitter::value(op<Erfc>(y)), "b");
  std::string text = message_of(g, {});
  const std::string reason = "erfc (net.cpp:12): ONNX has no Erfc";
  CHECK_THAT(text, Contains(reason));
  CHECK(text.find(reason) == text.rfind(reason));
}

TEST_CASE("a blocker of this opset only says which one suffices", "[onnx]") {
  Graph g;
  GraphEmitter e(g);
  Var x = e.var(g.add_input("x", {DType::I32, {Dim(3)}}));
  g.add_result(GraphEmitter::value(op<BitwiseAnd>(x, x)), "y");
  ExportOptions o;
  o.opset = 13;
  CHECK_THAT(message_of(g, o), Contains("Opset 18 suffices"));
  o.opset = 0;
  ExportReport report;
  write(g, o, &report);
  CHECK(report.opset == 18);
}

TEST_CASE("a target's limits are checked before anything is written", "[onnx]") {
  ExportOptions o = with_state();
  o.target = "caffe2";
  ExportReport report;
  Model m = read(write(shared_layers(), o, &report));
  CHECK(report.opset <= 9);
  CHECK(m.ir_version == 3);
  CHECK(m.graph.inputs.size() == 1 + m.graph.initializers.size());
  o.target = "tensorrt";
  Graph g;
  GraphEmitter e(g);
  Var x = e.var(g.add_input("x", {DType::I32, {Dim(3)}}));
  g.add_result(GraphEmitter::value(op<BitwiseAnd>(x, x)), "y");
  CHECK_THAT(message_of(g, o), Contains("TensorRT does not take BitwiseAnd"));
  o.target = "abacus";
  CHECK_THAT(message_of(g, o), Contains("Targets are caffe2"));
}

TEST_CASE("results that are inputs, weights or doubles of each other export", "[onnx]") {
  Graph g;
  GraphEmitter e(g);
  ir::Value x = g.add_input("x", {DType::F32, {Dim(3)}});
  ir::Value w = g.add_input("w", {DType::F32, {Dim(4), Dim(4)}}, InputKind::State);
  Var y = op<Relu>(e.var(x));
  g.add_result(x, "x");
  g.add_result(w, "weight");
  g.add_result(GraphEmitter::value(y), "a");
  g.add_result(GraphEmitter::value(y), "b");
  ExportReport report;
  Model m = read(write(g, with_state(), &report));
  REQUIRE(m.graph.outputs.size() == 4);
  CHECK(m.graph.outputs[0].name == "x_1");
  CHECK(report.notes.size() == 1);
  CHECK(count_op(m, "Identity") == 3);
  CHECK(count_op(m, "Relu") == 1);
}

TEST_CASE("what a graph requires of sizes is used, and noted since ONNX cannot check it",
          "[onnx]") {
  Graph g;
  Dim n = Dim::symbol("N"), m = Dim::symbol("M");
  ir::Value x = g.add_input("x", {DType::F32, {n, Dim(3)}});
  ir::Value y = g.add_input("y", {DType::I64, {m}});
  g.require(n, Relation::Equal, m);
  {
    KnownFacts known(facts_of(g));
    GraphEmitter e(g);
    // A composite: its body asks about the two again while it is exported.
    g.add_result(GraphEmitter::value(op<CrossEntropy>(e.var(x), e.var(y))), "loss");
  }
  ExportReport report;
  write(g, {}, &report);
  REQUIRE_FALSE(report.notes.empty());
  CHECK_THAT(report.notes.back(), Contains("N == M"));
}

TEST_CASE("big weights go to a second file at aligned offsets", "[onnx]") {
  Graph g;
  GraphEmitter e(g);
  Var a = e.var(g.add_constant(ramp({40, 40}))), b = e.var(g.add_constant(ramp({1500})));
  g.add_result(GraphEmitter::value(op<Relu>(a)), "a");
  g.add_result(GraphEmitter::value(op<Relu>(b)), "b");
  ExportOptions o;
  o.external_above = 1000;
  CHECK_THAT(message_of(g, o), Contains("Give a second file"));
  o.external_name = "m.data";
  std::string model, data;
  auto into = [](std::string& s) {
    return [&s](std::span<const std::byte> p) {
      s.append(reinterpret_cast<const char*>(p.data()), p.size());
    };
  };
  ExportReport report = export_onnx(g, o, into(model), into(data));
  CHECK(report.external_bytes == data.size());
  Model m = read(model);
  REQUIRE(m.graph.initializers.size() == 2);
  const auto& second = *m.graph.initializers[1].external;
  CHECK(second.location == "m.data");
  CHECK(second.offset == 8192);
  CHECK(second.length == 6000);
  CHECK(std::memcmp(data.data() + 8192, ramp({1500})->data.get(), 6000) == 0);
}

TEST_CASE("reading back gives what was written, byte for byte", "[onnx]") {
  std::string bytes = write(shared_layers(), with_state()), again;
  write_model(read(bytes), [&](std::span<const std::byte> b) {
    again.append(reinterpret_cast<const char*>(b.data()), b.size());
  });
  CHECK(again == bytes);
}

TEST_CASE("a cut or changed model is refused or read, never worse", "[onnx]") {
  std::string bytes = write(shared_layers(), with_state());
  size_t refused = 0;
  for (size_t n = 0; n < bytes.size(); n += 3) {
    try {
      read(bytes.substr(0, n));
    } catch (const UserError&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
  uint64_t state = 1;
  for (int round = 0; round < 3000; ++round) {
    std::string changed = bytes;
    for (int k = 0; k < 3; ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      changed[(state >> 33) % changed.size()] = static_cast<char>(state >> 25);
    }
    try {
      read(changed);
    } catch (const UserError&) {
    }
  }
}

TEST_CASE("a model above a read limit is refused", "[onnx]") {
  std::string bytes = write(shared_layers(), with_state());
  ReadLimits limits;
  limits.max_bytes = bytes.size();
  CHECK_NOTHROW(read(bytes, limits));
  limits.max_bytes = bytes.size() - 1;
  CHECK_THROWS_AS(read(bytes, limits), UserError);
  limits = {};
  limits.max_messages = 10;
  CHECK_THROWS_AS(read(bytes, limits), UserError);
  limits = {};
  limits.max_memory = 1000;
  CHECK_THROWS_AS(read(bytes, limits), UserError);
  limits = {};
  limits.max_depth = 3;
  CHECK_THROWS_AS(read(bytes, limits), UserError);
}

TEST_CASE("a whole small network answers alike in ONNX Runtime", "[onnx]") {
  if (oracle_python() == nullptr)
    ETCH_SKIP("ETCH_PYTHON names no Python with onnx and onnxruntime");
  Graph g = shared_layers();
  OracleBatch batch;
  for (int64_t rows : {1, 5}) {
    OracleBatch::Case c;
    c.name = cat("shared layers on ", rows, " rows");
    c.bytes = write(g, with_state());
    c.opset = 17;
    c.must_run = true;
    Dense x(DType::F32, {rows, 4});
    for (int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = static_cast<float>(i % 5) - 1.5f;
    std::vector<float> weight(16);
    auto keep = ramp({4, 4});
    std::memcpy(weight.data(), keep->data.get(), 64);
    auto scale = ramp({4});
    const auto* s = static_cast<const float*>(scale->data.get());
    Dense out(DType::F32, {rows * 2, 2});
    for (int64_t r = 0; r < rows; ++r) {
      double h[4], t[4];
      for (int i = 0; i < 4; ++i) h[i] = x.as<float>()[r * 4 + i];
      for (int layer = 0; layer < 2; ++layer) {
        for (int j = 0; j < 4; ++j) {
          t[j] = 0;
          for (int i = 0; i < 4; ++i) t[j] += h[i] * weight[static_cast<size_t>(i * 4 + j)];
        }
        for (int j = 0; j < 4; ++j) h[j] = std::max(t[j], 0.0);
      }
      double mean = (h[0] + h[1] + h[2] + h[3]) / 4, var = 0;
      for (double v : h) var += (v - mean) * (v - mean) / 4;
      for (int j = 0; j < 4; ++j) {
        double y = (h[j] - mean) / std::sqrt(var + 1e-5) * s[j] + s[j];
        out.as<float>()[r * 4 + j] = static_cast<float>(y);
      }
    }
    c.inputs.push_back({"x", x});
    c.outputs.push_back({"logits", out});
    c.atol = 1e-4;
    batch.add(c);
  }
  OracleBatch::Answer answer = batch.run();
  INFO(answer.text);
  CHECK(answer.ok);
}
