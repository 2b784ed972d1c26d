// Index arithmetic of the lowering: a position as a linear form over the kernel's axes.
#pragma once

#include <optional>
#include <vector>

#include "ir/type.h"

namespace etch::ir::loop {

struct AxisTerm {
  int axis = 0;
  Dim coefficient;
};

/// offset + sum of coefficient * axis. A dim of size 1 has index 0: no terms.
struct Affine {
  SmallVec<AxisTerm, 4> terms;
  Dim offset;

  static Affine axis(int a) {
    Affine e;
    e.terms.push_back({a, Dim(1)});
    return e;
  }
  bool uses(int a) const;
};

/// One index per dim of a value.
using IndexMap = std::vector<Affine>;

/// into += scale * e.
void add_scaled(Affine& into, const Affine& e, Dim scale);
bool same(const Affine& a, const Affine& b);

/// Element offset of index `map` in a window with the given strides.
Affine address(std::span<const Dim> strides, Dim offset, const IndexMap& map);

/// An axis whose size must become (size / inner) * inner before an index map can be written.
struct AxisSplit {
  int axis = -1;
  Dim inner;
};

/// Splits a row-major position into one index per dim of `shape`. nullopt when no linear form does
/// it; `split` then names an axis whose split would help, if there is one. `sizes` are those of the
/// axes.
std::optional<IndexMap> unflatten(const Affine& flat, std::span<const Dim> shape,
                                  std::span<const Dim> sizes, AxisSplit& split);

/// Gives each of `dims` one or several whole consecutive axes out of `axes`, in order (mixed
/// radix). nullopt, perhaps with `split` set, when the sizes do not line up.
std::optional<IndexMap> assign_axes(std::span<const Dim> dims, std::span<const int> axes,
                                    std::span<const Dim> sizes, AxisSplit& split);

/// True when b is known to divide a exactly and b is not 0.
bool divides(Dim b, Dim a);

}  // namespace etch::ir::loop
