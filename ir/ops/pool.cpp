#include "ir/ops/pool.h"

#include <cmath>
#include <cstring>

#include "ir/onnx_writer.h"

namespace etch::ir {
namespace {

Dim windows(const Infer& c, Dim size, int64_t pad, int64_t kernel, int64_t stride) {
  Dim room = size + pad - kernel;
  if (dim_less(room, Dim(0)) == Truth::Yes) {
    c.fail(cat("a window of ", kernel, " does not fit size ", size, " with padding ", pad));
  }
  return room / Dim(stride) + 1;
}

template <class A>
Shape pooled_shape(const Infer& c, const Shape& x, const A& a) {
  bool ok = x.size() == 4 && a.kernel.size() == 2 && a.stride.size() == 2 && a.padding.size() == 4;
  for (size_t i = 0; ok && i < 2; ++i) {
    ok = a.kernel[i] >= 1 && a.stride[i] >= 1 && a.padding[i] >= 0 && a.padding[i + 2] >= 0 &&
         a.padding[i] < a.kernel[i] && a.padding[i + 2] < a.kernel[i];
  }
  if (!ok) {
    c.fail(
        cat("expected x [N, C, H, W], two window sizes and strides of at least 1 and four "
            "paddings below the window, got ",
            x, " ", a.kernel, " ", a.stride, " ", a.padding));
  }
  return {x[0], x[1], windows(c, x[2], a.padding[0] + a.padding[2], a.kernel[0], a.stride[0]),
          windows(c, x[3], a.padding[1] + a.padding[3], a.kernel[1], a.stride[1])};
}

/// The part of a window that lies inside the image.
struct Window {
  int64_t y0, y1, x0, x1;
};

/// Calls f(plane, output position, window) for every window; planes are n * c.
template <class A, class F>
void each_window(const A& a, std::span<const int64_t> in, std::span<const int64_t> out, F&& f) {
  int64_t h = in[2], w = in[3];
  for (int64_t plane = 0; plane < in[0] * in[1]; ++plane) {
    for (int64_t oy = 0; oy < out[2]; ++oy) {
      for (int64_t ox = 0; ox < out[3]; ++ox) {
        int64_t y = oy * a.stride[0] - a.padding[0], x = ox * a.stride[1] - a.padding[1];
        Window win{std::max<int64_t>(y, 0), std::min(y + a.kernel[0], h), std::max<int64_t>(x, 0),
                   std::min(x + a.kernel[1], w)};
        f(plane, (plane * out[2] + oy) * out[3] + ox, win);
      }
    }
  }
}

template <class T>
int64_t largest(const T* plane, int64_t width, const Window& win) {
  int64_t best = win.y0 * width + win.x0;
  for (int64_t y = win.y0; y < win.y1; ++y) {
    for (int64_t x = win.x0; x < win.x1; ++x) {
      T value = plane[y * width + x], top = plane[best];
      if (value > top || (std::isnan(value) && !std::isnan(top))) best = y * width + x;
    }
  }
  return best;
}

template <class F>
void with_float(DType t, F&& f) {
  if (t == DType::F32) return f(float{});
  f(double{});
}

}  // namespace

void PoolPick::infer(const Infer& c, Types& out) {
  if (c.in[0].dtype != c.in[1].dtype) {
    c.fail(cat("expected operands of one type, got ", c.in[0], " and ", c.in[1]));
  }
  unify(c, c.in[0].shape, c.in[1].shape, "sizes of the operands");
  out.push_back({c.in[0].dtype, pooled_shape(c, c.in[0].shape, c.as<Attrs>())});
}

void PoolPick::kernel(const KernelCall& c) {
  const TensorRef &x = c.in[0], &v = c.in[1], &out = c.out[0];
  int64_t width = x.sizes[3], plane_size = x.sizes[2] * width;
  with_float(x.dtype, [&]<class T>(T) {
    each_window(c.as<Attrs>(), x.sizes, out.sizes, [&](int64_t p, int64_t o, const Window& win) {
      out.as<T>()[o] = v.as<T>()[p * plane_size + largest(x.as<T>() + p * plane_size, width, win)];
    });
  });
}

Grads PoolPick::vjp(const Call& c) {
  return {Var(), op<PoolScatter>(c.as<Attrs>(), c.in(0), c.grad())};
}

void PoolScatter::infer(const Infer& c, Types& out) {
  Shape pooled = pooled_shape(c, c.in[0].shape, c.as<Attrs>());
  if (c.in[0].dtype != c.in[1].dtype) {
    c.fail(cat("expected a gradient of shape ", pooled, ", got ", c.in[1]));
  }
  unify(c, pooled, c.in[1].shape, "sizes of the gradient");
  out.push_back(c.in[0]);
}

void PoolScatter::kernel(const KernelCall& c) {
  const TensorRef &x = c.in[0], &g = c.in[1], &out = c.out[0];
  int64_t width = x.sizes[3], plane_size = x.sizes[2] * width;
  std::memset(out.data, 0, static_cast<size_t>(out.numel()) * itemsize(out.dtype));
  with_float(x.dtype, [&]<class T>(T) {
    each_window(c.as<Attrs>(), x.sizes, g.sizes, [&](int64_t p, int64_t o, const Window& win) {
      out.as<T>()[p * plane_size + largest(x.as<T>() + p * plane_size, width, win)] += g.as<T>()[o];
    });
  });
}

Grads PoolScatter::vjp(const Call& c) {
  return {Var(), op<PoolPick>(c.as<Attrs>(), c.in(0), c.grad())};
}

void MaxPool2d::to_onnx(OnnxWriter& w) {
  const auto& a = w.as<Attrs>();
  w.result("MaxPool", {w.in(0)},
           {{"kernel_shape", a.kernel}, {"pads", a.padding}, {"strides", a.stride}});
}

void AvgPool2d::infer(const Infer& c, Types& out) {
  out.push_back({c.in[0].dtype, pooled_shape(c, c.in[0].shape, c.as<Attrs>())});
}

void AvgPool2d::kernel(const KernelCall& c) {
  const TensorRef &x = c.in[0], &out = c.out[0];
  int64_t width = x.sizes[3], plane_size = x.sizes[2] * width;
  with_float(x.dtype, [&]<class T>(T) {
    each_window(c.as<Attrs>(), x.sizes, out.sizes, [&](int64_t p, int64_t o, const Window& win) {
      T sum = 0;
      for (int64_t y = win.y0; y < win.y1; ++y) {
        for (int64_t i = win.x0; i < win.x1; ++i) {
          sum += x.as<T>()[p * plane_size + y * width + i];
        }
      }
      out.as<T>()[o] = sum / static_cast<T>((win.y1 - win.y0) * (win.x1 - win.x0));
    });
  });
}

Grads AvgPool2d::vjp(const Call& c) {
  const auto& a = c.as<Attrs>();
  return {op<AvgPool2dGrad>({c.in(0).shape(), a.kernel, a.stride, a.padding}, c.grad())};
}

void AvgPool2d::to_onnx(OnnxWriter& w) {
  const auto& a = w.as<Attrs>();
  w.result("AveragePool", {w.in(0)},
           {{"kernel_shape", a.kernel}, {"pads", a.padding}, {"strides", a.stride}});
}

void AvgPool2dGrad::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  Shape pooled = pooled_shape(c, a.input, a);
  unify(c, pooled, c.in[0].shape, "sizes of the gradient");
  out.push_back({c.in[0].dtype, a.input});
}

void AvgPool2dGrad::kernel(const KernelCall& c) {
  const TensorRef &g = c.in[0], &out = c.out[0];
  int64_t width = out.sizes[3], plane_size = out.sizes[2] * width;
  std::memset(out.data, 0, static_cast<size_t>(out.numel()) * itemsize(out.dtype));
  with_float(g.dtype, [&]<class T>(T) {
    each_window(c.as<Attrs>(), out.sizes, g.sizes, [&](int64_t p, int64_t o, const Window& win) {
      T share = g.as<T>()[o] / static_cast<T>((win.y1 - win.y0) * (win.x1 - win.x0));
      for (int64_t y = win.y0; y < win.y1; ++y) {
        for (int64_t i = win.x0; i < win.x1; ++i) {
          out.as<T>()[p * plane_size + y * width + i] += share;
        }
      }
    });
  });
}

Grads AvgPool2dGrad::vjp(const Call& c) {
  const auto& a = c.as<Attrs>();
  return {op<AvgPool2d>({a.kernel, a.stride, a.padding}, c.grad())};
}

}  // namespace etch::ir
