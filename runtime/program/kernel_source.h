// Where programs get machine code for their kernels. The code generator implements KernelSource;
// the runtime runs with or without one.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ir/loop/kernel.h"

namespace etch::runtime {

/// Machine code of one loop kernel for this processor.
struct NativeKernel {
  ir::loop::KernelFn fn = nullptr;
  int64_t scratch_fixed = 0;         // bytes of scratch per thread ...
  int64_t scratch_per_inner = 0;     // ... and for each inner point
  std::shared_ptr<const void> code;  // what keeps `fn` mapped
  int64_t scratch_bytes(int64_t inner_points) const {
    return scratch_fixed + scratch_per_inner * inner_points;
  }
};

/// A program's place for the code of one kernel. Compilers fill it, at any time and from any
/// thread; runs that have already started keep what they read.
class NativeSlot {
 public:
  /// Null until there is code.
  const NativeKernel* get() const { return current_.load(std::memory_order_acquire); }

  /// Switches to `kernel`; earlier code stays mapped until the slot goes.
  void set(std::shared_ptr<const NativeKernel> kernel) {
    if (kernel == nullptr || kernel->fn == nullptr) return;
    std::scoped_lock lock(mutex_);
    owned_.push_back(std::move(kernel));
    current_.store(owned_.back().get(), std::memory_order_release);
  }
  /// There will be no code, and why.
  void refuse(std::string reason) {
    std::scoped_lock lock(mutex_);
    reason_ = std::move(reason);
  }
  /// Why there is no code; "" while there is some, or may come some.
  std::string refusal() const {
    std::scoped_lock lock(mutex_);
    return reason_;
  }

 private:
  std::atomic<const NativeKernel*> current_{nullptr};
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const NativeKernel>> owned_;
  std::string reason_;
};

/// Hands out machine code. Functions may be called from several threads at once.
class KernelSource {
 public:
  virtual ~KernelSource() = default;
  /// Code for `kernel`, ready to run on this processor; null when there is none (yet).
  virtual std::shared_ptr<const NativeKernel> find(const ir::loop::Kernel& kernel) = 0;
  /// Fills `slot` now or later; a slot that is never filled leaves its kernel to the interpreter.
  /// The kernel is only valid during the call.
  virtual void request(const ir::loop::Kernel& kernel, const std::shared_ptr<NativeSlot>& slot) {
    slot->set(find(kernel));
  }
};

}  // namespace etch::runtime
