// Contractions by a library, for programs at level `fast`. The library is oneDNN, in the module
// etch_onednn.so; nothing opens it before a program at that level is built.
#pragma once

#include <string>

#include "ir/contraction.h"

namespace etch::runtime {

/// What the module hands out. Functions return false, having written nothing that matters, for what
/// the library does not take: other types than f32, empty operands, strides it cannot read.
struct ContractionLibrary {
  using Conv = bool (*)(const ir::contract::Conv2dDesc& d, const void* a, const void* b, void* out);
  int abi = 0;
  const char* version = "";  // "oneDNN 2.6.3"
  bool (*matmul)(const ir::contract::MatmulDesc& d) = nullptr;
  Conv conv2d_forward = nullptr;           // (x, weight) -> y
  Conv conv2d_backward_data = nullptr;     // (dy, weight) -> dx
  Conv conv2d_backward_weights = nullptr;  // (x, dy) -> dweight
};

inline constexpr int kContractionLibraryAbi = 1;

/// Opens the module at the first call; null when it is absent.
const ContractionLibrary* contraction_library();
/// Why there is none: where it was looked for. ETCH_ONEDNN_PATH names the file or its folder.
std::string why_no_contraction_library();

/// One program's use of the library.
struct LibraryUse {
  const ContractionLibrary& vendor;
  uint64_t runs = 0;
};

}  // namespace etch::runtime
