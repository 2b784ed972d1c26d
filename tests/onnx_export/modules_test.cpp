// Recurrent and attention modules in ONNX Runtime.
#include <catch2/catch.hpp>

#include <cstring>

#include "etch/autograd.h"
#include "etch/nn.h"
#include "etch/ops.h"
#include "etch/trace.h"
#include "runtime/tensor_impl.h"
#include "tests/onnx_export/oracle.h"
#include "tests/skip.h"

using namespace etch;
using namespace etch::test;

namespace {

Dense dense(const Tensor& t) {
  Tensor whole = t.contiguous();
  Dense d(t.dtype(), runtime::impl(t).sizes);
  if (!d.bytes.empty()) std::memcpy(d.bytes.data(), runtime::impl(whole).data, d.bytes.size());
  return d;
}

std::shared_ptr<const ir::Constant> constant(const Tensor& t) {
  auto bytes = std::make_shared<std::vector<std::byte>>(dense(t).bytes);
  return ir::make_constant(t.dtype(), runtime::impl(t).sizes,
                           std::shared_ptr<const void>(bytes, bytes->data()));
}

}  // namespace

TEST_CASE("an LSTM and a transformer on tokens answer alike in ONNX Runtime", "[onnx][nn]") {
  if (oracle_python() == nullptr)
    ETCH_SKIP("ETCH_PYTHON names no Python with onnx and onnxruntime");
  NoGrad no_grad;
  Generator rng(1);
  nn::Embedding table(11, 8, rng);
  nn::LSTM lstm(8, 5, rng, {.num_layers = 2, .batch_first = true, .bidirectional = true});
  nn::TransformerEncoder encoder(2, 8, 2, rng, {.feedforward = 16, .batch_first = true});
  encoder.eval();
  auto both = [&](const Tensor& ids) {
    Tensor x = table(ids);
    auto [output, state] = lstm(x);
    return std::vector<NamedTensor>{
        {"output", output}, {"c", state.c}, {"encoded", encoder(x, nn::causal_mask(x.size(1)))}};
  };
  auto ids = [&](int64_t rows) { return (rand({rows, 6}, rng) * 11).to(DType::I64); };
  TraceOptions options;
  options.dynamic = {{"ids", 0, "N"}};
  options.state = table.state("table");
  for (const NamedTensor& s : lstm.state("lstm")) options.state.push_back(s);
  for (const NamedTensor& s : encoder.state("encoder")) options.state.push_back(s);
  Trace t = trace_flat([&](std::span<const Tensor> in) { return both(in[0]); }, {{"ids", ids(3)}},
                       options);
  onnx::ExportOptions how;
  how.state = [&](std::string_view name) -> std::shared_ptr<const ir::Constant> {
    for (const NamedTensor& s : options.state) {
      if (s.name == name) return constant(s.tensor);
    }
    return nullptr;
  };
  OracleBatch batch;
  for (int64_t rows : {1, 4}) {
    OracleBatch::Case c;
    c.name = cat("modules on ", rows, " rows");
    c.opset = onnx::export_onnx(t.graph(), how, [&](std::span<const std::byte> b) {
                c.bytes.append(reinterpret_cast<const char*>(b.data()), b.size());
              }).opset;
    c.must_run = true;
    Tensor x = ids(rows);
    c.inputs.push_back({"ids", dense(x)});
    for (const NamedTensor& y : both(x)) c.outputs.push_back({y.name, dense(y.tensor)});
    c.atol = 1e-5;
    batch.add(c);
  }
  OracleBatch::Answer answer = batch.run();
  INFO(answer.text);
  CHECK(answer.ok);
}
