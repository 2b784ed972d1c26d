#include "ir/ops/index.h"

#include <cstring>

namespace etch::ir {
namespace {

/// A dense tensor as outer x axis x inner.
struct Split {
  int64_t outer = 1, axis = 1, inner = 1;
};
Split split_at(const TensorRef& t, int64_t axis) {
  Split s;
  if (axis < 0) axis += t.rank();
  for (int i = 0; i < t.rank(); ++i) {
    int64_t n = t.sizes[static_cast<size_t>(i)];
    (i < axis ? s.outer : i == axis ? s.axis : s.inner) *= n;
  }
  return s;
}

std::byte* bytes_at(const TensorRef& t, int64_t element) {
  return static_cast<std::byte*>(t.data) + element * static_cast<int64_t>(itemsize(t.dtype));
}

int64_t index_at(const TensorRef& t, int64_t i) {
  switch (t.dtype) {
    case DType::I64:
      return t.as<int64_t>()[i];
    case DType::I32:
      return t.as<int32_t>()[i];
    case DType::I16:
      return t.as<int16_t>()[i];
    case DType::I8:
      return t.as<int8_t>()[i];
    case DType::U8:
      return t.as<uint8_t>()[i];
    case DType::U16:
      return t.as<uint16_t>()[i];
    case DType::U32:
      return t.as<uint32_t>()[i];
    default:
      return static_cast<int64_t>(t.as<uint64_t>()[i]);
  }
}

/// The index, wrapped when negative; raises UserError when it is outside.
int64_t checked_index(const KernelCall& c, const TensorRef& t, int64_t i, int64_t size) {
  int64_t v = index_at(t, i);
  int64_t wrapped = v < 0 ? v + size : v;
  if (wrapped < 0 || wrapped >= size) {
    fail(c.op.name(), cat("index ", v, " at position ", i, " is out of range for size ", size),
         cat("Indices run from ", -size, " to ", size - 1), current_loc());
  }
  return wrapped;
}

void require_index(const Infer& c) {
  if (!is_int(c.in[1].dtype)) {
    c.fail(cat("expected integer indices, got ", c.in[1]), "Cast them to i64");
  }
}

size_t axis_of(const Infer& c, int64_t axis) {
  return static_cast<size_t>(normalize_axis(c.op.name(), axis, c.in[0].rank()));
}

Dim size_along(int64_t axis, const Shape& s) {
  return s[static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(s.size()) : axis)];
}

template <class T>
void add_run(void* to, const void* from, int64_t n) {
  T* a = static_cast<T*>(to);
  const T* b = static_cast<const T*>(from);
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      a[i] = a[i] + b[i];
    } else {
      a[i] = static_cast<T>(static_cast<uint64_t>(a[i]) + static_cast<uint64_t>(b[i]));
    }
  }
}

using AddRun = void (*)(void*, const void*, int64_t);
AddRun add_run_for(DType t) {
  switch (t) {
    case DType::F32:
      return &add_run<float>;
    case DType::F64:
      return &add_run<double>;
    case DType::I8:
      return &add_run<int8_t>;
    case DType::I16:
      return &add_run<int16_t>;
    case DType::I32:
      return &add_run<int32_t>;
    case DType::I64:
      return &add_run<int64_t>;
    case DType::U8:
      return &add_run<uint8_t>;
    case DType::U16:
      return &add_run<uint16_t>;
    case DType::U32:
      return &add_run<uint32_t>;
    default:
      return &add_run<uint64_t>;
  }
}

}  // namespace

void Concat::infer(const Infer& c, Types& out) {
  size_t axis = axis_of(c, c.as<Attrs>().axis);
  TensorType t = c.in[0];
  for (size_t k = 1; k < c.in.size(); ++k) {
    const TensorType& x = c.in[k];
    if (x.rank() != t.rank() || x.dtype != t.dtype) {
      c.fail(cat("expected operands of one rank and dtype, got ", c.in[0], " and ", x));
    }
    for (size_t i = 0; i < t.shape.size(); ++i) {
      if (i != axis) t.shape[i] = unify(c, t.shape[i], x.shape[i], cat("sizes on axis ", i));
    }
    t.shape[axis] = t.shape[axis] + x.shape[axis];
  }
  out.push_back(std::move(t));
}

void Concat::kernel(const KernelCall& c) {
  const TensorRef& out = c.out[0];
  Split so = split_at(out, c.as<Attrs>().axis);
  int64_t at = 0;
  for (const TensorRef& x : c.in) {
    Split sx = split_at(x, c.as<Attrs>().axis);
    size_t run = static_cast<size_t>(sx.axis * sx.inner) * itemsize(x.dtype);
    for (int64_t o = 0; run != 0 && o < so.outer; ++o) {
      std::memcpy(bytes_at(out, (o * so.axis + at) * so.inner), bytes_at(x, o * sx.axis * sx.inner),
                  run);
    }
    at += sx.axis;
  }
}

Grads Concat::vjp(const Call& c) {
  int64_t axis = normalize_axis("concat", c.as<Attrs>().axis, c.in(0).rank());
  Grads out;
  Dim at(0);
  for (int i = 0; i < c.count(); ++i) {
    Dim next = at + c.in(i).shape()[static_cast<size_t>(axis)];
    out.push_back(c.wants(i) ? op<Slice>({axis, {at, next}, 1}, c.grad()) : Var());
    at = next;
  }
  return out;
}

void Pad::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  TensorType t = c.in[0];
  if (a.low.size() != t.shape.size() || a.high.size() != t.shape.size()) {
    c.fail(cat("expected ", t.rank(), " paddings on each side, got ", a.low, " and ", a.high));
  }
  for (size_t i = 0; i < t.shape.size(); ++i) {
    bool cuts = dim_less(a.low[i], Dim(0)) == Truth::Yes ||  // where undecided: requirements()
                dim_less(a.high[i], Dim(0)) == Truth::Yes;
    if (cuts) {
      c.fail(cat("expected paddings of at least 0, got ", a.low, " and ", a.high), "Use slice");
    }
    t.shape[i] = t.shape[i] + a.low[i] + a.high[i];
  }
  out.push_back(std::move(t));
}

void Pad::kernel(const KernelCall& c) {
  const auto& a = c.as<Attrs>();
  const TensorRef &x = c.in[0], &out = c.out[0];
  Number fill = make_number(x.dtype, a.value);
  size_t size = itemsize(x.dtype);
  for (int64_t i = 0, n = out.numel(); i < n; ++i) std::memcpy(bytes_at(out, i), &fill.bits, size);
  int rank = x.rank();
  int64_t row = rank == 0 ? 1 : x.sizes[static_cast<size_t>(rank - 1)];
  int64_t rows = row == 0 ? 0 : x.numel() / row;
  for (int64_t r = 0; r < rows; ++r) {
    int64_t rest = r, to = 0, stride = 1;
    for (int i = rank; i-- > 0;) {
      size_t d = static_cast<size_t>(i);
      int64_t index = 0;
      if (i != rank - 1) {
        index = rest % x.sizes[d];
        rest /= x.sizes[d];
      }
      to += (index + a.low[d].resolve()) * stride;
      stride *= out.sizes[d];
    }
    std::memcpy(bytes_at(out, to), bytes_at(x, r * row), static_cast<size_t>(row) * size);
  }
}

Grads Pad::vjp(const Call& c) {
  const auto& a = c.as<Attrs>();
  Var g = c.grad();
  Shape shape = c.in(0).shape();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (a.low[i].is(0) && a.high[i].is(0)) continue;
    g = op<Slice>({static_cast<int64_t>(i), {a.low[i], a.low[i] + shape[i]}, 1}, g);
  }
  return {g};
}

void SliceScatter::infer(const Infer& c, Types& out) {
  Types window_types;
  Slice::infer(Infer{c.op, c.in.first(1), c.attrs}, window_types);
  const TensorType& window = window_types[0];
  if (c.in[0].dtype != c.in[1].dtype) {
    c.fail(cat("expected a source like ", window, ", got ", c.in[1]));
  }
  unify(c, window.shape, c.in[1].shape, "sizes of window and source");
  out.push_back(c.in[0]);
}

void SliceScatter::kernel(const KernelCall& c) {
  const auto& a = c.as<Attrs>();
  const TensorRef &base = c.in[0], &src = c.in[1], &out = c.out[0];
  size_t size = itemsize(base.dtype);
  if (base.numel() != 0) std::memcpy(out.data, base.data, static_cast<size_t>(base.numel()) * size);
  Split so = split_at(out, a.axis), ss = split_at(src, a.axis);
  int64_t start = a.range[0].resolve();
  size_t run = static_cast<size_t>(so.inner) * size;
  for (int64_t o = 0; run != 0 && o < ss.outer; ++o) {
    for (int64_t i = 0; i < ss.axis; ++i) {
      std::memcpy(bytes_at(out, (o * so.axis + start + i * a.step) * so.inner),
                  bytes_at(src, (o * ss.axis + i) * ss.inner), run);
    }
  }
}

Grads SliceScatter::vjp(const Call& c) {
  const auto& a = c.as<Attrs>();
  Var g = c.grad();
  Grads out(2);
  if (c.wants(0)) {
    Var zeros = op_beside<Full>(g, {c.in(1).shape(), make_number(g.dtype(), 0.0)});
    out[0] = op<SliceScatter>(a, g, zeros);
  }
  if (c.wants(1)) out[1] = op<Slice>(a, g);
  return out;
}

void IndexSelect::infer(const Infer& c, Types& out) {
  require_index(c);
  size_t axis = axis_of(c, c.as<Attrs>().axis);
  TensorType t{c.in[0].dtype, {}};
  for (size_t i = 0; i < c.in[0].shape.size(); ++i) {
    if (i == axis) {
      for (Dim d : c.in[1].shape) t.shape.push_back(d);
    } else {
      t.shape.push_back(c.in[0].shape[i]);
    }
  }
  out.push_back(std::move(t));
}

Dim IndexSelect::index_size(const void* attrs, const Shape& x, const Shape&) {
  return size_along(static_cast<const Attrs*>(attrs)->axis, x);
}

void IndexSelect::kernel(const KernelCall& c) {
  const TensorRef &x = c.in[0], &index = c.in[1];
  Split s = split_at(x, c.as<Attrs>().axis);
  int64_t count = index.numel();
  size_t run = static_cast<size_t>(s.inner) * itemsize(x.dtype);
  for (int64_t i = 0; i < count; ++i) {
    int64_t from = checked_index(c, index, i, s.axis);
    for (int64_t o = 0; run != 0 && o < s.outer; ++o) {
      std::memcpy(bytes_at(c.out[0], (o * count + i) * s.inner),
                  bytes_at(x, (o * s.axis + from) * s.inner), run);
    }
  }
}

Grads IndexSelect::vjp(const Call& c) {
  int64_t axis = normalize_axis("index_select", c.as<Attrs>().axis, c.in(0).rank());
  Dim size = c.in(0).shape()[static_cast<size_t>(axis)];
  return {op<IndexAdd>({axis, {size}}, c.grad(), c.in(1)), Var()};
}

void IndexAdd::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  require_index(c);
  int extra = c.in[1].rank();
  if (a.size.size() != 1 || a.axis < 0 || a.axis + extra > c.in[0].rank()) {
    c.fail(cat("expected an axis of ", c.in[0], " followed by the axes of ", c.in[1]));
  }
  TensorType t{c.in[0].dtype, {}};
  for (int i = 0; i < c.in[0].rank(); ++i) {
    Dim d = c.in[0].shape[static_cast<size_t>(i)];
    if (i < a.axis || i >= a.axis + extra) {
      if (i == a.axis + extra) t.shape.push_back(a.size[0]);
      t.shape.push_back(d);
      continue;
    }
    unify(c, d, c.in[1].shape[static_cast<size_t>(i - a.axis)], "index sizes");
  }
  if (a.axis + extra == c.in[0].rank()) t.shape.push_back(a.size[0]);
  out.push_back(std::move(t));
}

Dim IndexAdd::index_size(const void* attrs, const Shape&, const Shape& out) {
  return size_along(static_cast<const Attrs*>(attrs)->axis, out);
}

void IndexAdd::kernel(const KernelCall& c) {
  const TensorRef &src = c.in[0], &index = c.in[1], &out = c.out[0];
  Split s = split_at(out, c.as<Attrs>().axis);
  std::memset(out.data, 0, static_cast<size_t>(out.numel()) * itemsize(out.dtype));
  AddRun add = add_run_for(src.dtype);
  int64_t count = index.numel();
  for (int64_t i = 0; i < count; ++i) {
    int64_t to = checked_index(c, index, i, s.axis);
    for (int64_t o = 0; o < s.outer; ++o) {
      add(bytes_at(out, (o * s.axis + to) * s.inner), bytes_at(src, (o * count + i) * s.inner),
          s.inner);
    }
  }
}

Grads IndexAdd::vjp(const Call& c) {
  return {op<IndexSelect>({c.as<Attrs>().axis}, c.grad(), c.in(1)), Var()};
}

void Gather::infer(const Infer& c, Types& out) {
  require_index(c);
  size_t axis = axis_of(c, c.as<Attrs>().axis);
  if (c.in[0].rank() != c.in[1].rank()) {
    c.fail(cat("expected indices of the operand's rank, got ", c.in[0], " and ", c.in[1]));
  }
  for (size_t i = 0; i < c.in[0].shape.size(); ++i) {
    if (i != axis) unify(c, c.in[0].shape[i], c.in[1].shape[i], cat("sizes on axis ", i));
  }
  out.push_back({c.in[0].dtype, c.in[1].shape});
}

Dim Gather::index_size(const void* attrs, const Shape& x, const Shape&) {
  return size_along(static_cast<const Attrs*>(attrs)->axis, x);
}

void Gather::kernel(const KernelCall& c) {
  const TensorRef &x = c.in[0], &index = c.in[1];
  Split sx = split_at(x, c.as<Attrs>().axis), si = split_at(index, c.as<Attrs>().axis);
  size_t size = itemsize(x.dtype);
  for (int64_t i = 0, n = index.numel(); i < n; ++i) {
    int64_t inner = i % si.inner, outer = i / (si.inner * si.axis);
    int64_t from = checked_index(c, index, i, sx.axis);
    std::memcpy(bytes_at(c.out[0], i), bytes_at(x, (outer * sx.axis + from) * sx.inner + inner),
                size);
  }
}

Grads Gather::vjp(const Call& c) {
  int64_t axis = normalize_axis("gather", c.as<Attrs>().axis, c.in(0).rank());
  Dim size = c.in(0).shape()[static_cast<size_t>(axis)];
  return {op<ScatterAdd>({axis, {size}}, c.grad(), c.in(1)), Var()};
}

void ScatterAdd::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  require_index(c);
  if (a.size.size() != 1 || c.in[0].rank() != c.in[1].rank()) {
    c.fail(cat("expected indices of the source's rank, got ", c.in[0], " and ", c.in[1]));
  }
  TensorType t = c.in[0];
  for (size_t i = 0; i < t.shape.size(); ++i) {
    unify(c, t.shape[i], c.in[1].shape[i], cat("sizes on axis ", i));
  }
  t.shape[axis_of(c, a.axis)] = a.size[0];
  out.push_back(std::move(t));
}

Dim ScatterAdd::index_size(const void* attrs, const Shape&, const Shape& out) {
  return size_along(static_cast<const Attrs*>(attrs)->axis, out);
}

void ScatterAdd::kernel(const KernelCall& c) {
  const TensorRef &src = c.in[0], &index = c.in[1], &out = c.out[0];
  Split so = split_at(out, c.as<Attrs>().axis), si = split_at(index, c.as<Attrs>().axis);
  std::memset(out.data, 0, static_cast<size_t>(out.numel()) * itemsize(out.dtype));
  AddRun add = add_run_for(src.dtype);
  for (int64_t i = 0, n = index.numel(); i < n; ++i) {
    int64_t inner = i % si.inner, outer = i / (si.inner * si.axis);
    int64_t to = checked_index(c, index, i, so.axis);
    add(bytes_at(out, (outer * so.axis + to) * so.inner + inner), bytes_at(src, i), 1);
  }
}

Grads ScatterAdd::vjp(const Call& c) {
  return {op<Gather>({c.as<Attrs>().axis}, c.grad(), c.in(1)), Var()};
}

}  // namespace etch::ir
