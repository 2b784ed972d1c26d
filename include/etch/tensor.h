// Tensor: a handle on a strided view of a reference-counted buffer, with PyTorch's and NumPy's
// semantics. Operators are in etch/ops.h; gradients in etch/autograd.h.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "ir/support/error.h"
#include "ir/type.h"

namespace etch {

namespace runtime {
struct TensorImpl;
void retain(TensorImpl* t);
void release(TensorImpl* t);
}  // namespace runtime

template <class T>
class Traced;

/// A number that becomes an operand; it takes the other operand's dtype where that loses nothing.
struct Scalar {
  double real = 0;
  int64_t integer = 0;
  bool is_float = false;
  template <class T>
    requires std::is_arithmetic_v<T>
  Scalar(T v)  // NOLINT: numbers read like operands
      : real(static_cast<double>(v)),
        integer(std::is_floating_point_v<T> ? 0 : static_cast<int64_t>(v)),
        is_float(std::is_floating_point_v<T>) {}
};

/// A size in an argument: a number or a Dim. Numbers too large for a size mean the largest one, so
/// that INT64_MAX is "to the end".
struct SizeArg {
  Dim dim;
  template <DimInteger T>
  SizeArg(T v)  // NOLINT: numbers read like sizes
      : dim(std::cmp_greater(v, kMaxSize) ? Dim(kMaxSize) : Dim(v)) {}
  SizeArg(Dim d) : dim(d) {}  // NOLINT
};

/// One index of x.index({...}). Inside a trace a Dim keeps the index symbolic.
class Index {
 public:
  enum class Kind : uint8_t { At, Range, All, NewAxis };
  template <DimInteger T>
  Index(T at) : kind(Kind::At), start(SizeArg(at).dim) {}  // NOLINT
  Index(Dim at) : kind(Kind::At), start(at) {}             // NOLINT
  static Index range(SizeArg start, SizeArg stop, int64_t step = 1);
  static Index from(SizeArg start, int64_t step = 1);
  static Index all() { return Index(Kind::All); }
  static Index new_axis() { return Index(Kind::NewAxis); }

  Kind kind;
  Dim start{0};
  Dim stop{kMaxSize};
  int64_t step = 1;

 private:
  explicit Index(Kind k) : kind(k) {}
};

/// Sizes in an argument: numbers and Dims mixed, {x.size(0), 64, -1}.
class SizeList {
 public:
  SizeList(std::initializer_list<SizeArg> items) {
    for (const SizeArg& i : items) shape_.push_back(i.dim);
  }
  SizeList(const Shape& s) : shape_(s) {}                           // NOLINT
  SizeList(std::span<const int64_t> s) : shape_(to_shape(s)) {}     // NOLINT
  SizeList(const Sizes& s) : shape_(to_shape(s)) {}                 // NOLINT
  SizeList(const std::vector<int64_t>& s) : shape_(to_shape(s)) {}  // NOLINT
  const Shape& shape() const { return shape_; }

 private:
  Shape shape_;
};
using SizeArgs = const SizeList&;

/// Counted handle; copying shares the tensor. An empty handle is undefined until assigned.
class Tensor {
 public:
  Tensor() = default;
  /// Takes over one reference.
  explicit Tensor(runtime::TensorImpl* impl) : impl_(impl) {}
  Tensor(const Tensor& other) : impl_(other.impl_) {
    if (impl_ != nullptr) runtime::retain(impl_);
  }
  Tensor(Tensor&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
  Tensor& operator=(Tensor other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
  }
  ~Tensor() {
    if (impl_ != nullptr) runtime::release(impl_);
  }

  bool defined() const { return impl_ != nullptr; }
  runtime::TensorImpl* impl() const { return impl_; }
  /// Gives up the handle's reference.
  runtime::TensorImpl* take() { return std::exchange(impl_, nullptr); }

  DType dtype() const;
  int64_t dim() const;
  /// Size of an axis (negative from the end): a plain number outside a trace, maybe symbolic
  /// inside.
  Dim size(int64_t axis, std::source_location loc = std::source_location::current()) const;
  Shape shape(std::source_location loc = std::source_location::current()) const;
  Dim numel(std::source_location loc = std::source_location::current()) const;
  /// The numbers of this run. Inside a trace, asking for a symbolic one this way fixes it (jit) or
  /// is refused (trace): size() keeps it symbolic.
  std::span<const int64_t> sizes() const;
  std::span<const int64_t> strides() const;
  bool is_contiguous() const;

  /// The only element. Inside a trace it stays symbolic; see Traced for what becomes of it.
  template <class T>
  Traced<T> item(std::source_location loc = std::source_location::current()) const;
  /// Pointer to the first element. Taking it while recording makes the trace refuse, with this
  /// line.
  template <class T>
  T* data(std::source_location loc = std::source_location::current()) const {
    return static_cast<T*>(raw_data(dtype_of<T>, loc));
  }
  void* raw_data(std::source_location loc = std::source_location::current()) const;
  /// Copies the elements, row-major. T must be the tensor's type.
  template <class T>
  std::vector<T> to_vector(std::source_location loc = std::source_location::current()) const {
    std::vector<T> out(static_cast<size_t>(element_count()));
    copy_out(out.data(), dtype_of<T>, loc);
    return out;
  }

  // Views (sharing the buffer) and conversions.
  Tensor view(SizeArgs sizes, std::source_location loc = std::source_location::current()) const;
  Tensor reshape(SizeArgs sizes, std::source_location loc = std::source_location::current()) const;
  Tensor transpose(int64_t a, int64_t b,
                   std::source_location loc = std::source_location::current()) const;
  /// The last two axes swapped.
  Tensor t(std::source_location loc = std::source_location::current()) const;
  Tensor permute(std::initializer_list<int64_t> axes,
                 std::source_location loc = std::source_location::current()) const;
  Tensor expand(SizeArgs sizes, std::source_location loc = std::source_location::current()) const;
  /// Elements start, start + step, ... below stop along an axis. Ends below 0 count from the end;
  /// ends out of range are clamped.
  Tensor slice(int64_t axis, SizeArg start, SizeArg stop, int64_t step = 1,
               std::source_location loc = std::source_location::current()) const;
  Tensor select(int64_t axis, SizeArg index,
                std::source_location loc = std::source_location::current()) const;
  /// `length` elements from `start` on; raises when they are not there.
  Tensor narrow(int64_t axis, SizeArg start, SizeArg length,
                std::source_location loc = std::source_location::current()) const;
  /// Views of `size` elements along an axis, the last one of what is left; at least one.
  std::vector<Tensor> split(SizeArg size, int64_t axis = 0,
                            std::source_location loc = std::source_location::current()) const;
  /// Views of the given sizes along an axis, which must add up to its size.
  std::vector<Tensor> split(SizeArgs sizes, int64_t axis = 0,
                            std::source_location loc = std::source_location::current()) const;
  /// Views of equal size, rounded up, along an axis: `count` of them, or fewer where those suffice.
  std::vector<Tensor> chunk(int64_t count, int64_t axis = 0,
                            std::source_location loc = std::source_location::current()) const;
  /// The tensor times[i] times along axis i; more entries than axes add leading axes.
  Tensor repeat(SizeArgs times, std::source_location loc = std::source_location::current()) const;
  Tensor index(std::initializer_list<Index> indices,
               std::source_location loc = std::source_location::current()) const;
  Tensor squeeze(int64_t axis, std::source_location loc = std::source_location::current()) const;
  Tensor unsqueeze(int64_t axis, std::source_location loc = std::source_location::current()) const;
  Tensor flatten(int64_t start = 0, int64_t end = -1,
                 std::source_location loc = std::source_location::current()) const;
  Tensor to(DType dtype, std::source_location loc = std::source_location::current()) const;
  Tensor contiguous(std::source_location loc = std::source_location::current()) const;
  Tensor clone(std::source_location loc = std::source_location::current()) const;
  /// The same values, cut off from gradients.
  Tensor detach() const;

  // In-place: written through to every view of the buffer. The result keeps this tensor's dtype.
  Tensor& copy_(const Tensor& src, std::source_location loc = std::source_location::current());
  Tensor& add_(const Tensor& b, std::source_location loc = std::source_location::current());
  Tensor& sub_(const Tensor& b, std::source_location loc = std::source_location::current());
  Tensor& mul_(const Tensor& b, std::source_location loc = std::source_location::current());
  Tensor& div_(const Tensor& b, std::source_location loc = std::source_location::current());
  Tensor& fill_(Scalar value, std::source_location loc = std::source_location::current());
  Tensor& zero_(std::source_location loc = std::source_location::current()) {
    return fill_(0, loc);
  }

  // Gradients.
  bool requires_grad() const;
  Tensor& requires_grad_(bool on = true);
  Tensor grad() const;
  void set_grad(Tensor g);
  /// Adds the gradients of this tensor (of `gradient`, ones by default) to the leaves' grad().
  void backward(std::source_location loc = std::source_location::current()) const;
  void backward(const Tensor& gradient, bool create_graph = false,
                std::source_location loc = std::source_location::current()) const;

 private:
  void* raw_data(DType expected, SourceLoc loc) const;
  void copy_out(void* to, DType expected, SourceLoc loc) const;
  int64_t element_count() const;

  runtime::TensorImpl* impl_ = nullptr;
};

// Making tensors.
Tensor empty(SizeArgs sizes, DType dtype = DType::F32);
Tensor full(SizeArgs sizes, Scalar value, DType dtype = DType::F32,
            std::source_location loc = std::source_location::current());
Tensor zeros(SizeArgs sizes, DType dtype = DType::F32,
             std::source_location loc = std::source_location::current());
Tensor ones(SizeArgs sizes, DType dtype = DType::F32,
            std::source_location loc = std::source_location::current());
Tensor arange(SizeArg count, DType dtype = DType::I64,
              std::source_location loc = std::source_location::current());
/// A size as a rank-0 tensor; stays symbolic inside a trace.
Tensor dim_tensor(Dim d, DType dtype = DType::I64,
                  std::source_location loc = std::source_location::current());
/// Copies `bytes` (row-major, numel * itemsize of them).
Tensor from_bytes(const void* bytes, std::span<const int64_t> sizes, DType dtype);
/// A rank-0 tensor.
Tensor scalar_tensor(Scalar value, DType dtype);
template <class T>
Tensor tensor(std::initializer_list<T> values) {
  int64_t n = static_cast<int64_t>(values.size());
  return from_bytes(std::data(values), {&n, 1}, dtype_of<T>);
}
template <class T>
Tensor from_vector(const std::vector<T>& values, SizeArgs sizes) {
  Sizes s = shape_eval(sizes.shape(), {});
  if (shape_numel(sizes.shape()).value() != static_cast<int64_t>(values.size())) {
    fail("from_vector", cat("shape ", sizes.shape(), " does not hold ", values.size(), " values"));
  }
  return from_bytes(values.data(), s, dtype_of<T>);
}

/// An operand of a C++ operator; its conversion notes the line where the operator stands.
struct TensorArg {
  const Tensor& tensor;
  SourceLoc loc;
  TensorArg(const Tensor& t, std::source_location at = std::source_location::current())  // NOLINT
      : tensor(t), loc(at) {}
};

// Arithmetic and comparison, broadcasting; docs/semantics.md has dtype promotion.
#define ETCH_TENSOR_OPERATOR(symbol)                \
  Tensor operator symbol(TensorArg a, TensorArg b); \
  Tensor operator symbol(TensorArg a, Scalar b);    \
  Tensor operator symbol(Scalar a, TensorArg b);
ETCH_TENSOR_OPERATOR(+)
ETCH_TENSOR_OPERATOR(-)
ETCH_TENSOR_OPERATOR(*)
ETCH_TENSOR_OPERATOR(/)
ETCH_TENSOR_OPERATOR(<)
ETCH_TENSOR_OPERATOR(>)
ETCH_TENSOR_OPERATOR(<=)
ETCH_TENSOR_OPERATOR(>=)
#undef ETCH_TENSOR_OPERATOR
Tensor operator-(TensorArg x);

/// A readable rendering: values (cut when long), dtype and shape.
std::string to_string(const Tensor& t);

/// Number of threads of the one pool; results never depend on it.
void set_num_threads(int n);
int num_threads();

}  // namespace etch

#include "etch/traced.h"  // completes Tensor::item()
