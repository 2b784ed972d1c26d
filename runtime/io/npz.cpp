#include "runtime/io/npz.h"

#include "runtime/io/npy.h"
#include "runtime/io/reader.h"
#include "runtime/io/zip.h"

namespace etch::runtime {

namespace {

constexpr std::string_view kSuffix = ".npy";

void write_entries(Sink& sink, const TensorMap& tensors) {
  ZipWriter zip(sink);
  for (const auto& [name, tensor] : tensors) {
    zip.add(cat(name, kSuffix), {Bytes::take(npy_header(tensor)), tensor.bytes});
  }
  zip.finish();
}

}  // namespace

TensorMap decode_npz(const Bytes& file, std::string_view where, const IoLimits& limits) {
  TensorMap tensors;
  for (ZipEntry& entry : read_zip(file, where, "npz", limits)) {
    std::string inner = cat(where, " entry ", in_quotes(entry.name));
    if (!entry.name.ends_with(kSuffix)) {
      fail_file("npz", inner, "not an array", "All entries of an .npz file end in .npy");
    }
    entry.name.resize(entry.name.size() - kSuffix.size());
    tensors.emplace(std::move(entry.name), decode_npy(entry.data, inner, limits));
  }
  return tensors;
}

TensorMap read_npz(const std::string& path, const IoLimits& limits, FileAccess access) {
  return decode_npz(read_file(path, limits, access), path, limits);
}

void write_npz(const std::string& path, const TensorMap& tensors) {
  AtomicFile file(path);
  write_entries(file, tensors);
  file.commit();
}

Bytes encode_npz(const TensorMap& tensors) {
  MemorySink sink;
  write_entries(sink, tensors);
  return std::move(sink).finish();
}

}  // namespace etch::runtime
