#include "runtime/interp/walk.h"

#include <algorithm>
#include <cstring>

namespace etch::runtime {

int64_t AxisRange::points() const {
  int64_t n = 1;
  for (int a = 0; a < count; ++a) n *= sizes[a];
  return n;
}

int64_t AxisRange::offset(int64_t i) const {
  int64_t at = 0;
  for (int a = count - 1; a > 0 && i != 0; --a) {
    int64_t outer = i / sizes[a];
    at += (i - outer * sizes[a]) * strides[a];
    i = outer;
  }
  return count > 0 ? at + i * strides[0] : at;
}

int64_t AxisRange::linear_span(int64_t unit) const {
  int64_t span = 1;
  for (int a = count - 1; a >= 0; --a) {
    if (sizes[a] != 1 && strides[a] != unit * span) break;
    span *= sizes[a];
  }
  return span;
}

bool AxisRange::all_zero() const {
  return std::all_of(strides, strides + count, [](int64_t s) { return s == 0; });
}

int full_loads(const ir::loop::Kernel& k, const ir::loop::BoundKernel& b) {
  const size_t axes = static_cast<size_t>(k.axes());
  int count = 0;
  for (size_t l = 0; l < k.loads.size(); ++l) {
    bool full = true;
    for (size_t a = 0; a < axes; ++a) full &= b.sizes[a] == 1 || b.strides[l * axes + a] != 0;
    count += full;
  }
  return count;
}

void Window::prepare() {
  fast_points = fast.points();
  fast_span = base == nullptr ? 0 : fast.linear_span(1);
  slow_span = base == nullptr ? 0 : slow.linear_span(fast_points);
  slow_still = slow.all_zero();
}

namespace {

bool in_one_span(int64_t begin, int64_t n, int64_t span) {
  if (span <= 1) return n <= 1;
  return n <= span && begin % span <= span - n;
}

template <class T>
void fill(std::byte* out, const std::byte* one, int64_t n) {
  T v;
  std::memcpy(&v, one, sizeof v);
  std::fill_n(reinterpret_cast<T*>(out), n, v);
}

/// Calls run(offset, n, stride) for the pieces of [begin, begin + n) along the last axis.
template <class F>
void each_run(const AxisRange& r, int64_t begin, int64_t n, F&& run) {
  if (r.count == 0) return run(int64_t{0}, n, int64_t{0});
  const int last = r.count - 1;
  if (r.count == 1) return run(begin * r.strides[0], n, r.strides[0]);
  int64_t index[kMaxRank * 2] = {};
  int64_t rest = begin;
  for (int a = last; a >= 0; --a) {
    index[a] = rest % r.sizes[a];
    rest /= r.sizes[a];
  }
  int64_t base = 0;
  for (int a = 0; a < last; ++a) base += index[a] * r.strides[a];
  int64_t start = index[last];
  while (n > 0) {
    int64_t piece = std::min(n, r.sizes[last] - start);
    run(base + start * r.strides[last], piece, r.strides[last]);
    n -= piece;
    start = 0;
    for (int a = last - 1; a >= 0; --a) {
      base += r.strides[a];
      if (++index[a] < r.sizes[a]) break;
      base -= r.sizes[a] * r.strides[a];
      index[a] = 0;
    }
  }
}

void positions(std::byte* out, int64_t first, int64_t n, int64_t stride) {
  auto* o = reinterpret_cast<int64_t*>(out);
  for (int64_t i = 0; i < n; ++i) o[i] = first + i * stride;
}

}  // namespace

void repeat(std::byte* out, const std::byte* one, int64_t n, size_t itemsize) {
  switch (itemsize) {
    case 1:
      return fill<uint8_t>(out, one, n);
    case 2:
      return fill<uint16_t>(out, one, n);
    case 4:
      return fill<uint32_t>(out, one, n);
    default:
      return fill<uint64_t>(out, one, n);
  }
}

std::byte* Window::direct(int64_t s0, int64_t slows, int64_t f0, int64_t fasts) const {
  if (slows == 1 && fast_span >= fast_points) {  // the common case without a division
    return base + (slow.offset(s0) + f0) * static_cast<int64_t>(itemsize);
  }
  if (base == nullptr || !in_one_span(f0, fasts, fast_span)) return nullptr;
  if (slows > 1 && (fasts != fast_points || !in_one_span(s0, slows, slow_span))) return nullptr;
  return base + (slow.offset(s0) + fast.offset(f0)) * static_cast<int64_t>(itemsize);
}

void Window::gather(std::byte* out, int64_t s0, int64_t slows, int64_t f0, int64_t fasts,
                    const CopyLoops& copy) const {
  const int64_t item = static_cast<int64_t>(itemsize);
  std::byte* start = out;
  each_run(slow, s0, slow_still ? 1 : slows, [&](int64_t row, int64_t rows, int64_t row_stride) {
    for (int64_t r = 0; r < rows; ++r, row += row_stride) {
      each_run(fast, f0, fasts, [&](int64_t at, int64_t n, int64_t stride) {
        if (base == nullptr) {
          positions(out, row + at, n, stride);
        } else {
          const std::byte* from = base + (row + at) * item;
          if (stride == 1)
            std::memcpy(out, from, static_cast<size_t>(n * item));
          else if (stride == 0)
            repeat(out, from, n, itemsize);
          else
            copy.gather(out, from, n, stride);
        }
        out += n * item;
      });
    }
  });
  if (!slow_still) return;
  // Every row is the first one again.
  for (int64_t have = fasts * item, want = slows * have; have < want; have *= 2) {
    std::memcpy(start + have, start, static_cast<size_t>(std::min(have, want - have)));
  }
}

void Window::scatter(const std::byte* in, int64_t s0, int64_t slows, int64_t f0, int64_t fasts,
                     const CopyLoops& copy) const {
  const int64_t item = static_cast<int64_t>(itemsize);
  each_run(slow, s0, slows, [&](int64_t row, int64_t rows, int64_t row_stride) {
    for (int64_t r = 0; r < rows; ++r, row += row_stride) {
      each_run(fast, f0, fasts, [&](int64_t at, int64_t n, int64_t stride) {
        std::byte* to = base + (row + at) * item;
        if (stride == 1)
          std::memcpy(to, in, static_cast<size_t>(n * item));
        else
          copy.scatter(to, in, n, stride);
        in += n * item;
      });
    }
  });
}

}  // namespace etch::runtime
