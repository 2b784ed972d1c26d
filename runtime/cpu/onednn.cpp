// The module etch_onednn.so: contractions by oneDNN. It runs on one thread at a time, inside tasks
// of Etch's pool: a second pool would spin against the first.
#include <algorithm>
#include <array>
#include <atomic>
#include <dnnl.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "runtime/contraction_library.h"
#include "runtime/threads.h"

extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int);
}

namespace etch::runtime {

namespace {

using dnnl::memory;
using dnnl::prop_kind;
using ir::contract::Conv2dDesc;
using ir::contract::MatmulDesc;
using dims = memory::dims;
using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

constexpr auto kF32 = memory::data_type::f32;
// Direct convolution: Winograd's error is another order of magnitude.
constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
/// Multiplications below which one thread is enough.
constexpr double kLeastWork = 0x1p18;
/// Channels and columns are split at multiples of the widest vector.
constexpr int64_t kBlock = 16;

const dnnl::engine& engine() {
  static const dnnl::engine e(dnnl::engine::kind::cpu, 0);
  return e;
}

dnnl::stream& stream() {
  thread_local dnnl::stream s(engine());
  return s;
}

/// oneDNN asks OpenMP, whose setting belongs to the thread, and so to the caller's own code.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// Calls run(begin, end) -> bool on `parts` ranges of [0, n) cut at multiples of `block`; whether
/// all succeeded.
template <class F>
bool in_parts(int64_t n, int64_t block, int64_t parts, F&& run) {
  const int64_t blocks = (n + block - 1) / block;
  parts = std::clamp<int64_t>(parts, 1, std::max<int64_t>(blocks, 1));
  std::atomic<bool> good{true};
  parallel_for(parts, 1, [&](int64_t first, int64_t last) {
    OneThread one;
    for (int64_t p = first; p < last; ++p) {
      const int64_t begin = blocks * p / parts * block;
      const int64_t end = std::min(n, blocks * (p + 1) / parts * block);
      if (!run(begin, end)) good = false;
    }
  });
  return good;
}

/// A matrix as sgemm reads it: rows or columns without gaps inside.
struct Matrix {
  char transposed = 'N';
  int64_t leading = 0;
};

std::optional<Matrix> as_matrix(int64_t rows, int64_t cols, int64_t row, int64_t col) {
  if ((col == 1 || cols == 1) && (row >= cols || rows == 1)) {
    return Matrix{'N', rows == 1 ? cols : row};
  }
  if ((row == 1 || rows == 1) && (col >= rows || cols == 1)) {
    return Matrix{'T', cols == 1 ? rows : col};
  }
  return std::nullopt;
}

bool matmul(const MatmulDesc& d) {
  if (d.dtype != DType::F32 || d.m == 0 || d.n == 0 || d.k == 0) return false;
  const std::optional<Matrix> a = as_matrix(d.m, d.k, d.a_row, d.a_col);
  const std::optional<Matrix> b = as_matrix(d.k, d.n, d.b_row, d.b_col);
  if (!a || !b) return false;
  const double work = static_cast<double>(d.batch) * static_cast<double>(d.m) *
                      static_cast<double>(d.n) * static_cast<double>(d.k);
  const int64_t threads = work < kLeastWork ? 1 : num_threads();
  auto multiply = [&](int64_t z, int64_t i, int64_t m, int64_t j, int64_t n) {
    return dnnl_sgemm(a->transposed, b->transposed, m, n, d.k, 1.0f,
                      static_cast<const float*>(d.a) + z * d.a_batch + i * d.a_row, a->leading,
                      static_cast<const float*>(d.b) + z * d.b_batch + j * d.b_col, b->leading,
                      0.0f, static_cast<float*>(d.c) + z * d.c_batch + i * d.c_row + j,
                      d.c_row) == dnnl_success;
  };
  if (d.batch >= threads) {
    return in_parts(d.batch, 1, threads, [&](int64_t begin, int64_t end) {
      for (int64_t z = begin; z < end; ++z) {
        if (!multiply(z, 0, d.m, 0, d.n)) return false;
      }
      return true;
    });
  }
  bool good = true;
  for (int64_t z = 0; z < d.batch && good; ++z) {
    good = d.n >= d.m ? in_parts(d.n, kBlock, threads,
                                 [&](int64_t begin, int64_t end) {
                                   return multiply(z, 0, d.m, begin, end - begin);
                                 })
                      : in_parts(d.m, kBlock, threads, [&](int64_t begin, int64_t end) {
                          return multiply(z, begin, end - begin, 0, d.n);
                        });
  }
  return good;
}

enum class Pass : int64_t { Forward, BackwardData, BackwardWeights };

/// Images, groups and channels of a convolution that one task computes.
struct Part {
  int64_t n = 0, groups = 0, c = 0, oc = 0;
};

/// One part made ready: the library's own layouts inside, windows of dense NCHW tensors outside.
class Convolution {
 public:
  Convolution(Pass pass, const Conv2dDesc& d, const Part& part) {
    const int64_t plane = d.h * d.w, out_plane = d.out_h() * d.out_w(), taps = d.kh * d.kw;
    const int64_t filter = d.group_c() * taps;
    const dims source = {part.n, part.c, d.h, d.w}, source_strides = {d.c * plane, plane, d.w, 1};
    const dims result = {part.n, part.oc, d.out_h(), d.out_w()};
    const dims result_strides = {d.oc * out_plane, out_plane, d.out_w(), 1};
    dims weight = {part.oc, part.c, d.kh, d.kw}, weight_strides = {filter, taps, d.kw, 1};
    if (d.groups != 1) {
      weight = {part.groups, d.group_oc(), d.group_c(), d.kh, d.kw};
      weight_strides.insert(weight_strides.begin(), d.group_oc() * filter);
    }
    auto any = [](const dims& sizes) { return memory::desc(sizes, kF32, memory::format_tag::any); };
    const dims strides = {d.stride_h, d.stride_w}, dilates = {d.dil_h - 1, d.dil_w - 1};
    const dims before = {d.pad_top, d.pad_left}, after = {d.pad_bottom, d.pad_right};
    const memory::desc x(source, kF32, source_strides), y(result, kF32, result_strides);
    const memory::desc w(weight, kF32, weight_strides);
    const auto kind =
        pass == Pass::Forward ? prop_kind::forward_inference : prop_kind::forward_training;
    const Forward::primitive_desc forward(
        Forward::desc(kind, kAlgorithm, any(source), any(weight), any(result), strides, dilates,
                      before, after),
        engine());
    if (pass == Pass::Forward) {
      add(DNNL_ARG_SRC, x, forward.src_desc());
      add(DNNL_ARG_WEIGHTS, w, forward.weights_desc());
      add_result(DNNL_ARG_DST, y, forward.dst_desc());
      run_ = Forward(forward);
    } else if (pass == Pass::BackwardData) {
      const BackwardData::primitive_desc back(
          BackwardData::desc(kAlgorithm, any(source), any(weight), any(result), strides, dilates,
                             before, after),
          engine(), forward);
      add(DNNL_ARG_DIFF_DST, y, back.diff_dst_desc());
      add(DNNL_ARG_WEIGHTS, w, back.weights_desc());
      add_result(DNNL_ARG_DIFF_SRC, x, back.diff_src_desc());
      run_ = BackwardData(back);
    } else {
      const BackwardWeights::primitive_desc back(
          BackwardWeights::desc(kAlgorithm, any(source), any(weight), any(result), strides, dilates,
                                before, after),
          engine(), forward);
      add(DNNL_ARG_SRC, x, back.src_desc());
      add(DNNL_ARG_DIFF_DST, y, back.diff_dst_desc());
      add_result(DNNL_ARG_DIFF_WEIGHTS, w, back.diff_weights_desc());
      run_ = BackwardWeights(back);
    }
  }

  /// `data` in the order of the operands, the result last.
  void operator()(const std::array<float*, 3>& data) {
    std::unordered_map<int, memory> args;
    for (size_t i = 0; i < data.size(); ++i) {
      Operand& o = operands_[i];
      o.outer.set_data_handle(data[i]);
      if (o.reorder && i != 2) o.reorder->execute(stream(), o.outer, o.inner);
      args.emplace(o.arg, o.reorder ? o.inner : o.outer);
    }
    run_.execute(stream(), args);
    Operand& result = operands_[2];
    if (result.reorder) result.reorder->execute(stream(), result.inner, result.outer);
    stream().wait();
  }

 private:
  struct Operand {
    int arg = 0;
    memory outer, inner;
    std::optional<dnnl::reorder> reorder;
  };

  void add(int arg, const memory::desc& outer, const memory::desc& inner) {
    Operand& o = place(arg, outer, inner);
    if (inner != outer) o.reorder.emplace(o.outer, o.inner);
  }
  void add_result(int arg, const memory::desc& outer, const memory::desc& inner) {
    Operand& o = place(arg, outer, inner);
    if (inner != outer) o.reorder.emplace(o.inner, o.outer);
  }
  Operand& place(int arg, const memory::desc& outer, const memory::desc& inner) {
    Operand& o = operands_[count_++];
    o.arg = arg;
    o.outer = memory(outer, engine(), nullptr);
    if (inner != outer) o.inner = memory(inner, engine());
    return o;
  }

  dnnl::primitive run_;
  std::array<Operand, 3> operands_;
  size_t count_ = 0;
};

/// Making one takes longer than running a small one, so each thread keeps some.
constexpr size_t kKept = 64;

bool run_part(Pass pass, const Conv2dDesc& d, const Part& part, const std::array<float*, 3>& data) {
  using Key = std::array<int64_t, 21>;
  const Key key = {static_cast<int64_t>(pass),
                   d.n,
                   d.c,
                   d.h,
                   d.w,
                   d.oc,
                   d.kh,
                   d.kw,
                   d.stride_h,
                   d.stride_w,
                   d.pad_top,
                   d.pad_left,
                   d.pad_bottom,
                   d.pad_right,
                   d.dil_h,
                   d.dil_w,
                   d.groups,
                   part.n,
                   part.groups,
                   part.c,
                   part.oc};
  thread_local std::map<Key, std::unique_ptr<Convolution>> kept;
  try {
    auto it = kept.find(key);
    if (it == kept.end()) {
      if (kept.size() >= kKept) kept.clear();
      it = kept.emplace(key, std::make_unique<Convolution>(pass, d, part)).first;
    }
    (*it->second)(data);
    return true;
  } catch (const dnnl::error&) {
    return false;
  }
}

bool convolve(Pass pass, const Conv2dDesc& d, float* x, float* w, float* y) {
  if (d.dtype != DType::F32 || d.n == 0 || d.c == 0 || d.oc == 0 || d.kh == 0 || d.kw == 0 ||
      d.out_h() == 0 || d.out_w() == 0) {
    return false;
  }
  const int64_t plane = d.h * d.w, out_plane = d.out_h() * d.out_w(), taps = d.kh * d.kw;
  const int64_t filter = d.group_c() * taps;
  const double work = static_cast<double>(d.n * d.oc) * static_cast<double>(out_plane) *
                      static_cast<double>(filter);
  const int64_t threads = work < kLeastWork ? 1 : num_threads();
  auto run = [&](const Part& part, float* px, float* pw, float* py) {
    if (pass == Pass::Forward) return run_part(pass, d, part, {px, pw, py});
    if (pass == Pass::BackwardData) return run_part(pass, d, part, {py, pw, px});
    return run_part(pass, d, part, {px, py, pw});
  };
  // Parts write apart from each other: images, else groups, else channels of the result.
  if (pass != Pass::BackwardWeights && d.n >= threads) {
    return in_parts(d.n, 1, threads, [&](int64_t begin, int64_t end) {
      return run({end - begin, d.groups, d.c, d.oc}, x + begin * d.c * plane, w,
                 y + begin * d.oc * out_plane);
    });
  }
  if (d.groups != 1) {
    return in_parts(d.groups, 1, threads, [&](int64_t begin, int64_t end) {
      const int64_t g = end - begin;
      return run({d.n, g, g * d.group_c(), g * d.group_oc()}, x + begin * d.group_c() * plane,
                 w + begin * d.group_oc() * filter, y + begin * d.group_oc() * out_plane);
    });
  }
  if (pass == Pass::BackwardData) {
    return in_parts(d.c, kBlock, threads, [&](int64_t begin, int64_t end) {
      return run({d.n, 1, end - begin, d.oc}, x + begin * plane, w + begin * taps, y);
    });
  }
  return in_parts(d.oc, kBlock, threads, [&](int64_t begin, int64_t end) {
    return run({d.n, 1, d.c, end - begin}, x, w + begin * filter, y + begin * out_plane);
  });
}

float* writable(const void* p) { return static_cast<float*>(const_cast<void*>(p)); }

bool forward(const Conv2dDesc& d, const void* x, const void* weight, void* y) {
  return convolve(Pass::Forward, d, writable(x), writable(weight), writable(y));
}
bool backward_data(const Conv2dDesc& d, const void* dy, const void* weight, void* dx) {
  return convolve(Pass::BackwardData, d, writable(dx), writable(weight), writable(dy));
}
bool backward_weights(const Conv2dDesc& d, const void* x, const void* dy, void* dweight) {
  return convolve(Pass::BackwardWeights, d, writable(x), writable(dweight), writable(dy));
}

const ContractionLibrary& library() {
  static const std::string version = [] {
    const dnnl_version_t* v = dnnl_version();
    return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
           std::to_string(v->patch);
  }();
  static const ContractionLibrary table = {
      .abi = kContractionLibraryAbi,
      .version = version.c_str(),
      .matmul = &matmul,
      .conv2d_forward = &forward,
      .conv2d_backward_data = &backward_data,
      .conv2d_backward_weights = &backward_weights,
  };
  return table;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const ContractionLibrary*
etch_contraction_library() {
  return &library();
}

}  // namespace etch::runtime
