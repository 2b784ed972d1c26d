// Contractions at level `exact` beside oneDNN and OpenBLAS.
//   contract_bench [--threads N] [--rounds N] [--only TEXT]
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/contract_bench_peers.h"
#include "bench/measure.h"
#include "ir/support/text.h"
#include "runtime/threads.h"

namespace etch::bench {
namespace {

using runtime::contract::Conv2dDesc;
using runtime::contract::MatmulDesc;
using runtime::contract::Scratch;

/// One comparison; its closures are made when it is its turn.
struct Contraction {
  std::string group, name, peer;
  double flops;
  std::function<Run()> own, other;
};

template <class T>
std::shared_ptr<std::vector<T>> filled(int64_t count) {
  auto v = std::make_shared<std::vector<T>>(static_cast<size_t>(count));
  for (size_t i = 0; i < v->size(); ++i) (*v)[i] = static_cast<T>(i % 17) * T(0.0625) - T(0.5);
  return v;
}

/// b_transposed: B is stored [n, k].
template <class T>
Run own_matmul(int64_t m, int64_t n, int64_t k, bool packed, bool b_transposed = false) {
  auto a = filled<T>(m * k), b = filled<T>(k * n), c = filled<T>(m * n);
  auto scratch = std::make_shared<Scratch>(), memory = std::make_shared<Scratch>();
  MatmulDesc d;
  d.dtype = dtype_of<T>;
  d.m = m;
  d.n = n;
  d.k = k;
  d.a = a->data();
  d.b = b->data();
  d.c = c->data();
  d.a_row = k;
  d.b_row = b_transposed ? 1 : n;
  d.b_col = b_transposed ? k : 1;
  d.c_row = n;
  if (!packed) {
    return [=] {
      (void)a, (void)b, (void)c;
      runtime::contract::matmul(d, *scratch);
    };
  }
  const auto isa = runtime::active_isa();
  const auto pb =
      runtime::contract::pack_b(d.dtype, k, n, d.b, d.b_row, d.b_col, isa,
                                memory->get(runtime::contract::packed_b_bytes(d.dtype, k, n, isa)));
  return [=] {
    (void)a, (void)b, (void)c, (void)memory;
    runtime::contract::matmul_packed(d, pb, *scratch);
  };
}

Run own_conv(const Conv2dDesc& d, ConvPass pass) {
  auto x = filled<float>(d.n * d.c * d.h * d.w);
  auto w = filled<float>(d.oc * d.group_c() * d.kh * d.kw);
  auto y = filled<float>(d.n * d.oc * d.out_h() * d.out_w());
  auto scratch = std::make_shared<Scratch>(), memory = std::make_shared<Scratch>();
  if (pass == ConvPass::BackwardData) {
    return [=] {
      runtime::contract::conv2d_backward_data(d, y->data(), w->data(), x->data(), *scratch);
    };
  }
  if (pass == ConvPass::BackwardWeights) {
    return [=] {
      runtime::contract::conv2d_backward_weights(d, x->data(), y->data(), w->data(), *scratch);
    };
  }
  const auto isa = runtime::active_isa();
  const auto pw = runtime::contract::pack_conv_weight(
      d, w->data(), isa, memory->get(runtime::contract::packed_conv_weight_bytes(d, isa)));
  return [=] {
    (void)memory;
    runtime::contract::conv2d_forward_packed(d, x->data(), pw, y->data(), *scratch);
  };
}

std::vector<Contraction> matmul_cases() {
  std::vector<Contraction> out;
  const int64_t sizes[][3] = {{512, 512, 512},    {768, 768, 768}, {1024, 1024, 1024},
                              {1536, 1536, 1536}, {128, 768, 768}, {64, 784, 512}};
  for (const auto& s : sizes) {
    const int64_t m = s[0], n = s[1], k = s[2];
    const std::string name = cat(m, "x", n, "x", k);
    const double flops = 2.0 * static_cast<double>(m * n * k);
    const auto sgemm = [=] { return dnnl_sgemm_run(m, n, k); };
    const auto packed_peer = [=] { return dnnl_matmul_packed_run(m, n, k); };
    out.push_back({"matmul f32", name, "oneDNN sgemm", flops,
                   [=] { return own_matmul<float>(m, n, k, false); }, sgemm});
    out.push_back({"matmul f32", name, "oneDNN packed", flops,
                   [=] { return own_matmul<float>(m, n, k, false); }, packed_peer});
    out.push_back({"matmul f32 packed", name, "oneDNN packed", flops,
                   [=] { return own_matmul<float>(m, n, k, true); }, packed_peer});
    out.push_back({"matmul f64", name, "OpenBLAS", flops,
                   [=] { return own_matmul<double>(m, n, k, false); },
                   [=] { return openblas_dgemm_run(m, n, k); }});
  }
  for (const auto& s : {std::pair<int64_t, int64_t>{768, 768}, {3072, 768}}) {
    const int64_t n = s.first, k = s.second;
    const std::string name = cat("1x", n, "x", k);
    const double flops = 2.0 * static_cast<double>(n * k);
    const auto peer = [=] { return dnnl_matmul_packed_run(1, n, k); };
    out.push_back({"gemv packed", name, "oneDNN packed", flops,
                   [=] { return own_matmul<float>(1, n, k, true); }, peer});
    out.push_back({"gemv [K, N]", name, "oneDNN packed", flops,
                   [=] { return own_matmul<float>(1, n, k, false); }, peer});
    out.push_back({"gemv [N, K]", name, "oneDNN packed", flops,
                   [=] { return own_matmul<float>(1, n, k, false, true); }, peer});
  }
  for (int64_t m : {4, 8, 16}) {
    out.push_back({"small M packed", cat(m, "x768x768"), "oneDNN packed",
                   2.0 * static_cast<double>(m * 768 * 768),
                   [=] { return own_matmul<float>(m, 768, 768, true); },
                   [=] { return dnnl_matmul_packed_run(m, 768, 768); }});
  }
  out.push_back({"tiny", "8x8x8", "oneDNN sgemm", 2.0 * 512,
                 [] { return own_matmul<float>(8, 8, 8, false); },
                 [] { return dnnl_sgemm_run(8, 8, 8); }});
  return out;
}

Conv2dDesc conv(int64_t c, int64_t oc, int64_t size, int64_t kernel, int64_t stride,
                int64_t groups = 1) {
  Conv2dDesc d;
  d.c = c;
  d.oc = oc;
  d.h = d.w = size;
  d.kh = d.kw = kernel;
  d.stride_h = d.stride_w = stride;
  d.pad_top = d.pad_left = d.pad_bottom = d.pad_right = kernel / 2;
  d.groups = groups;
  return d;
}

std::vector<Contraction> conv_cases() {
  std::vector<Contraction> out;
  // The distinct convolutions of ResNet-18 at 224 x 224.
  const Conv2dDesc resnet[] = {
      conv(3, 64, 224, 7, 2),   conv(64, 64, 56, 3, 1),   conv(64, 128, 56, 3, 2),
      conv(128, 128, 28, 3, 1), conv(64, 128, 56, 1, 2),  conv(128, 256, 28, 3, 2),
      conv(256, 256, 14, 3, 1), conv(128, 256, 28, 1, 2), conv(256, 512, 14, 3, 2),
      conv(512, 512, 7, 3, 1),  conv(256, 512, 14, 1, 2)};
  const auto add = [&](const char* group, Conv2dDesc d, int64_t batch, ConvPass pass) {
    d.n = batch;
    const double flops =
        2.0 * static_cast<double>(d.n * d.oc * d.out_h() * d.out_w() * d.group_c() * d.kh * d.kw);
    out.push_back({group,
                   cat(d.kh, "x", d.kw, " s", d.stride_h, " ", d.c, "->", d.oc, " @", d.h,
                       d.groups > 1 ? " depthwise" : ""),
                   "oneDNN", flops, [=] { return own_conv(d, pass); },
                   [=] { return dnnl_conv_run(d, pass); }});
  };
  for (const Conv2dDesc& d : resnet) {
    add("conv forward B=1", d, 1, ConvPass::Forward);
    add("conv backward-data B=8", d, 8, ConvPass::BackwardData);
    add("conv backward-weights B=8", d, 8, ConvPass::BackwardWeights);
    add("conv backward-weights B=1", d, 1, ConvPass::BackwardWeights);
    add("conv forward B=8", d, 8, ConvPass::Forward);
  }
  for (int64_t stride : {1, 2}) {
    const Conv2dDesc d = conv(96, 96, 56, 3, stride, 96);
    add("depthwise forward B=1", d, 1, ConvPass::Forward);
    add("depthwise backward-data B=8", d, 8, ConvPass::BackwardData);
    add("depthwise backward-weights B=8", d, 8, ConvPass::BackwardWeights);
  }
  return out;
}

void measure(Session& session, const Contraction& c) {
  if (!session.wants(c.group, c.name, "")) return;
  Case row;
  row.group = c.group, row.name = c.name;
  row.own = c.own();
  row.peers = {{c.peer, 0, c.other()}};
  row.details = [&](double own_seconds) {
    return cat("\"own_gflops\": ", static_cast<int64_t>(c.flops / own_seconds * 1e-9));
  };
  session.measure(row);
}

void run(int argc, char** argv) {
  const Options o = parse_options("contract_bench", argc, argv);
  use_fair_environment(o, argv);
  runtime::set_num_threads(o.threads);
  set_peer_threads(o.threads);
  Session session("contract_bench", o, "");
  for (const Contraction& c : matmul_cases()) measure(session, c);
  for (const Contraction& c : conv_cases()) measure(session, c);
}

}  // namespace
}  // namespace etch::bench

int main(int argc, char** argv) {
  return etch::bench::run_program([&] { etch::bench::run(argc, argv); });
}
