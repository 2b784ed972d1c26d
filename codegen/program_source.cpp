#include "codegen/program_source.h"

namespace etch::codegen {
namespace {

std::shared_ptr<const runtime::NativeKernel> native(std::shared_ptr<const CompiledKernel> k) {
  if (k == nullptr || k->fn() == nullptr) return nullptr;
  auto out = std::make_shared<runtime::NativeKernel>();
  out->fn = k->fn();
  out->scratch_fixed = k->scratch_bytes(0);
  out->scratch_per_inner = k->scratch_bytes(1) - out->scratch_fixed;
  out->code = std::move(k);
  return out;
}

}  // namespace

std::shared_ptr<const runtime::NativeKernel> CompiledKernels::find(const ir::loop::Kernel& kernel) {
  return native(compiler_.get(kernel, settings_));
}

void CompiledKernels::request(const ir::loop::Kernel& kernel,
                              const std::shared_ptr<runtime::NativeSlot>& slot) {
  std::shared_ptr<const CompiledKernel> handle = compiler_.get(kernel, settings_);
  if (auto ready = native(handle)) return slot->set(std::move(ready));
  if (handle->failed()) return slot->refuse(handle->reason());
  std::scoped_lock lock(mutex_);
  pending_.push_back({std::move(handle), slot});
}

bool CompiledKernels::poll() {
  std::scoped_lock lock(mutex_);
  std::erase_if(pending_, [](const Pending& p) {
    if (auto ready = native(p.kernel)) {
      p.slot->set(std::move(ready));
      return true;
    }
    if (p.kernel->failed()) p.slot->refuse(p.kernel->reason());
    return p.kernel->failed();
  });
  return pending_.empty();
}

}  // namespace etch::codegen
