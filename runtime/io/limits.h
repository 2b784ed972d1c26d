// Every bound that a file from outside must keep, in one place.
#pragma once

#include <cstdint>

namespace etch::runtime {

/// Bounds for reading files. A file that passes one is refused before memory is taken for it.
struct IoLimits {
  uint64_t max_file_bytes = uint64_t{64} << 30;
  uint64_t max_tensor_bytes = (uint64_t{1} << 47) - 1;
  uint64_t max_header_bytes = 100'000'000;  // safetensors, npy and zip directories; JSON text
  uint64_t max_string_bytes = uint64_t{1} << 20;
  uint64_t max_tensors = 1'000'000;
  uint64_t max_json_values = uint64_t{1} << 20;
  uint32_t max_json_depth = 64;
  uint32_t max_sections = 1024;
  uint32_t max_rank = 16;
};

}  // namespace etch::runtime
