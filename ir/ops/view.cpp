#include "ir/ops/view.h"

#include "ir/grad.h"
#include "ir/ops/index.h"

namespace etch::ir {
namespace {

Axes full_permutation(const Infer& c, const Axes& axes, int rank) {
  Axes out;
  for (int64_t a : axes) out.push_back(normalize_axis(c.op.name(), a, rank));
  Axes sorted = out;
  std::sort(sorted.begin(), sorted.end());
  bool ok = static_cast<int>(out.size()) == rank;
  for (size_t i = 0; ok && i < sorted.size(); ++i) ok = sorted[i] == static_cast<int64_t>(i);
  if (!ok) c.fail(cat("expected each of ", rank, " axes once, got ", axes));
  return out;
}

int64_t axis_at(const Axes& axes, size_t i, size_t rank) {
  return axes[i] < 0 ? axes[i] + static_cast<int64_t>(rank) : axes[i];
}

/// Keeps the dims of `sizes` that are not new: copies strides along for squeeze and unsqueeze.
bool restride_ones(const Shape& sizes, StridedView& v) {
  Shape strides;
  size_t at = 0;
  for (Dim d : sizes) {
    while (at < v.sizes.size() && v.sizes[at].is(1)) ++at;
    strides.push_back(d.is(1) ? Dim(0) : v.strides[at++]);
  }
  v.sizes = sizes;
  v.strides = strides;
  return true;
}

}  // namespace

Dim reshape_size(const Shape& have, const Shape& want, size_t unknown) {
  Shape rest = have;
  Dim known(1);
  for (size_t i = 0; i < want.size(); ++i) {
    if (i == unknown) continue;
    auto equal = [&](Dim d) { return dim_equal(d, want[i]) == Truth::Yes; };
    auto at = std::find_if(rest.begin(), rest.end(), equal);
    if (at == rest.end()) {
      known = known * want[i];
    } else {
      rest.erase(static_cast<size_t>(at - rest.begin()));
    }
  }
  Dim all = shape_numel(rest);
  auto refuse = [&](const std::string& why) {
    fail("reshape", cat("cannot reshape ", have, " to ", want, ": ", why), "", current_loc());
  };
  if (known.is(0) || !dim_decide_less(Dim(0), known)) refuse("-1 is not clear beside sizes of 0");
  Dim size = all / known;
  if (!(size * known).same_as(all) && !dim_decide_equal(size * known, all)) {
    refuse(cat(all, " elements do not divide by ", known));
  }
  return size;
}

void Reshape::infer(const Infer& c, Types& out) {
  const Shape& want = c.as<Attrs>().shape;
  Shape shape = want;
  auto is_unknown = [](Dim d) { return d.is(-1); };
  auto unknown = std::find_if(want.begin(), want.end(), is_unknown);
  if (unknown == want.end()) {
    Dim have = shape_numel(c.in[0].shape), known = shape_numel(want);
    if (!have.same_as(known) &&
        (dim_equal(have, known) == Truth::No || !dim_decide_equal(have, known))) {
      c.fail(cat("cannot reshape ", c.in[0].shape, " to ", want, ": ", have, " and ", known,
                 " elements"));
    }
  } else {
    if (std::count_if(want.begin(), want.end(), is_unknown) > 1) {
      c.fail(cat("expected at most one -1, got shape ", want));
    }
    size_t at = static_cast<size_t>(unknown - want.begin());
    shape[at] = reshape_size(c.in[0].shape, want, at);
  }
  for (Dim d : shape) {
    if (dim_less(d, Dim(0)) == Truth::Yes) c.fail(cat("negative size in shape ", want));
  }
  out.push_back({c.in[0].dtype, shape});
}

bool Reshape::view(const Attrs&, const Shape& sizes, StridedView& v) {
  if (is_contiguous(v)) {
    v.sizes = sizes;
    v.strides = contiguous_strides(sizes);
    return true;
  }
  // Walk both shapes from the back; every run of old axes must be one even stride.
  Shape strides(sizes.size(), Dim(0));
  size_t old_at = v.sizes.size(), new_at = sizes.size();
  while (new_at > 0 || old_at > 0) {
    if (new_at > 0 && sizes[new_at - 1].is(1)) {
      --new_at;
      continue;
    }
    if (old_at > 0 && v.sizes[old_at - 1].is(1)) {
      --old_at;
      continue;
    }
    if (new_at == 0 || old_at == 0) return false;
    Dim old_size = v.sizes[old_at - 1], stride = v.strides[old_at - 1];
    --old_at;
    Dim run = sizes[new_at - 1];
    strides[new_at - 1] = stride;
    --new_at;
    while (!run.same_as(old_size)) {
      if (new_at > 0 && dim_less(run, old_size) == Truth::Yes) {
        strides[new_at - 1] = stride * run;
        run = run * sizes[--new_at];
      } else if (old_at > 0 && dim_less(old_size, run) == Truth::Yes &&
                 v.strides[old_at - 1].same_as(stride * old_size)) {
        old_size = old_size * v.sizes[--old_at];
      } else {
        return false;
      }
    }
  }
  v.sizes = sizes;
  v.strides = strides;
  return true;
}

void Permute::infer(const Infer& c, Types& out) {
  Shape shape;
  for (int64_t a : full_permutation(c, c.as<Attrs>().axes, c.in[0].rank())) {
    shape.push_back(c.in[0].shape[static_cast<size_t>(a)]);
  }
  out.push_back({c.in[0].dtype, shape});
}

bool Permute::view(const Attrs& a, const Shape& sizes, StridedView& v) {
  Shape strides;
  for (size_t i = 0; i < a.axes.size(); ++i) {
    strides.push_back(v.strides[static_cast<size_t>(axis_at(a.axes, i, sizes.size()))]);
  }
  v.sizes = sizes;
  v.strides = strides;
  return true;
}

Grads Permute::vjp(const Call& c) {
  const Axes& axes = c.as<Attrs>().axes;
  Axes inverse(axes.size(), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    inverse[static_cast<size_t>(axis_at(axes, i, axes.size()))] = static_cast<int64_t>(i);
  }
  return {op<Permute>({inverse}, c.grad())};
}

void Expand::infer(const Infer& c, Types& out) {
  const Shape& want = c.as<Attrs>().shape;
  const Shape& have = c.in[0].shape;
  bool ok = want.size() >= have.size();
  for (size_t i = 0; ok && i < have.size(); ++i) {
    Dim w = want[want.size() - have.size() + i];
    ok = have[i].is(1) || have[i].same_as(w) ||
         (dim_equal(have[i], w) != Truth::No && dim_decide_equal(have[i], w));
  }
  if (!ok) c.fail(cat("cannot expand ", have, " to ", want), "Only axes of size 1 can grow");
  out.push_back({c.in[0].dtype, want});
}

bool Expand::view(const Attrs&, const Shape& sizes, StridedView& v) {
  Shape strides(sizes.size(), Dim(0));
  size_t extra = sizes.size() - v.sizes.size();
  for (size_t i = 0; i < v.sizes.size(); ++i) {
    bool grows = v.sizes[i].is(1) && !sizes[extra + i].is(1);
    strides[extra + i] = grows ? Dim(0) : v.strides[i];
  }
  v.sizes = sizes;
  v.strides = strides;
  return true;
}

Grads Expand::vjp(const Call& c) { return {sum_to_shape(c.grad(), c.in(0).shape())}; }

void Slice::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  Shape shape = c.in[0].shape;
  size_t axis = static_cast<size_t>(normalize_axis("slice", a.axis, c.in[0].rank()));
  if (a.range.size() != 2 || a.step <= 0) {
    c.fail(cat("expected start, stop and a positive step, got ", a.range, " step ", a.step));
  }
  Dim start = a.range[0], stop = a.range[1];
  bool bad = dim_less(start, Dim(0)) == Truth::Yes || dim_less(stop, start) == Truth::Yes ||
             dim_less(shape[axis], stop) == Truth::Yes;
  if (bad) {
    c.fail(cat("range ", start, " to ", stop, " does not fit axis ", a.axis, " of ", shape));
  }
  shape[axis] = dim_ceil_div(stop - start, Dim(a.step));
  out.push_back({c.in[0].dtype, shape});
}

bool Slice::view(const Attrs& a, const Shape& sizes, StridedView& v) {
  size_t axis =
      static_cast<size_t>(a.axis < 0 ? a.axis + static_cast<int64_t>(sizes.size()) : a.axis);
  v.offset = v.offset + v.strides[axis] * a.range[0];
  v.strides[axis] = v.strides[axis] * a.step;
  v.sizes = sizes;
  return true;
}

Grads Slice::vjp(const Call& c) {
  const auto& a = c.as<Attrs>();
  Var zeros = op_beside<Full>(c.grad(), {c.in(0).shape(), make_number(c.grad().dtype(), 0.0)});
  return {op<SliceScatter>(a, zeros, c.grad())};
}

void Squeeze::infer(const Infer& c, Types& out) {
  const Axes& axes = c.as<Attrs>().axes;
  const Shape& have = c.in[0].shape;
  Shape shape;
  Axes drop = axes.empty() ? Axes{} : normalize_axes("squeeze", axes, c.in[0].rank());
  for (size_t i = 0; i < have.size(); ++i) {
    bool named = std::find(drop.begin(), drop.end(), static_cast<int64_t>(i)) != drop.end();
    if (named && !have[i].is(1)) {
      c.fail(cat("axis ", i, " of ", have, " has size ", have[i], ", not 1"));
    }
    // Without named axes a symbolic size must be known: dropping it for some calls only would be
    // a silent difference.
    bool gone = axes.empty() ? have[i] == 1 : named;
    if (!gone) shape.push_back(have[i]);
  }
  out.push_back({c.in[0].dtype, shape});
}

bool Squeeze::view(const Attrs&, const Shape& sizes, StridedView& v) {
  return restride_ones(sizes, v);
}

void Unsqueeze::infer(const Infer& c, Types& out) {
  const Axes& axes = c.as<Attrs>().axes;
  if (axes.empty()) c.fail("expected at least one axis");
  int rank = c.in[0].rank() + static_cast<int>(axes.size());
  Axes at = normalize_axes("unsqueeze", axes, rank);
  Shape shape = c.in[0].shape;
  for (int64_t a : at) shape.insert(static_cast<size_t>(a), Dim(1));
  out.push_back({c.in[0].dtype, shape});
}

bool Unsqueeze::view(const Attrs&, const Shape& sizes, StridedView& v) {
  return restride_ones(sizes, v);
}

}  // namespace etch::ir
