// Shapes and value types.
#pragma once

#include "ir/dim.h"
#include "ir/dtype.h"

namespace etch {

using Shape = SmallVec<Dim, 6>;
using Sizes = SmallVec<int64_t, 6>;
using Axes = SmallVec<int64_t, 6>;

/// The rank limit everywhere.
inline constexpr int kMaxRank = 16;

namespace ir {

/// dtype + shape. Values are dense; the device is that of the program.
struct TensorType {
  DType dtype = DType::F32;
  Shape shape;
  int rank() const { return static_cast<int>(shape.size()); }
};

}  // namespace ir

inline Shape to_shape(std::span<const int64_t> sizes) {
  Shape out;
  for (int64_t s : sizes) out.push_back(Dim(s));
  return out;
}
/// Same dims, structurally; decides nothing.
inline bool same_shape(std::span<const Dim> a, std::span<const Dim> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](Dim x, Dim y) { return x.same_as(y); });
}
inline bool is_static(std::span<const Dim> shape) {
  return std::all_of(shape.begin(), shape.end(), [](Dim d) { return d.is_const(); });
}
inline Dim shape_numel(std::span<const Dim> shape) {
  Dim n(1);
  for (Dim d : shape) n = n * d;
  return n;
}
/// Row-major strides in elements.
Shape contiguous_strides(std::span<const Dim> shape);
/// Evaluates every dim.
Sizes shape_eval(std::span<const Dim> shape, std::span<const SymbolBinding> bindings);

/// "[2, N, 3]".
inline void append_text(std::string& out, const Shape& shape) {
  append_text(out, std::span<const Dim>(shape));
}
inline void append_text(std::string& out, const Sizes& sizes) {
  append_text(out, std::span<const int64_t>(sizes));
}
namespace ir {
/// "f32[2, N]".
inline void append_text(std::string& out, const TensorType& t) {
  out += etch::name(t.dtype);
  etch::append_text(out, t.shape);
}
inline bool same_type(const TensorType& a, const TensorType& b) {
  return a.dtype == b.dtype && same_shape(a.shape, b.shape);
}
}  // namespace ir

/// A strided window on a buffer, in elements. Used with numbers (eager) and symbols (lowering).
struct StridedView {
  Shape sizes;
  Shape strides;
  Dim offset;
};
StridedView contiguous_view(std::span<const Dim> shape);
/// Row-major without gaps (dims of size 1 may have any stride).
bool is_contiguous(const StridedView& v);

}  // namespace etch
