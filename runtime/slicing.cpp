// Tensor's slicing, by numbers and by symbolic sizes.
#include "etch/tensor.h"
#include "ir/ops/view.h"
#include "runtime/eager.h"
#include "runtime/recorder.h"

namespace etch {

using runtime::At;
using runtime::checked_axis;
using runtime::run1;

namespace {

/// The number of a size in this run, for checks; decides nothing.
int64_t number(Dim d) {
  auto* r = runtime::recorder();
  return !d.is_const() && r != nullptr ? r->example(d) : d.resolve();
}

// The smaller and the larger one, themselves where that is known.
Dim smaller(Dim a, Dim b) { return dim_less(b, a) == Truth::No ? a : etch::min(a, b); }
Dim larger(Dim a, Dim b) { return dim_less(a, b) == Truth::No ? a : etch::max(a, b); }

/// Where an end of a range lies on an axis of size n. Its sign is looked at, since below 0 it
/// counts from the end.
Dim place(Dim end, Dim n) {
  if (end.is(kMaxSize)) return n;
  return dim_decide_less(end, Dim(0)) ? larger(n + end, Dim(0)) : smaller(end, n);
}

Tensor slice_range(const Tensor& x, int64_t axis, Dim start, Dim stop, int64_t step) {
  return run1<ir::Slice>({axis, {start, stop}, step}, x);
}

}  // namespace

Index Index::range(SizeArg start, SizeArg stop, int64_t step) {
  Index i(Kind::Range);
  i.start = start.dim;
  i.stop = stop.dim;
  i.step = step;
  return i;
}
Index Index::from(SizeArg start, int64_t step) { return range(start, kMaxSize, step); }

Tensor Tensor::slice(int64_t axis, SizeArg start, SizeArg stop, int64_t step,
                     std::source_location loc) const {
  At at(loc);
  int i = checked_axis(*this, axis, "slice");
  if (step < 1) fail("slice", cat("expected a positive step, got ", step), "", loc);
  Dim n = size(axis, loc), from = place(start.dim, n);
  return slice_range(*this, i, from, larger(place(stop.dim, n), from), step);
}

Tensor Tensor::select(int64_t axis, SizeArg index, std::source_location loc) const {
  At at(loc);
  int i = checked_axis(*this, axis, "select");
  const Dim n = size(axis, loc);
  const bool from_end = dim_decide_less(index.dim, Dim(0));
  const Dim start = from_end ? n + index.dim : index.dim;
  // Asked of the sizes, so that a recording holds where there is such an element.
  if (from_end ? dim_decide_less(start, Dim(0)) : !dim_decide_less(start, n)) {
    const int64_t count = number(n);
    fail("select",
         cat("index ", number(index.dim), " is out of range for size ", count, " of axis ", axis),
         cat("Indices run from ", -count, " to ", count - 1), loc);
  }
  return run1<ir::Squeeze>({{int64_t{i}}}, slice_range(*this, i, start, start + 1, 1));
}

Tensor Tensor::narrow(int64_t axis, SizeArg start, SizeArg length, std::source_location loc) const {
  At at(loc);
  int i = checked_axis(*this, axis, "narrow");
  bool from_end = dim_decide_less(start.dim, Dim(0));
  Dim from = from_end ? size(axis, loc) + start.dim : start.dim;
  return slice_range(*this, i, from, from + length.dim, 1);
}

std::vector<Tensor> Tensor::split(SizeArg size_arg, int64_t axis, std::source_location loc) const {
  At at(loc);
  int i = checked_axis(*this, axis, "split");
  Dim n = size(axis, loc), part = size_arg.dim;
  if (number(part) < 1) fail("split", cat("expected parts of at least 1, got ", part), "", loc);
  std::vector<Tensor> out;
  Dim from(0);
  do {
    // Whether another full part fits is a question about n, which a trace records.
    bool last = !dim_decide_less(from + part, n);
    Dim to = last ? n : from + part;
    out.push_back(slice_range(*this, i, from, to, 1));
    from = to;
  } while (!from.same_as(n));
  return out;
}

std::vector<Tensor> Tensor::split(SizeArgs sizes, int64_t axis, std::source_location loc) const {
  At at(loc);
  int i = checked_axis(*this, axis, "split");
  Dim n = size(axis, loc), total(0);
  for (Dim d : sizes.shape()) total = total + d;
  if (number(total) != number(n) || (!total.same_as(n) && !dim_decide_equal(total, n))) {
    fail("split", cat("the parts ", sizes.shape(), " do not add up to size ", n, " of axis ", axis),
         "", loc);
  }
  std::vector<Tensor> out;
  Dim from(0);
  for (Dim d : sizes.shape()) {
    out.push_back(slice_range(*this, i, from, from + d, 1));
    from = from + d;
  }
  return out;
}

std::vector<Tensor> Tensor::chunk(int64_t count, int64_t axis, std::source_location loc) const {
  At at(loc);
  checked_axis(*this, axis, "chunk");
  if (count < 1) fail("chunk", cat("expected at least one part, got ", count), "", loc);
  return split(larger(ceil_div(size(axis, loc), Dim(count)), Dim(1)), axis, loc);
}

Tensor Tensor::repeat(SizeArgs times, std::source_location loc) const {
  At at(loc);
  runtime::require_defined(*this, "repeat");
  const Shape& t = times.shape();
  Shape have = shape(loc);
  if (t.size() < have.size()) {
    fail("repeat", cat("expected at least ", have.size(), " counts, got ", t.size()), "", loc);
  }
  while (have.size() < t.size()) have.insert(0, Dim(1));
  Shape apart, wide, joined;  // [1, n], [times, n], [times * n] of every axis
  for (size_t i = 0; i < t.size(); ++i) {
    if (number(t[i]) < 0) fail("repeat", cat("expected counts of at least 0, got ", t), "", loc);
    apart.push_back(Dim(1));
    apart.push_back(have[i]);
    wide.push_back(t[i]);
    wide.push_back(have[i]);
    joined.push_back(t[i] * have[i]);
  }
  return reshape(apart, loc).expand(wide, loc).reshape(joined, loc);
}

Tensor Tensor::index(std::initializer_list<Index> indices, std::source_location loc) const {
  At at(loc);
  Tensor out = *this;
  int64_t axis = 0;
  for (const Index& i : indices) {
    switch (i.kind) {
      case Index::Kind::At:
        out = out.select(axis, i.start, loc);
        break;
      case Index::Kind::Range:
        out = out.slice(axis++, i.start, i.stop, i.step, loc);
        break;
      case Index::Kind::All:
        checked_axis(out, axis++, "index");
        break;
      case Index::Kind::NewAxis:
        out = out.unsqueeze(axis++, loc);
        break;
    }
  }
  return out;
}

}  // namespace etch
