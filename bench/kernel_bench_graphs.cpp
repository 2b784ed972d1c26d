// Graphs compiled by Etch beside hand-written kernels and libtorch.
#include "bench/kernel_bench.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "ir/support/error.h"
#include "ir/support/text.h"
#include "runtime/isa.h"

namespace etch::bench {

namespace {

/// The operands as tensors, and the graph on them.
struct Own {
  std::vector<NamedTensor> inputs, state;
  FlatFunction function;
};

struct GraphCase {
  const char* name;
  Graph graph;
  int64_t cols;
  double torch_goal;
};
constexpr GraphCase kGraphs[] = {
    {"gelu", Graph::Gelu, 1024, 0.6},           {"swiglu", Graph::Swiglu, 1024, 0.6},
    {"mask", Graph::Mask, 1024, 0.6},           {"pointwise8", Graph::Pointwise8, 1024, 0.6},
    {"adam", Graph::Adam, 1024, 0.6},           {"layer_norm", Graph::LayerNorm, 1024, 0.6},
    {"softmax 64", Graph::Softmax, 64, 1.0},    {"softmax 1024", Graph::Softmax, 1024, 1.0},
    {"softmax 4096", Graph::Softmax, 4096, 1.0}};
constexpr double kHandGoal = 1.3;

Tensor zeros_like(const Tensor& t) { return zeros(t.sizes()).clone(); }

/// One Adam update of state tensors.
void adam(const Tensor& g, Tensor p, Tensor first, Tensor second) {
  first.copy_(first * 0.9 + g * 0.1);
  second.copy_(second * 0.999 + g * g * 0.001);
  p.sub_(first / (sqrt(second) / 0.9 + 1e-8) * 1e-3);
}

Own own_graph(Graph graph, const Data& d) {
  const auto result = [](Tensor t) { return std::vector<NamedTensor>{{"out", std::move(t)}}; };
  using In = std::span<const Tensor>;
  switch (graph) {
    case Graph::Gelu:
      return {{{"x", d.x}, {"w", d.w}, {"b", d.b}}, {}, [=](In in) {
                return result(gelu(in[0] * in[1] + in[2]));
              }};
    case Graph::Swiglu:
      return {{{"x", d.x}, {"y", d.y}}, {}, [=](In in) { return result(silu(in[0]) * in[1]); }};
    case Graph::Mask:
      return {{{"x", d.x}, {"b", d.b}, {"m", d.m}}, {}, [=](In in) {
                return result(relu(in[0] + in[1]) * in[2] * (1 / 0.9));
              }};
    case Graph::Pointwise8:
      return {{{"x", d.x}, {"y", d.y}, {"w", d.w}}, {}, [=](In in) {
                return result(tanh(sigmoid(in[0]) * in[1] + exp(in[0] * in[0] * -1)) * in[2]);
              }};
    case Graph::Adam: {
      const Tensor p = d.y.clone(), first = zeros_like(p), second = zeros_like(p);
      return {{{"g", d.x}}, {{"p", p}, {"first", first}, {"second", second}}, [=](In in) {
                adam(in[0], p, first, second);
                return std::vector<NamedTensor>{};
              }};
    }
    case Graph::LayerNorm:
      return {{{"x", d.x}, {"w", d.w}, {"b", d.b}}, {}, [=](In in) {
                return result(layer_norm(in[0], in[1], in[2]));
              }};
    case Graph::Softmax:
      return {{{"x", d.x}}, {}, [=](In in) { return result(softmax(in[0], 1)); }};
  }
  return {};
}

void measure_graph(Session& session, const GraphCase& g, const Level& level) {
  const Data data(level.numel / g.cols, g.cols);
  Operands o = data.operands();
  const Tensor p = data.y.clone(), first = zeros_like(p), second = zeros_like(p);
  if (g.graph == Graph::Adam) {
    o.p = p.data<float>(), o.first = first.data<float>(), o.second = second.data<float>();
  }

  const Own own = own_graph(g.graph, data);
  TraceOptions trace_options;
  trace_options.state = own.state;
  Compiled program(trace_flat(own.function, own.inputs, trace_options),
                   {.mode = CompileMode::Sync, .strict = true});
  std::vector<Tensor> inputs;
  for (const NamedTensor& t : own.inputs) inputs.push_back(t.tensor);
  // Recording has run the update already, once or more.
  for (size_t i = 0; i < own.state.size(); ++i) {
    Tensor state = own.state[i].tensor;
    i == 0 ? state.copy_(data.y) : state.zero_();
  }

  const torch_peer::Computation peer = torch_peer::graph(g.graph, o);
  const bool hand = runtime::best_isa() == runtime::Isa::Avx512;
  const bool stream = level.numel >= (1 << 24);
  const Tensor out = zeros_like(data.x);
  const Run by_hand = [&, to = out.data<float>()] { hand_kernel(g.graph, o, to, stream); };
  const std::vector<Tensor> results = program(inputs);
  const std::vector<float> got =
      (results.empty() ? own.state.front().tensor : results.front()).to_vector<float>();
  peer.run();
  require_same(cat(g.name, " and libtorch"), got, peer.result(), 1e-5);
  if (hand) {
    by_hand();
    require_same(cat(g.name, " and its hand kernel"), got,
                 (g.graph == Graph::Adam ? p : out).to_vector<float>(), 0);
  }

  Case c;
  c.group = "compiled", c.name = g.name, c.size = level.name;
  c.own = [&] { program(inputs); };
  if (hand) c.peers.push_back({"hand kernel", kHandGoal, by_hand});
  c.peers.push_back({"libtorch", g.torch_goal, peer.run});
  c.details = [&](double) {
    const CompiledStats s = program.stats();
    return cat("\"kernels_built\": ", s.kernels_built, ", \"kernels_run\": ", s.kernels_run,
               ", \"interpreted\": ", s.interpreted_run, ", \"fallbacks\": ", s.fallbacks);
  };
  session.measure(c);
}

}  // namespace

void measure_graphs(Session& session) {
  for (const GraphCase& g : kGraphs) {
    for (const Level& level : kLevels) {
      if (session.wants("compiled", g.name, level.name)) measure_graph(session, g, level);
    }
  }
}

}  // namespace etch::bench
