// What engines that read ONNX take. Facts, checked before anything is written.
#pragma once

#include <span>
#include <string_view>

namespace etch::onnx {

struct Profile {
  std::string_view name;
  std::string_view engine;  // for messages
  int min_opset = 7;
  int max_opset = 26;
  int max_ir = 13;
  /// Operators that the engine refuses, or, when `only` is set, the ones that it takes; words
  /// between spaces.
  std::string_view ops;
  bool only = false;
  /// Element types are those of ONNX Runtime's kernels (op_table.h).
  bool ort_types = false;
};

std::span<const Profile> profiles();
/// Null when there is none of that name.
const Profile* find_profile(std::string_view name);
/// Whether the engine takes the operator.
bool takes_op(const Profile& p, std::string_view onnx_op);

}  // namespace etch::onnx
