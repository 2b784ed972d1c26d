#include "ir/type.h"

namespace etch {

Shape contiguous_strides(std::span<const Dim> shape) {
  Shape strides(shape.size(), Dim(1));
  Dim next(1);
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = next;
    next = next * shape[i];
  }
  return strides;
}

Sizes shape_eval(std::span<const Dim> shape, std::span<const SymbolBinding> bindings) {
  Sizes out;
  for (Dim d : shape) out.push_back(dim_eval(d, bindings));
  return out;
}

StridedView contiguous_view(std::span<const Dim> shape) {
  return {Shape(shape), contiguous_strides(shape), Dim(0)};
}

bool is_contiguous(const StridedView& v) {
  Dim next(1);
  for (size_t i = v.sizes.size(); i-- > 0;) {
    if (!v.sizes[i].is(1) && !v.strides[i].same_as(next)) return false;
    next = next * v.sizes[i];
  }
  return true;
}

}  // namespace etch
