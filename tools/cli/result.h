// What runs give: hashes, spreads, differences, files.
#pragma once

#include <optional>

#include "etch/tree.h"
#include "runtime/io/host_tensor.h"
#include "runtime/io/json.h"

namespace etch::cli {

/// Hash of name, dtype, shape and elements of every tensor; all NaNs count as one value.
std::string output_hash(std::span<const NamedTensor> outputs);

/// The first `count` elements: "1.5, -2, 0.25, ...".
std::string first_values(const Tensor& t, int64_t count = 5);
/// Element i as text.
std::string element_text(const Tensor& t, int64_t i);

/// How much an output varies: root mean square, over the other axes, of the standard deviation
/// along the first axis (inputs) and along the last (classes). Nothing where the axis has one
/// element or there is no such axis; f32 and f64 only.
struct Spread {
  std::optional<double> inputs, classes;
  /// Root mean square of the elements.
  double size = 0;
  bool finite = true;
  /// A spread is below kConstantShare of `size`, or an element is not finite.
  bool nearly_constant = false;
};
inline constexpr double kConstantShare = 1e-4;
Spread spread_of(const Tensor& t);

/// How two tensors of one dtype and shape differ; NaNs equal each other.
struct Difference {
  int64_t elements = 0;  // that differ
  int64_t bits = 0;
  int64_t first = -1;  // row-major index, or -1
};
Difference difference(const Tensor& a, const Tensor& b);
/// How far two floating tensors of one dtype and shape are apart. Equal elements, NaNs among them,
/// are 0 apart; one that is finite on one side only is infinitely far.
struct Distance {
  double absolute = 0;  // largest |a - b|
  double relative = 0;  // largest |a - b| / |b| where b is not 0
  double size = 0;      // root mean square of b's finite elements
};
Distance distance(const Tensor& a, const Tensor& b);
/// "[1, 0, 7]" for a row-major index.
std::string index_text(int64_t index, std::span<const int64_t> sizes);

/// Writes the outputs as npz, whole or not at all; NaNs become the canonical one.
void write_outputs(std::span<const NamedTensor> outputs, const std::string& path);
std::vector<NamedTensor> read_outputs(const std::string& path);

/// {"name", "dtype", "shape"} of a tensor.
runtime::JsonValue tensor_json(const NamedTensor& t);
runtime::JsonValue sizes_json(std::span<const int64_t> sizes);

}  // namespace etch::cli
