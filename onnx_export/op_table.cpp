#include "onnx_export/op_table.h"

#include <algorithm>
#include <iterator>

namespace etch::onnx {

#include "onnx_export/op_types.inc"

namespace {

struct TypeNumber {
  DType dtype;
  int number;
};
constexpr TypeNumber kTypeNumbers[] = {
    {DType::F32, 1},     {DType::U8, 2},    {DType::I8, 3},    {DType::U16, 4},
    {DType::I16, 5},     {DType::I32, 6},   {DType::I64, 7},   {DType::Bool, 9},
    {DType::F16, 10},    {DType::F64, 11},  {DType::U32, 12},  {DType::U64, 13},
    {DType::C64, 14},    {DType::C128, 15}, {DType::BF16, 16}, {DType::F8E4M3, 17},
    {DType::F8E5M2, 19}, {DType::U4, 21},   {DType::I4, 22},
};

/// First opset and IR version, newest last.
constexpr std::pair<int, int> kIrVersions[] = {{7, 3},   {9, 4},   {10, 5}, {11, 6},
                                               {12, 7},  {15, 8},  {19, 9}, {21, 10},
                                               {23, 11}, {24, 12}, {25, 13}};

/// The rows of one operator, oldest first.
std::pair<const OnnxTypes*, const OnnxTypes*> rows_of(std::string_view op) {
  auto by_name = [](const OnnxTypes& r, std::string_view n) { return r.op < n; };
  const OnnxTypes* first =
      std::lower_bound(std::begin(kOnnxTypes), std::end(kOnnxTypes), op, by_name);
  const OnnxTypes* last = first;
  while (last != std::end(kOnnxTypes) && last->op == op) ++last;
  return {first, last};
}

}  // namespace

const OnnxTypes* onnx_types(std::string_view op, int opset) {
  const OnnxTypes* found = nullptr;
  auto [first, last] = rows_of(op);
  for (const OnnxTypes* r = first; r != last && r->since <= opset; ++r) found = r;
  return found;
}

int onnx_opset_taking(std::string_view op, int opset, char letter, DType type) {
  auto [first, last] = rows_of(op);
  for (const OnnxTypes* r = first; r != last; ++r) {
    if (r->since > opset && contains(r->spec[letter - 'a'], type)) return r->since;
  }
  return 0;
}

char input_letter(const OnnxTypes& row, size_t i) {
  std::string_view in = row.pattern.substr(0, row.pattern.find(':'));
  bool variadic = !in.empty() && in.back() == '*';
  if (variadic) in.remove_suffix(1);
  if (i < in.size()) return in[i];
  return variadic ? in.back() : '\0';
}

char output_letter(const OnnxTypes& row, size_t i) {
  std::string_view out = row.pattern.substr(row.pattern.find(':') + 1);
  return i < out.size() ? out[i] : '\0';
}

int ir_version_of(int opset) {
  int version = 3;
  for (auto [first, ir] : kIrVersions) {
    if (opset >= first) version = ir;
  }
  return version;
}

int onnx_dtype(DType t) {
  for (const TypeNumber& n : kTypeNumbers) {
    if (n.dtype == t) return n.number;
  }
  return 0;
}

std::optional<DType> dtype_of_onnx(int number) {
  for (const TypeNumber& n : kTypeNumbers) {
    if (n.number == number) return n.dtype;
  }
  return std::nullopt;
}

}  // namespace etch::onnx
