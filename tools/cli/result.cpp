#include "tools/cli/result.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "ir/support/hash.h"
#include "runtime/io/npz.h"
#include "runtime/io/tensor_io.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/text.h"

namespace etch::cli {

namespace {

template <class T>
void canonical_nans(std::byte* data, int64_t count) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  for (int64_t i = 0; i < count; ++i) {
    T v;
    std::memcpy(&v, data + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    if (std::isnan(v)) std::memcpy(data + static_cast<size_t>(i) * sizeof(T), &nan, sizeof(T));
  }
}

/// Row-major bytes with one NaN.
runtime::HostTensor canonical(const Tensor& t) {
  runtime::HostTensor h = runtime::to_host(t);
  if (!is_float(h.dtype)) return h;
  runtime::ByteBuffer copy(h.bytes.size());
  if (copy.size() != 0) std::memcpy(copy.data(), h.bytes.data(), copy.size());
  if (h.dtype == DType::F32) canonical_nans<float>(copy.data(), h.numel());
  if (h.dtype == DType::F64) canonical_nans<double>(copy.data(), h.numel());
  h.bytes = std::move(copy).seal();
  return h;
}

std::vector<double> doubles(const Tensor& t) {
  return t.detach().to(DType::F64).to_vector<double>();
}

/// Standard deviation of n elements `step` apart.
double deviation(const double* v, int64_t n, int64_t step) {
  double mean = 0, sum = 0;
  for (int64_t i = 0; i < n; ++i) mean += v[i * step];
  mean /= static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) sum += (v[i * step] - mean) * (v[i * step] - mean);
  return std::sqrt(sum / static_cast<double>(n));
}

}  // namespace

std::string output_hash(std::span<const NamedTensor> outputs) {
  Hasher hasher;
  for (const NamedTensor& o : outputs) {
    runtime::HostTensor h = canonical(o.tensor);
    hasher.update_string(o.name);
    hasher.update_string(name(h.dtype));
    hasher.update_u64(h.shape.size());
    for (int64_t s : h.shape) hasher.update_u64(static_cast<uint64_t>(s));
    hasher.update(h.bytes.span());
  }
  return hasher.digest128().to_hex();
}

std::string element_text(const Tensor& t, int64_t i) {
  Tensor one = t.detach().reshape({-1}).slice(0, i, i + 1);
  switch (t.dtype()) {
    case DType::Bool:
      return one.to(DType::I64).to_vector<int64_t>()[0] != 0 ? "true" : "false";
    case DType::F32:
      return cat(one.to_vector<float>()[0]);
    case DType::F64:
      return cat(one.to_vector<double>()[0]);
    case DType::U64:
      return cat(one.to_vector<uint64_t>()[0]);
    default:
      return cat(one.to(DType::I64).to_vector<int64_t>()[0]);
  }
}

std::string first_values(const Tensor& t, int64_t count) {
  int64_t n = shape_numel(to_shape(t.sizes())).value();
  std::string out;
  for (int64_t i = 0; i < std::min(n, count); ++i) {
    if (i != 0) out += ", ";
    out += is_float(t.dtype()) ? number_text(doubles(t.reshape({-1}).slice(0, i, i + 1))[0], 6)
                               : element_text(t, i);
  }
  return n > count ? out + ", ..." : out;
}

Spread spread_of(const Tensor& t) {
  Spread out;
  std::span<const int64_t> sizes = t.sizes();
  int64_t n = shape_numel(to_shape(sizes)).value();
  if (!is_float(t.dtype()) || n == 0) return out;
  std::vector<double> v = doubles(t);
  double squares = 0;
  for (double x : v) {
    out.finite &= std::isfinite(x);
    squares += x * x;
  }
  out.size = std::sqrt(squares / static_cast<double>(n));
  if (!out.finite) {
    out.nearly_constant = true;
    return out;
  }
  if (sizes.empty()) return out;
  int64_t first = sizes.front(), last = sizes.back(), rest = n / first;
  if (sizes.size() >= 2 && first > 1) {
    double sum = 0;
    for (int64_t i = 0; i < rest; ++i)
      sum += std::pow(deviation(&v[static_cast<size_t>(i)], first, rest), 2);
    out.inputs = std::sqrt(sum / static_cast<double>(rest));
  }
  if (last > 1) {
    double sum = 0;
    for (int64_t i = 0; i < n; i += last)
      sum += std::pow(deviation(&v[static_cast<size_t>(i)], last, 1), 2);
    out.classes = std::sqrt(sum / static_cast<double>(n / last));
  }
  double limit = kConstantShare * out.size;
  out.nearly_constant =
      (out.inputs && *out.inputs <= limit) || (out.classes && *out.classes <= limit);
  return out;
}

Difference difference(const Tensor& a, const Tensor& b) {
  runtime::HostTensor x = canonical(a), y = canonical(b);
  Difference out;
  size_t size = itemsize(x.dtype);
  for (int64_t i = 0; i < x.numel(); ++i) {
    int64_t bits = 0;
    for (size_t k = 0; k < size; ++k) {
      size_t at = static_cast<size_t>(i) * size + k;
      bits += std::popcount(static_cast<unsigned char>(x.bytes.data()[at] ^ y.bytes.data()[at]));
    }
    if (bits == 0) continue;
    if (out.first < 0) out.first = i;
    ++out.elements;
    out.bits += bits;
  }
  return out;
}

Distance distance(const Tensor& a, const Tensor& b) {
  std::vector<double> x = doubles(a), y = doubles(b);
  Distance out;
  double squares = 0, count = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(y[i])) {
      squares += y[i] * y[i];
      ++count;
    }
    if (x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]))) continue;
    double d = std::abs(x[i] - y[i]);
    if (!std::isfinite(d)) d = std::numeric_limits<double>::infinity();
    out.absolute = std::max(out.absolute, d);
    if (y[i] != 0) out.relative = std::max(out.relative, std::isinf(d) ? d : d / std::abs(y[i]));
  }
  if (count != 0) out.size = std::sqrt(squares / count);
  return out;
}

std::string index_text(int64_t index, std::span<const int64_t> sizes) {
  std::vector<int64_t> at(sizes.size());
  for (size_t a = sizes.size(); a-- > 0;) {
    at[a] = index % sizes[a];
    index /= sizes[a];
  }
  return cat(at);
}

void write_outputs(std::span<const NamedTensor> outputs, const std::string& path) {
  runtime::TensorMap map;
  for (const NamedTensor& o : outputs) map[o.name] = canonical(o.tensor);
  Writing writing;
  runtime::write_npz(path, map);
}

std::vector<NamedTensor> read_outputs(const std::string& path) {
  std::vector<NamedTensor> out;
  for (const auto& [name, h] : runtime::read_npz(path))
    out.push_back({name, runtime::to_tensor(h)});
  return out;
}

runtime::JsonValue sizes_json(std::span<const int64_t> sizes) {
  runtime::JsonValue::Array out;
  for (int64_t s : sizes) out.emplace_back(s);
  return out;
}

runtime::JsonValue tensor_json(const NamedTensor& t) {
  runtime::JsonValue out;
  out.set("name", t.name);
  out.set("dtype", name(t.tensor.dtype()));
  out.set("shape", sizes_json(t.tensor.sizes()));
  return out;
}

}  // namespace etch::cli
