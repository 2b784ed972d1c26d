#include "ir/loop/affine.h"

namespace etch::ir::loop {

bool Affine::uses(int a) const {
  return std::any_of(terms.begin(), terms.end(), [&](const AxisTerm& t) { return t.axis == a; });
}

void add_scaled(Affine& into, const Affine& e, Dim scale) {
  into.offset = into.offset + e.offset * scale;
  if (scale.is(0)) return;
  for (const AxisTerm& t : e.terms) {
    auto same_axis = [&](const AxisTerm& o) { return o.axis == t.axis; };
    auto at = std::find_if(into.terms.begin(), into.terms.end(), same_axis);
    if (at == into.terms.end()) {
      into.terms.push_back({t.axis, t.coefficient * scale});
    } else {
      at->coefficient = at->coefficient + t.coefficient * scale;
      if (at->coefficient.is(0)) into.terms.erase(static_cast<size_t>(at - into.terms.begin()));
    }
  }
}

bool same(const Affine& a, const Affine& b) {
  auto equal = [](const AxisTerm& x, const AxisTerm& y) {
    return x.axis == y.axis && x.coefficient.same_as(y.coefficient);
  };
  return a.offset.same_as(b.offset) &&
         std::equal(a.terms.begin(), a.terms.end(), b.terms.begin(), b.terms.end(), equal);
}

Affine address(std::span<const Dim> strides, Dim offset, const IndexMap& map) {
  Affine out;
  out.offset = offset;
  for (size_t d = 0; d < map.size(); ++d) add_scaled(out, map[d], strides[d]);
  return out;
}

bool divides(Dim b, Dim a) {
  if (b.is(0)) return false;
  return dim_mod(a, b).is(0);
}

namespace {

/// Whether 0 <= e < limit for all positions.
bool stays_below(const Affine& e, Dim limit, std::span<const Dim> sizes) {
  Dim low = e.offset, high = e.offset;
  for (const AxisTerm& t : e.terms) {
    Dim reach = t.coefficient * (sizes[static_cast<size_t>(t.axis)] - 1);
    if (dim_less(reach, Dim(0)) == Truth::No) {
      high = high + reach;
    } else {
      low = low + reach;
    }
  }
  return dim_less(low, Dim(0)) == Truth::No && dim_less(high, limit) == Truth::Yes;
}

/// An axis that crosses the border at `stride`: coefficient * size spans several multiples of it.
void suggest_split(const Affine& rest, Dim stride, std::span<const Dim> sizes, AxisSplit& split) {
  for (const AxisTerm& t : rest.terms) {
    if (dim_less(Dim(0), t.coefficient) != Truth::Yes || !divides(t.coefficient, stride)) continue;
    Dim inner = stride / t.coefficient;
    Dim size = sizes[static_cast<size_t>(t.axis)];
    if (inner.is(1) || inner.same_as(size) || !divides(inner, size)) continue;
    split = {t.axis, inner};
    return;
  }
}

}  // namespace

std::optional<IndexMap> unflatten(const Affine& flat, std::span<const Dim> shape,
                                  std::span<const Dim> sizes, AxisSplit& split) {
  IndexMap out(shape.size());
  Shape strides = contiguous_strides(shape);
  Affine rest = flat;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d].is(1)) continue;
    if (strides[d].is(1)) {
      out[d] = rest;
      return out;
    }
    Affine low;
    if (divides(strides[d], rest.offset)) {
      out[d].offset = dim_floor_div(rest.offset, strides[d]);
    } else {
      low.offset = rest.offset;
    }
    for (const AxisTerm& t : rest.terms) {
      if (divides(strides[d], t.coefficient)) {
        out[d].terms.push_back({t.axis, dim_floor_div(t.coefficient, strides[d])});
      } else {
        low.terms.push_back(t);
      }
    }
    if (!stays_below(low, strides[d], sizes)) {
      suggest_split(low, strides[d], sizes, split);
      return std::nullopt;
    }
    rest = low;
  }
  // Only dims of size 1 are left: the position there is 0.
  return out;
}

std::optional<IndexMap> assign_axes(std::span<const Dim> dims, std::span<const int> axes,
                                    std::span<const Dim> sizes, AxisSplit& split) {
  IndexMap out(dims.size());
  size_t next = 0;
  for (size_t d = 0; d < dims.size(); ++d) {
    Dim left = dims[d];
    while (!left.is(1)) {
      if (next == axes.size()) return std::nullopt;
      int axis = axes[next];
      Dim size = sizes[static_cast<size_t>(axis)];
      if (dim_equal(size, left) == Truth::Yes) {
        left = Dim(1);
      } else if (divides(size, left)) {
        left = left / size;
      } else {
        if (!size.is(0) && divides(left, size)) split = {axis, size / left};
        return std::nullopt;
      }
      out[d].terms.push_back({axis, Dim(1)});
      ++next;
    }
    Dim radix(1);
    for (size_t t = out[d].terms.size(); t-- > 0;) {
      out[d].terms[t].coefficient = radix;
      radix = radix * sizes[static_cast<size_t>(out[d].terms[t].axis)];
    }
  }
  if (next != axes.size()) return std::nullopt;
  return out;
}

}  // namespace etch::ir::loop
