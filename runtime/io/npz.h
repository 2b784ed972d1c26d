// NumPy's .npz files: zip archives of .npy entries, stored without compression.
#pragma once

#include <string>
#include <string_view>

#include "runtime/io/file.h"
#include "runtime/io/host_tensor.h"

namespace etch::runtime {

/// All arrays by name, without the ".npy". Compressed archives (np.savez_compressed), repeated
/// names and wrong checksums are errors.
TensorMap read_npz(const std::string& path, const IoLimits& limits = {},
                   FileAccess access = FileAccess::Copy);
TensorMap decode_npz(const Bytes& file, std::string_view where, const IoLimits& limits = {});

/// Writes what numpy.load reads, sorted by name, data at multiples of 64 bytes; the same tensors
/// give the same bytes.
void write_npz(const std::string& path, const TensorMap& tensors);
Bytes encode_npz(const TensorMap& tensors);

}  // namespace etch::runtime
