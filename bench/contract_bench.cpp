// Contractions at level `exact` against oneDNN and OpenBLAS: interleaved rounds, medians, and the
// median over rounds of peer time / own time (above 1: ours is faster). JSON on stdout.
//   contract_bench [--threads N] [--rounds N] [--only TEXT]
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/contract_bench_peers.h"
#include "ir/support/error.h"
#include "ir/support/text.h"
#include "runtime/threads.h"

namespace etch::bench {
namespace {

using runtime::contract::Conv2dDesc;
using runtime::contract::MatmulDesc;
using runtime::contract::Scratch;
using Run = std::function<void()>;

struct Options {
  int threads = 1;
  int rounds = 9;
  std::string only;
};

/// One comparison; `group` rows share a geometric mean, `goal` is the bar it should reach.
struct Case {
  std::string group, name;
  double flops;
  std::function<Run()> own, peer;
};

/// Processor time of this thread when it is the only one at work, so that neither other programs
/// nor waiting threads of a peer count; else wall time.
double now(int threads) {
  timespec t{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double seconds(const Run& run, int reps) {
  const int threads = runtime::num_threads();
  const double begin = now(threads);
  for (int i = 0; i < reps; ++i) run();
  return (now(threads) - begin) / reps;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

int reps_for(const Run& run) {
  run();
  const double once = std::max(1e-8, seconds(run, 1));
  return static_cast<int>(std::clamp(4e-3 / once, 1.0, 200000.0));
}

struct Result {
  double own, peer, ratio;
};

Result compare(const Case& c, int rounds) {
  const Run own = c.own(), peer = c.peer();
  const int own_reps = reps_for(own), peer_reps = reps_for(peer);
  std::vector<double> own_times, peer_times, ratios;
  for (int r = 0; r < rounds; ++r) {
    own_times.push_back(seconds(own, own_reps));
    peer_times.push_back(seconds(peer, peer_reps));
    ratios.push_back(peer_times.back() / own_times.back());
  }
  return {median(own_times), median(peer_times), median(ratios)};
}

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

std::vector<Case> matmul_cases() {
  std::vector<Case> out;
  const int64_t sizes[][3] = {{512, 512, 512},    {768, 768, 768}, {1024, 1024, 1024},
                              {1536, 1536, 1536}, {128, 768, 768}, {64, 784, 512}};
  for (const auto& s : sizes) {
    const int64_t m = s[0], n = s[1], k = s[2];
    const std::string name = cat(m, "x", n, "x", k);
    const double flops = 2.0 * static_cast<double>(m * n * k);
    const auto sgemm = [=] { return dnnl_sgemm_run(m, n, k); };
    const auto packed_peer = [=] { return dnnl_matmul_packed_run(m, n, k); };
    out.push_back({"matmul f32 / sgemm", name, flops,
                   [=] { return own_matmul<float>(m, n, k, false); }, sgemm});
    out.push_back({"matmul f32 / oneDNN packed", name, flops,
                   [=] { return own_matmul<float>(m, n, k, false); }, packed_peer});
    out.push_back({"matmul f32 packed / oneDNN packed", name, flops,
                   [=] { return own_matmul<float>(m, n, k, true); }, packed_peer});
    out.push_back({"matmul f64 / OpenBLAS", name, flops,
                   [=] { return own_matmul<double>(m, n, k, false); },
                   [=] { return openblas_dgemm_run(m, n, k); }});
  }
  for (const auto& s : {std::pair<int64_t, int64_t>{768, 768}, {3072, 768}}) {
    const int64_t n = s.first, k = s.second;
    const std::string name = cat("1x", n, "x", k);
    const double flops = 2.0 * static_cast<double>(n * k);
    const auto peer = [=] { return dnnl_matmul_packed_run(1, n, k); };
    out.push_back({"gemv packed / oneDNN packed", name, flops,
                   [=] { return own_matmul<float>(1, n, k, true); }, peer});
    out.push_back({"gemv [K,N] / oneDNN packed", name, flops,
                   [=] { return own_matmul<float>(1, n, k, false); }, peer});
    out.push_back({"gemv [N,K] / oneDNN packed", name, flops,
                   [=] { return own_matmul<float>(1, n, k, false, true); }, peer});
  }
  for (int64_t m : {4, 8, 16}) {
    out.push_back({"small M packed / oneDNN packed", cat(m, "x768x768"),
                   2.0 * static_cast<double>(m * 768 * 768),
                   [=] { return own_matmul<float>(m, 768, 768, true); },
                   [=] { return dnnl_matmul_packed_run(m, 768, 768); }});
  }
  out.push_back({"tiny / sgemm", "8x8x8", 2.0 * 512,
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

std::vector<Case> conv_cases() {
  std::vector<Case> out;
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
                   flops, [=] { return own_conv(d, pass); },
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

int number(const char* text) {
  int value = 0;
  const auto r = std::from_chars(text, text + std::strlen(text), value);
  if (r.ec != std::errc() || *r.ptr != '\0' || value < 1) {
    fail("contract_bench", cat("'", text, "' is no positive number"), "");
  }
  return value;
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (i + 1 < argc && arg == "--threads") {
      o.threads = number(argv[++i]);
    } else if (i + 1 < argc && arg == "--rounds") {
      o.rounds = number(argv[++i]);
    } else if (i + 1 < argc && arg == "--only") {
      o.only = argv[++i];
    } else {
      fail("contract_bench", cat("unknown argument '", arg, "'"),
           "Use --threads N, --rounds N, --only TEXT");
    }
  }
  return o;
}

int run(int argc, char** argv) {
  const Options o = parse(argc, argv);
  runtime::set_num_threads(o.threads);
  set_peer_threads(o.threads);
  std::vector<Case> cases = matmul_cases();
  for (Case& c : conv_cases()) cases.push_back(std::move(c));
  std::map<std::string, std::vector<double>> ratios;
  std::printf("{\"isa\": \"%s\", \"threads\": %d, \"rounds\": %d, \"cases\": [",
              std::string(name(runtime::active_isa())).c_str(), o.threads, o.rounds);
  const char* separator = "\n";
  for (const Case& c : cases) {
    if (!o.only.empty() && (c.group + " " + c.name).find(o.only) == std::string::npos) continue;
    const Result r = compare(c, o.rounds);
    ratios[c.group].push_back(r.ratio);
    std::printf(
        "%s  {\"group\": \"%s\", \"case\": \"%s\", \"own_us\": %.2f, \"peer_us\": %.2f, "
        "\"own_gflops\": %.1f, \"ratio\": %.3f}",
        separator, c.group.c_str(), c.name.c_str(), r.own * 1e6, r.peer * 1e6,
        c.flops / r.own * 1e-9, r.ratio);
    std::fflush(stdout);
    separator = ",\n";
  }
  std::printf("\n], \"geometric_means\": {");
  separator = "\n";
  for (const auto& [group, values] : ratios) {
    double sum = 0;
    for (double v : values) sum += std::log(v);
    std::printf("%s  \"%s\": %.3f", separator, group.c_str(),
                std::exp(sum / static_cast<double>(values.size())));
    separator = ",\n";
  }
  std::printf("\n}}\n");
  return 0;
}

}  // namespace
}  // namespace etch::bench

int main(int argc, char** argv) {
  try {
    return etch::bench::run(argc, argv);
  } catch (const etch::UserError& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}
