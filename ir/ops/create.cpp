#include "ir/ops/create.h"

#include <cstring>

#include "ir/onnx_writer.h"

namespace etch::ir {
namespace {

void store(void* at, Number n) { std::memcpy(at, &n.bits, itemsize(n.dtype)); }

}  // namespace

void Full::kernel(const KernelCall& c) {
  Number value = c.as<Attrs>().value;
  size_t size = itemsize(value.dtype);
  auto* at = static_cast<std::byte*>(c.out[0].data);
  for (int64_t i = 0, n = c.out[0].numel(); i < n; ++i, at += size) store(at, value);
}

void Arange::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  if (a.size.size() != 1) c.fail(cat("expected one size, got ", a.size));
  out.push_back({a.dtype, a.size});
}

void Arange::kernel(const KernelCall& c) {
  const auto& a = c.as<Attrs>();
  size_t size = itemsize(a.dtype);
  auto* at = static_cast<std::byte*>(c.out[0].data);
  for (int64_t i = 0, n = c.out[0].numel(); i < n; ++i, at += size) {
    uint64_t v =
        static_cast<uint64_t>(a.start) + static_cast<uint64_t>(a.step) * static_cast<uint64_t>(i);
    store(at, make_number(a.dtype, static_cast<int64_t>(v)));
  }
}

void DimValue::kernel(const KernelCall& c) {
  const auto& a = c.as<Attrs>();
  store(c.out[0].data, make_number(a.dtype, a.dim[0].resolve()));
}

}  // namespace etch::ir
