// NumPy's .npy files, versions 1 to 3.
#pragma once

#include <string>
#include <string_view>

#include "runtime/io/file.h"
#include "runtime/io/host_tensor.h"

namespace etch::runtime {

/// Reads one array: bool, (u)int8..64, f16, f32, f64, complex. Column-major and big-endian data
/// is converted. Object, text and structured arrays, and bytes after the data are errors.
HostTensor read_npy(const std::string& path, const IoLimits& limits = {},
                    FileAccess access = FileAccess::Copy);
/// The same from memory; the result shares `file` where no conversion is needed. `where` names
/// the source in errors.
HostTensor decode_npy(const Bytes& file, std::string_view where, const IoLimits& limits = {});

/// Writes the same bytes as numpy.save. bf16, f8 and 4-bit types have no .npy form: UserError.
void write_npy(const std::string& path, const HostTensor& tensor);
Bytes encode_npy(const HostTensor& tensor);
/// All bytes before the data, a multiple of 64.
std::string npy_header(const HostTensor& tensor);

}  // namespace etch::runtime
