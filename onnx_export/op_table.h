// What the ONNX specification says about operators: element types by version, IR versions.
#pragma once

#include <optional>
#include <string_view>

#include "ir/dtype.h"

namespace etch::onnx {

inline constexpr int kOldestOpset = 7;
inline constexpr int kNewestOpset = 26;

/// One version of an operator.
struct OnnxTypes {
  std::string_view op;
  int since = 0;
  /// A letter per input, ':', a letter per output; equal letters are one type. "a*": any number.
  std::string_view pattern;
  DTypeSet spec[4] = {};  // the types of letters a, b, c, d
  DTypeSet ort[4] = {};   // those that ONNX Runtime computes on a CPU
};

/// The version of `op` that a model of this opset means; null when the table has none.
const OnnxTypes* onnx_types(std::string_view op, int opset);
/// The first opset above `opset` whose version of `op` takes `type` for variable `letter`; 0: none.
int onnx_opset_taking(std::string_view op, int opset, char letter, DType type);
/// The variable of input i, or 0.
char input_letter(const OnnxTypes& row, size_t i);
/// The variable of output i, or 0.
char output_letter(const OnnxTypes& row, size_t i);

/// The IR version of the release that brought the opset.
int ir_version_of(int opset);

/// ONNX's number of an element type (TensorProto.DataType), and back; 0 and nullopt when there is
/// none.
int onnx_dtype(DType t);
std::optional<DType> dtype_of_onnx(int number);

}  // namespace etch::onnx
