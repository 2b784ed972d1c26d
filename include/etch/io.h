// Tensors in files: safetensors and npz.
#pragma once

#include "etch/tree.h"

namespace etch {

/// Writes the tensors, whole or not at all; the format follows from the name (.safetensors, .npz).
void save_tensors(const std::vector<NamedTensor>& tensors, const std::string& path);
/// Reads all tensors of a file.
std::vector<NamedTensor> load_tensors(const std::string& path);

}  // namespace etch
