#include "bench/contract_bench_peers.h"

#include <cblas.h>
#include <dnnl.hpp>

#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

extern "C" void omp_set_num_threads(int);  // oneDNN's pool, in its own OpenMP runtime

namespace etch::bench {
namespace {

using Args = std::unordered_map<int, dnnl::memory>;
using Tag = dnnl::memory::format_tag;
constexpr auto kF32 = dnnl::memory::data_type::f32;

const dnnl::engine& engine() {
  static const dnnl::engine e(dnnl::engine::kind::cpu, 0);
  return e;
}

dnnl::memory filled(const dnnl::memory::desc& md) {
  dnnl::memory m(md, engine());
  auto* p = static_cast<float*>(m.get_data_handle());
  for (size_t i = 0; i < md.get_size() / sizeof(float); ++i) {
    p[i] = static_cast<float>(i % 17) * 0.0625f - 0.5f;
  }
  return m;
}

std::function<void()> runner(dnnl::primitive primitive, Args args) {
  return [primitive, args, stream = std::make_shared<dnnl::stream>(engine())] {
    primitive.execute(*stream, args);
    stream->wait();
  };
}

struct ConvShapes {
  dnnl::memory::desc x, w, y;
  dnnl::memory::dims strides, dilates, pad_l, pad_r;
};

ConvShapes conv_shapes(const runtime::contract::Conv2dDesc& d) {
  const dnnl::memory::dims w =
      d.groups == 1 ? dnnl::memory::dims{d.oc, d.c, d.kh, d.kw}
                    : dnnl::memory::dims{d.groups, d.group_oc(), d.group_c(), d.kh, d.kw};
  return {{{d.n, d.c, d.h, d.w}, kF32, Tag::any},
          {w, kF32, Tag::any},
          {{d.n, d.oc, d.out_h(), d.out_w()}, kF32, Tag::any},
          {d.stride_h, d.stride_w},
          {d.dil_h - 1, d.dil_w - 1},
          {d.pad_top, d.pad_left},
          {d.pad_bottom, d.pad_right}};
}

}  // namespace

void set_peer_threads(int threads) {
  omp_set_num_threads(threads);
  openblas_set_num_threads(threads);
}

std::function<void()> dnnl_sgemm_run(int64_t m, int64_t n, int64_t k) {
  auto a = std::make_shared<std::vector<float>>(m * k, 0.5f);
  auto b = std::make_shared<std::vector<float>>(k * n, 0.25f);
  auto c = std::make_shared<std::vector<float>>(m * n);
  return
      [=] { dnnl_sgemm('N', 'N', m, n, k, 1.0f, a->data(), k, b->data(), n, 0.0f, c->data(), n); };
}

std::function<void()> dnnl_matmul_packed_run(int64_t m, int64_t n, int64_t k) {
  const dnnl::memory::desc a({m, k}, kF32, Tag::ab), b({k, n}, kF32, Tag::any);
  const dnnl::memory::desc c({m, n}, kF32, Tag::ab);
  const dnnl::matmul::primitive_desc pd(dnnl::matmul::desc(a, b, c), engine());
  return runner(dnnl::matmul(pd), {{DNNL_ARG_SRC, filled(a)},
                                   {DNNL_ARG_WEIGHTS, filled(pd.weights_desc())},
                                   {DNNL_ARG_DST, filled(c)}});
}

std::function<void()> openblas_dgemm_run(int64_t m, int64_t n, int64_t k) {
  auto a = std::make_shared<std::vector<double>>(m * k, 0.5);
  auto b = std::make_shared<std::vector<double>>(k * n, 0.25);
  auto c = std::make_shared<std::vector<double>>(m * n);
  return [=] {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(m), static_cast<int>(n),
                static_cast<int>(k), 1.0, a->data(), static_cast<int>(k), b->data(),
                static_cast<int>(n), 0.0, c->data(), static_cast<int>(n));
  };
}

std::function<void()> dnnl_conv_run(const runtime::contract::Conv2dDesc& d, ConvPass pass) {
  using namespace dnnl;
  const ConvShapes s = conv_shapes(d);
  const auto kind =
      pass == ConvPass::Forward ? prop_kind::forward_inference : prop_kind::forward_training;
  const convolution_forward::primitive_desc fwd(
      convolution_forward::desc(kind, algorithm::convolution_direct, s.x, s.w, s.y, s.strides,
                                s.dilates, s.pad_l, s.pad_r),
      engine());
  if (pass == ConvPass::Forward) {
    return runner(convolution_forward(fwd), {{DNNL_ARG_SRC, filled(fwd.src_desc())},
                                             {DNNL_ARG_WEIGHTS, filled(fwd.weights_desc())},
                                             {DNNL_ARG_DST, filled(fwd.dst_desc())}});
  }
  if (pass == ConvPass::BackwardData) {
    const convolution_backward_data::primitive_desc pd(
        convolution_backward_data::desc(algorithm::convolution_direct, s.x, s.w, s.y, s.strides,
                                        s.dilates, s.pad_l, s.pad_r),
        engine(), fwd);
    return runner(convolution_backward_data(pd), {{DNNL_ARG_DIFF_DST, filled(pd.diff_dst_desc())},
                                                  {DNNL_ARG_WEIGHTS, filled(pd.weights_desc())},
                                                  {DNNL_ARG_DIFF_SRC, filled(pd.diff_src_desc())}});
  }
  const convolution_backward_weights::primitive_desc pd(
      convolution_backward_weights::desc(algorithm::convolution_direct, s.x, s.w, s.y, s.strides,
                                         s.dilates, s.pad_l, s.pad_r),
      engine(), fwd);
  return runner(convolution_backward_weights(pd),
                {{DNNL_ARG_SRC, filled(pd.src_desc())},
                 {DNNL_ARG_DIFF_DST, filled(pd.diff_dst_desc())},
                 {DNNL_ARG_DIFF_WEIGHTS, filled(pd.diff_weights_desc())}});
}

}  // namespace etch::bench
