#include "etch/io.h"
#include "runtime/io/npz.h"
#include "runtime/io/safetensors.h"
#include "runtime/io/tensor_io.h"

namespace etch {
namespace {

bool is_npz(const std::string& path) { return path.ends_with(".npz"); }

void require_known(const std::string& path) {
  if (is_npz(path) || path.ends_with(".safetensors")) return;
  fail("tensors", cat("cannot tell the format of ", path), "End the name in .safetensors or .npz");
}

}  // namespace

void save_tensors(const std::vector<NamedTensor>& tensors, const std::string& path) {
  require_known(path);
  if (!is_npz(path)) return runtime::save_state(tensors, path);
  runtime::TensorMap map;
  for (const NamedTensor& t : tensors) map.emplace(t.name, runtime::to_host(t.tensor));
  runtime::write_npz(path, map);
}

std::vector<NamedTensor> load_tensors(const std::string& path) {
  require_known(path);
  runtime::TensorMap map =
      is_npz(path) ? runtime::read_npz(path) : runtime::read_safetensors(path).tensors;
  std::vector<NamedTensor> out;
  for (const auto& [name, h] : map) out.push_back({name, runtime::to_tensor(h)});
  return out;
}

}  // namespace etch
