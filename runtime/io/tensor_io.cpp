#include "runtime/io/tensor_io.h"

#include "etch/autograd.h"
#include "runtime/io/safetensors.h"
#include "runtime/tensor_impl.h"

namespace etch::runtime {

HostTensor to_host(const Tensor& t) {
  Tensor d = dense(t);
  const TensorImpl& i = impl(d);
  size_t bytes = static_cast<size_t>(i.numel) * itemsize(i.dtype);
  return make_host_tensor(i.dtype, {i.sizes.begin(), i.sizes.end()},
                          {static_cast<const std::byte*>(i.data), bytes});
}

Tensor to_tensor(const HostTensor& h) {
  h.check();
  if (!contains(kSupported, h.dtype)) {
    fail("tensor", cat("dtype ", h.dtype, " cannot be computed with yet"), "Convert it first");
  }
  auto owner = std::make_shared<Bytes>(h.bytes);
  return tensor_on(owner, owner->data(), h.dtype, h.shape);
}

void save_state(std::span<const NamedTensor> state, const std::string& path) {
  SafeTensors content;
  for (const NamedTensor& s : state) content.tensors.emplace(s.name, to_host(s.tensor));
  write_safetensors(path, content);
}

void load_state(std::span<const NamedTensor> state, const std::string& path) {
  SafeTensors content = read_safetensors(path);
  std::vector<Tensor> values;
  for (const NamedTensor& s : state) {
    auto it = content.tensors.find(s.name);
    if (it == content.tensors.end()) {
      fail_file("load", path, cat("there is no tensor named ", s.name),
                cat("The file holds ", content.tensors.size(), " tensors"));
    }
    const TensorImpl& want = impl(s.tensor);
    if (it->second.dtype != want.dtype ||
        !std::equal(want.sizes.begin(), want.sizes.end(), it->second.shape.begin(),
                    it->second.shape.end())) {
      fail_file("load", path,
                cat(s.name, " is ", it->second.dtype, it->second.shape, ", expected ", want.dtype,
                    want.sizes));
    }
    values.push_back(to_tensor(it->second));
  }
  NoGrad no_grad;
  for (size_t i = 0; i < state.size(); ++i) {
    Tensor target = state[i].tensor;
    target.copy_(values[i]);
  }
}

}  // namespace etch::runtime
