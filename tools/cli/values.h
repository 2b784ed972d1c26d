// VALUE on the command line, for inputs:
//   random:SEED   normal floats, integers 0 to 9, booleans; the same seed gives the same numbers
//   zeros
//   @FILE.npy     one array
//   @FILE.npz:KEY one array of several
//   [1, 2.5, 3]   as many numbers as the input has elements, row-major; brackets may nest
#pragma once

#include <map>

#include "etch/trace.h"
#include "ir/type.h"

namespace etch::cli {

/// Name and type of an input; the type may hold symbols.
struct InputSpec {
  std::string name;
  ir::TensorType type;
};

/// Sizes of symbols, by name.
using DimValues = std::map<std::string, int64_t, std::less<>>;

/// "NAME=VALUE" and what it is for.
struct Assignment {
  std::string name, value;
};
/// Splits at the first "="; UserError naming `form` when there is none or a side is empty.
Assignment parse_assignment(const std::string& text, std::string_view option,
                            std::string_view form);
/// "x:0=N" or "x:0=N:LOW:HIGH".
DynamicDim parse_dynamic(const std::string& text);
/// "N=3", any number of them.
DimValues parse_dims(const std::vector<std::string>& texts);

struct Given {
  std::vector<NamedTensor> tensors;    // one per input
  std::vector<std::string> described;  // "random:1", "@x.npy"
};
/// One tensor per input. Inputs without a value are random, seeded by their position; symbols
/// without a size get `default_size`. UserError for unknown names, wrong types and sizes.
Given read_inputs(std::span<const InputSpec> inputs, const std::vector<std::string>& assignments,
                  const DimValues& dims, int64_t default_size);

/// Normal floats, integers 0 to 9, booleans.
Tensor random_tensor(DType dtype, std::span<const int64_t> sizes, uint64_t seed);

}  // namespace etch::cli
