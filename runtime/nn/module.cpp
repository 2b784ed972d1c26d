#include "etch/nn.h"

#include "runtime/eager.h"
#include "runtime/io/tensor_io.h"
#include "runtime/recorder.h"

namespace etch::nn {
namespace {

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

}  // namespace

std::vector<NamedTensor> Module::parameters(const std::string& prefix) const {
  std::vector<NamedTensor> out;
  for (const NamedTensor& p : parameters_) out.push_back({join(prefix, p.name), p.tensor});
  for (const auto& [name, m] : children_) {
    for (NamedTensor& p : m->parameters(join(prefix, name))) out.push_back(std::move(p));
  }
  return out;
}

std::vector<NamedTensor> Module::state(const std::string& prefix) const {
  std::vector<NamedTensor> out;
  for (const NamedTensor& p : parameters_) out.push_back({join(prefix, p.name), p.tensor});
  for (const NamedTensor& b : buffers_) out.push_back({join(prefix, b.name), b.tensor});
  for (const auto& [name, m] : children_) {
    for (NamedTensor& s : m->state(join(prefix, name))) out.push_back(std::move(s));
  }
  return out;
}

bool Module::training() const {
  if (auto* r = runtime::recorder()) r->host_flag(training_, cat(scope_name_, ".training"));
  return *training_;
}

void Module::train(bool on) {
  *training_ = on;
  for (auto& [name, m] : children_) m->train(on);
}

Tensor Module::add_parameter(std::string name, Tensor t) {
  t.requires_grad_();
  parameters_.push_back({std::move(name), t});
  return t;
}
Tensor Module::add_buffer(std::string name, Tensor t) {
  buffers_.push_back({std::move(name), t});
  return t;
}
void Module::adopt(std::string name, std::shared_ptr<Module> m) {
  m->scope_name_ = name;
  children_.emplace_back(std::move(name), std::move(m));
}

Tensor Layer::operator()(const Tensor& x, std::source_location loc) {
  runtime::At at(loc);
  Scope scope(scope_name());
  return forward(x);
}

Sequential::Sequential(std::initializer_list<std::shared_ptr<Layer>> layers) : layers_(layers) {
  for (size_t i = 0; i < layers_.size(); ++i) add_module(std::to_string(i), layers_[i]);
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& layer : layers_) y = (*layer)(y);
  return y;
}

void save(const Module& m, const std::string& path) { runtime::save_state(m.state(), path); }

void load(Module& m, const std::string& path) { runtime::load_state(m.state(), path); }

}  // namespace etch::nn
