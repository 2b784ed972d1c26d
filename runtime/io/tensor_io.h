// Between tensors and what files hold.
#pragma once

#include "etch/tree.h"
#include "runtime/io/host_tensor.h"

namespace etch::runtime {

/// A copy of t's elements.
HostTensor to_host(const Tensor& t);
/// A tensor on the host tensor's bytes, without a copy; a type that cannot be computed with raises.
Tensor to_tensor(const HostTensor& h);

/// Writes the tensors as safetensors.
void save_state(std::span<const NamedTensor> state, const std::string& path);
/// Copies the file's tensors into `state` by name; a missing name or another shape or dtype raises
/// before anything is changed.
void load_state(std::span<const NamedTensor> state, const std::string& path);

}  // namespace etch::runtime
