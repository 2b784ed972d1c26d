// Tensor's methods and the functions that make tensors.
#include "etch/tensor.h"

#include <algorithm>
#include <cstring>

#include "ir/ops/create.h"
#include "ir/ops/view.h"
#include "runtime/eager.h"
#include "runtime/recorder.h"
#include "runtime/tape.h"
#include "runtime/threads.h"

namespace etch {

using runtime::apply1;
using runtime::At;
using runtime::checked_axis;
using runtime::run1;
using runtime::TensorImpl;

int runtime::checked_axis(const Tensor& t, int64_t axis, std::string_view what) {
  require_defined(t, what);
  return static_cast<int>(ir::normalize_axis(what, axis, static_cast<int>(impl(t).sizes.size())));
}

namespace {

void host_read(const Tensor& t, SourceLoc loc, std::string_view what) {
  if (auto* r = runtime::recorder()) r->host_read(t, loc, what);
}

/// This run's numbers of a shape argument.
Sizes numbers(const Shape& shape) {
  Sizes out;
  for (Dim d : shape) {
    auto* r = runtime::recorder();
    out.push_back(!d.is_const() && r != nullptr ? r->example(d) : d.resolve());
  }
  return out;
}

}  // namespace

DType Tensor::dtype() const {
  runtime::require_defined(*this, "dtype");
  return impl_->dtype;
}
int64_t Tensor::dim() const {
  runtime::require_defined(*this, "dim");
  return static_cast<int64_t>(impl_->sizes.size());
}

Dim Tensor::size(int64_t axis, std::source_location loc) const {
  At at(loc);
  int i = checked_axis(*this, axis, "size");
  if (auto* r = runtime::recorder()) return r->size_of(*this, i, loc);
  return Dim(impl_->sizes[static_cast<size_t>(i)]);
}

Shape Tensor::shape(std::source_location loc) const {
  Shape out;
  for (int64_t i = 0; i < dim(); ++i) out.push_back(size(i, loc));
  return out;
}

Dim Tensor::numel(std::source_location loc) const { return shape_numel(shape(loc)); }

std::span<const int64_t> Tensor::sizes() const {
  runtime::require_defined(*this, "sizes");
  if (auto* r = runtime::recorder()) r->host_sizes(*this, current_loc());
  return impl_->sizes;
}
std::span<const int64_t> Tensor::strides() const {
  runtime::require_defined(*this, "strides");
  host_read(*this, current_loc(), "strides");
  return impl_->strides;
}
bool Tensor::is_contiguous() const {
  runtime::require_defined(*this, "is_contiguous");
  return impl_->contiguous;
}
int64_t Tensor::element_count() const {
  runtime::require_defined(*this, "numel");
  return impl_->numel;
}

void* Tensor::raw_data(std::source_location loc) const {
  runtime::require_defined(*this, "data");
  host_read(*this, loc, "a data pointer");
  impl_->storage->exposed.store(true, std::memory_order_relaxed);
  return impl_->data;
}

void* Tensor::raw_data(DType expected, SourceLoc loc) const {
  runtime::require_defined(*this, "data");
  if (impl_->dtype != expected) {
    fail("data", cat("expected a pointer to ", impl_->dtype, ", asked for ", expected),
         "Convert with to(dtype) first", loc);
  }
  host_read(*this, loc, "a data pointer");
  impl_->storage->exposed.store(true, std::memory_order_relaxed);
  return impl_->data;
}

void Tensor::copy_out(void* to, DType expected, SourceLoc loc) const {
  At at(loc);
  runtime::require_defined(*this, "to_vector");
  if (impl_->dtype != expected) {
    fail("to_vector", cat("expected elements of ", impl_->dtype, ", asked for ", expected),
         "Convert with to(dtype) first", loc);
  }
  host_read(*this, loc, "a copy of the elements");
  runtime::PauseRecording pause;
  Tensor d = runtime::dense(*this);
  size_t bytes = static_cast<size_t>(impl_->numel) * itemsize(impl_->dtype);
  if (bytes != 0) std::memcpy(to, runtime::impl(d).data, bytes);
}

namespace {

/// Copies the one element of `t` to `to`; returns it as a tensor of rank 0 while someone records.
Tensor one_element(const Tensor& t, void* to, DType expected, std::source_location loc) {
  At at(loc);
  runtime::require_defined(t, "item");
  const runtime::TensorImpl& x = runtime::impl(t);
  if (x.numel != 1) {
    fail("item", cat("expected one element, got shape ", x.sizes), "Reduce or index first", loc);
  }
  if (x.dtype != expected) {
    fail("item", cat("expected item<", x.dtype, ">, got item<", expected, ">"),
         "Name the tensor's own type", loc);
  }
  std::memcpy(to, x.data, itemsize(expected));
  if (runtime::recorder() == nullptr) return {};
  Tensor source = t.detach();
  return t.dim() == 0 ? source : source.reshape(SizeList(Shape{}), loc);
}

}  // namespace

template <class T>
Traced<T> Tensor::item(std::source_location loc) const {
  T value;
  Tensor source = one_element(*this, &value, dtype_of<T>, loc);
  return Traced<T>(value, std::move(source), loc);
}

#define ETCH_ITEM(T) template Traced<T> Tensor::item<T>(std::source_location) const;
ETCH_ITEM(bool)
ETCH_ITEM(uint8_t)
ETCH_ITEM(int8_t)
ETCH_ITEM(uint16_t)
ETCH_ITEM(int16_t)
ETCH_ITEM(uint32_t)
ETCH_ITEM(int32_t)
ETCH_ITEM(uint64_t)
ETCH_ITEM(int64_t)
ETCH_ITEM(float)
ETCH_ITEM(double)
#undef ETCH_ITEM

Tensor Tensor::reshape(SizeArgs sizes, std::source_location loc) const {
  At at(loc);
  runtime::require_defined(*this, "reshape");
  Shape shape = sizes.shape();
  // -1 becomes the size it stands for, so that attributes never hold it.
  size_t unknown = shape.size(), count = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!shape[i].is(-1)) continue;
    unknown = i;
    ++count;
  }
  if (count == 1) shape[unknown] = ir::reshape_size(this->shape(loc), shape, unknown);
  return run1<ir::Reshape>({shape}, *this);
}

Tensor Tensor::view(SizeArgs sizes, std::source_location loc) const {
  At at(loc);
  Tensor out = reshape(sizes, loc);
  if (runtime::impl(out).storage != impl_->storage) {
    fail("view",
         cat("shape ", impl_->sizes, " with strides ", impl_->strides, " cannot be seen as ",
             sizes.shape(), " without a copy"),
         "Use reshape", loc);
  }
  return out;
}

Tensor Tensor::permute(std::initializer_list<int64_t> axes, std::source_location loc) const {
  At at(loc);
  return run1<ir::Permute>({Axes(axes)}, *this);
}

Tensor Tensor::transpose(int64_t a, int64_t b, std::source_location loc) const {
  At at(loc);
  auto i = static_cast<size_t>(checked_axis(*this, a, "transpose"));
  auto j = static_cast<size_t>(checked_axis(*this, b, "transpose"));
  Axes axes;
  for (int64_t k = 0; k < dim(); ++k) axes.push_back(k);
  std::swap(axes[i], axes[j]);
  return run1<ir::Permute>({axes}, *this);
}
Tensor Tensor::t(std::source_location loc) const { return transpose(-1, -2, loc); }

Tensor Tensor::expand(SizeArgs sizes, std::source_location loc) const {
  At at(loc);
  return run1<ir::Expand>({sizes.shape()}, *this);
}

Tensor Tensor::squeeze(int64_t axis, std::source_location loc) const {
  At at(loc);
  return run1<ir::Squeeze>({{axis}}, *this);
}
Tensor Tensor::unsqueeze(int64_t axis, std::source_location loc) const {
  At at(loc);
  return run1<ir::Unsqueeze>({{axis}}, *this);
}

Tensor Tensor::flatten(int64_t start, int64_t end, std::source_location loc) const {
  At at(loc);
  int from = checked_axis(*this, start, "flatten"), to = checked_axis(*this, end, "flatten");
  Shape shape;
  Dim run(1);
  for (int i = 0; i < dim(); ++i) {
    bool inside = i >= from && i <= to;
    if (inside) run = run * size(i, loc);
    if (!inside) shape.push_back(size(i, loc));
    if (i == to) shape.push_back(run);
  }
  return run1<ir::Reshape>({shape}, *this);
}

Tensor Tensor::to(DType dtype, std::source_location loc) const {
  At at(loc);
  runtime::require_defined(*this, "to");
  if (impl_->dtype == dtype) return *this;
  return run1<ir::Cast>({dtype}, *this);
}

Tensor Tensor::contiguous(std::source_location loc) const {
  At at(loc);
  return is_contiguous() ? *this : clone(loc);
}

Tensor Tensor::clone(std::source_location loc) const {
  At at(loc);
  runtime::require_defined(*this, "clone");
  return run1<ir::Cast>({impl_->dtype}, *this);
}

Tensor Tensor::detach() const {
  runtime::require_defined(*this, "detach");
  Tensor out(runtime::new_view(*impl_, impl_->sizes, impl_->strides, impl_->data));
  runtime::impl(out).trace = impl_->trace;
  runtime::impl(out).trace_value = impl_->trace_value;
  runtime::impl(out).trace_version = impl_->trace_version;
  runtime::impl(out).serial = impl_->serial;  // nothing new was made
  return out;
}

namespace {

/// self's memory becomes `value` (broadcast and converted), seen by recorder and tape.
void write(Tensor& self, const Tensor& value, std::string_view what) {
  runtime::require_defined(self, what);
  runtime::require_defined(value, what);
  TensorImpl& t = runtime::impl(self);
  const runtime::GradMeta* meta = t.grad.get();
  if (grad_enabled() && meta != nullptr && meta->requires_grad) {
    fail(what, "a leaf that requires a gradient cannot be changed in place", "Do it inside NoGrad",
         current_loc());
  }
  Tensor v = runtime::impl(value).dtype == t.dtype ? value : value.to(t.dtype);
  if (runtime::impl(v).sizes != t.sizes) v = run1<ir::Expand>({self.shape()}, v);
  for (size_t i = 0; i < t.sizes.size() && t.numel != 0; ++i) {
    if (t.sizes[i] > 1 && t.strides[i] == 0) {
      fail(what, "an expanded tensor cannot be written: several elements share memory",
           "Clone it first", current_loc());
    }
  }
  if (auto* r = runtime::recorder()) r->record_write(self, v);
  {
    runtime::PauseRecording pause;
    NoGrad no_grad;
    runtime::copy_elements(v, self);
  }
  ++t.storage->version;
  if (auto* r = runtime::recorder(); r == nullptr && t.trace != 0) t.trace = 0;
  if (grad_enabled() && runtime::needs_tape({&v, 1})) {
    // The written tensor now is `v` for the tape.
    const runtime::GradMeta& from = *runtime::impl(v).grad;
    auto fresh = std::make_unique<runtime::GradMeta>();
    fresh->producer = from.producer;
    fresh->output = from.output;
    t.grad = std::move(fresh);
  }
}

}  // namespace

Tensor& Tensor::copy_(const Tensor& src, std::source_location loc) {
  At at(loc);
  write(*this, src, "copy_");
  return *this;
}

#define ETCH_INPLACE(name, Op)                                      \
  Tensor& Tensor::name(const Tensor& b, std::source_location loc) { \
    At at(loc);                                                     \
    const Tensor in[] = {*this, b};                                 \
    const ir::Op::Attrs attrs{};                                    \
    write(*this, apply1(ir::op_def<ir::Op>(), in, &attrs), #name);  \
    return *this;                                                   \
  }
ETCH_INPLACE(add_, Add)
ETCH_INPLACE(sub_, Sub)
ETCH_INPLACE(mul_, Mul)
ETCH_INPLACE(div_, Div)
#undef ETCH_INPLACE

Tensor& Tensor::fill_(Scalar value, std::source_location loc) {
  At at(loc);
  write(*this, full(SizeList(Shape{}), value, dtype(), loc), "fill_");
  return *this;
}

bool Tensor::requires_grad() const {
  if (!defined()) return false;
  if (auto* r = runtime::recorder()) r->leaf_flag(*this);
  if (impl_->grad == nullptr) return false;
  return impl_->grad->requires_grad || impl_->grad->producer != nullptr;
}

Tensor& Tensor::requires_grad_(bool on) {
  runtime::require_defined(*this, "requires_grad_");
  if (on && !is_float(impl_->dtype)) {
    fail("requires_grad_", cat("only floating tensors have gradients, got ", impl_->dtype));
  }
  if (impl_->grad == nullptr) impl_->grad = std::make_unique<runtime::GradMeta>();
  if (impl_->grad->producer != nullptr) {
    fail("requires_grad_", "the tensor is the result of recorded operators, not a leaf",
         "Call detach() first");
  }
  if (impl_->grad->requires_grad != on) {
    if (auto* r = runtime::recorder(); r != nullptr && !r->made_here(*this)) {
      r->unrecordable("requires_grad_() of a tensor from outside", current_loc());
    }
  }
  impl_->grad->requires_grad = on;
  return *this;
}

Tensor Tensor::grad() const {
  if (auto* r = runtime::recorder(); r != nullptr && defined()) r->grad_read(*this);
  return defined() && impl_->grad != nullptr ? impl_->grad->grad : Tensor();
}

void Tensor::set_grad(Tensor g) {
  runtime::require_defined(*this, "set_grad");
  if (impl_->grad == nullptr) impl_->grad = std::make_unique<runtime::GradMeta>();
  impl_->grad->grad = std::move(g);
  if (auto* r = runtime::recorder()) r->grad_written(*this);
}

void Tensor::backward(std::source_location loc) const { backward(Tensor(), false, loc); }

void Tensor::backward(const Tensor& gradient, bool create_graph, std::source_location loc) const {
  At at(loc);
  runtime::require_defined(*this, "backward");
  Tensor seed = gradient;
  if (!seed.defined()) {
    if (impl_->numel != 1) {
      fail("backward", cat("expected a scalar to start from, got shape ", impl_->sizes),
           "Pass the gradient of this tensor", loc);
    }
    seed = ones(SizeList(shape(loc)), impl_->dtype, loc);
  }
  runtime::backward({this, 1}, {&seed, 1}, {}, create_graph);
}

// Making tensors.

Tensor empty(SizeArgs sizes, DType dtype) {
  return Tensor(runtime::new_tensor(dtype, numbers(sizes.shape())));
}

namespace {

/// On behalf of the line that the thread works for already.
Tensor fill(const Shape& sizes, Scalar value, DType dtype) {
  ir::Number n =
      value.is_float ? ir::make_number(dtype, value.real) : ir::make_number(dtype, value.integer);
  if (sizes.empty() && runtime::recorder() == nullptr) {
    // A number among operands, which nobody records.
    Tensor t(runtime::new_tensor(dtype, {}));
    std::memcpy(runtime::impl(t).data, &n.bits, itemsize(dtype));
    return t;
  }
  ir::Full::Attrs attrs{sizes, n};
  return apply1(ir::op_def<ir::Full>(), {}, &attrs);
}

}  // namespace

Tensor full(SizeArgs sizes, Scalar value, DType dtype, std::source_location loc) {
  At at(loc);
  return fill(sizes.shape(), value, dtype);
}
Tensor zeros(SizeArgs sizes, DType dtype, std::source_location loc) {
  return full(sizes, 0, dtype, loc);
}
Tensor ones(SizeArgs sizes, DType dtype, std::source_location loc) {
  return full(sizes, 1, dtype, loc);
}

Tensor arange(SizeArg count, DType dtype, std::source_location loc) {
  At at(loc);
  ir::Arange::Attrs attrs{{count.dim}, 0, 1, dtype};
  return apply1(ir::op_def<ir::Arange>(), {}, &attrs);
}

Tensor dim_tensor(Dim d, DType dtype, std::source_location loc) {
  At at(loc);
  ir::DimValue::Attrs attrs{{d}, dtype};
  return apply1(ir::op_def<ir::DimValue>(), {}, &attrs);
}

Tensor from_bytes(const void* bytes, std::span<const int64_t> sizes, DType dtype) {
  Tensor t(runtime::new_tensor(dtype, sizes));
  size_t n = static_cast<size_t>(runtime::impl(t).numel) * itemsize(dtype);
  if (n != 0) std::memcpy(runtime::impl(t).data, bytes, n);
  return t;
}

std::string to_string(const Tensor& t) {
  constexpr int64_t kShown = 16;
  if (!t.defined()) return "undefined tensor";
  runtime::PauseRecording pause;
  Tensor flat = runtime::dense(t);
  const TensorImpl& i = runtime::impl(flat);
  std::string out = "[";
  for (int64_t k = 0; k < std::min(i.numel, kShown); ++k) {
    ir::Number n{i.dtype, 0};
    size_t size = itemsize(i.dtype);
    std::memcpy(&n.bits, static_cast<const std::byte*>(i.data) + static_cast<size_t>(k) * size,
                size);
    out += k != 0 ? ", " : "";
    if (is_float(i.dtype)) {
      append_text(out, ir::number_value(n));
    } else if (is_signed_int(i.dtype)) {
      int shift = 64 - bits(i.dtype);
      append_text(out, static_cast<int64_t>(n.bits << shift) >> shift);
    } else {
      append_text(out, n.bits);
    }
  }
  return cat(out, i.numel > kShown ? ", ...] " : "] ", i.dtype, i.sizes);
}

Tensor scalar_tensor(Scalar value, DType dtype) { return fill(Shape{}, value, dtype); }

void set_num_threads(int n) { runtime::set_num_threads(n); }
int num_threads() { return runtime::num_threads(); }

}  // namespace etch
