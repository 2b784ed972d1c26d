// safetensors files: a JSON header and one block of data.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/io/file.h"
#include "runtime/io/host_tensor.h"

namespace etch::runtime {

struct SafeTensors {
  TensorMap tensors;
  std::map<std::string, std::string> metadata;  // the __metadata__ of the file
};

/// Reads all tensors. Repeated names or keys, unknown keys, overlaps, holes, offsets outside the
/// file, sizes that do not fit the shape and trailing bytes are errors.
SafeTensors read_safetensors(const std::string& path, const IoLimits& limits = {},
                             FileAccess access = FileAccess::Copy);
SafeTensors decode_safetensors(const Bytes& file, std::string_view where,
                               const IoLimits& limits = {});

/// Writes header keys sorted by name and data in order of falling element size, then name, so
/// that every tensor is aligned; the data starts at a multiple of 64. The same content gives the
/// same bytes. c128 and 4-bit types have no safetensors form: UserError.
void write_safetensors(const std::string& path, const SafeTensors& content);
Bytes encode_safetensors(const SafeTensors& content);
/// The file as a list of pieces to be written one after the other; the data is shared.
std::vector<Bytes> safetensors_pieces(const SafeTensors& content);

}  // namespace etch::runtime
