// From loop kernels to callable code: one place that deduplicates, caches, compiles now or in the
// background, and counts.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "codegen/cache.h"

namespace etch::codegen {

enum class CompileMode : uint8_t {
  Sync,        // get() returns when the kernel is ready or known to be unsupported
  Background,  // get() returns at once; one low-priority thread compiles
};

struct CompileSettings {
  CompileMode mode = CompileMode::Sync;
  bool strict = false;  // a kernel that cannot be compiled is an error
  CompileOptions options = {};
  Target target = target_for(runtime::active_isa());
};

/// Code for one kernel, or the wait for it, or why there is none. Shared; all functions are safe
/// from any thread.
class CompiledKernel {
 public:
  /// nullptr while it is being compiled, and for ever when it failed. The call's scratch needs
  /// scratch_bytes(); the code lives as long as this object.
  ir::loop::KernelFn fn() const { return fn_.load(std::memory_order_acquire); }
  /// Only once fn() is set.
  int64_t scratch_bytes(int64_t inner_points) const { return entry_.scratch_bytes(inner_points); }
  bool failed() const { return state_.load(std::memory_order_acquire) == State::Failed; }
  /// Why it failed; only once failed().
  const std::string& reason() const { return reason_; }
  const std::string& name() const { return name_; }

 private:
  friend class KernelCompiler;
  enum class State : uint8_t { Queued, Building, Ready, Failed };

  std::atomic<State> state_{State::Queued};
  std::atomic<ir::loop::KernelFn> fn_{nullptr};
  EntryInfo entry_;
  std::shared_ptr<const LoadedCode> code_;
  std::string name_, reason_, key_;
  std::shared_ptr<const ir::loop::Kernel> source_;  // until built
  CompileSettings settings_;
};

struct CompileStatistics {
  int64_t built = 0;                 // compiled in this process
  int64_t memory_hits = 0;           // found among the kernels of this process
  int64_t disk_hits = 0;             // loaded from the kernel cache
  int64_t fallbacks = 0;             // kernels left to the interpreter
  double compile_ms = 0;             // back end only
  double load_ms = 0;                // mapping, and reading the cache
  std::vector<std::string> reasons;  // "name: reason", the first 64 fallbacks
};

class KernelCompiler {
 public:
  /// The compiler of this process; never destroyed.
  static KernelCompiler& instance();
  /// A compiler of its own, for tests. `folder` is the disk cache's; "" for none.
  KernelCompiler(Backend& backend, const std::string& folder);
  KernelCompiler(const KernelCompiler&) = delete;
  KernelCompiler& operator=(const KernelCompiler&) = delete;
  ~KernelCompiler();

  /// The kernel's code. Equal kernels share one handle. In strict mode a kernel without code throws
  /// UserError (when building in the background: the first get() after the failure does).
  std::shared_ptr<const CompiledKernel> get(const ir::loop::Kernel& kernel,
                                            const CompileSettings& settings = {});
  /// Returns when the background thread has nothing left to do.
  void wait_idle();
  CompileStatistics statistics() const;
  /// Everything that decides the code: stored with cached kernels and compared on every hit.
  std::string full_key(const ir::loop::Kernel& kernel, const CompileSettings& settings) const;

 private:
  using Slot = std::shared_ptr<CompiledKernel>;
  Slot find_or_add(const ir::loop::Kernel& kernel, const CompileSettings& settings);
  bool try_build(CompiledKernel& k);
  void build(CompiledKernel& k);
  bool load(CompiledKernel& k, const CompiledObject& object, std::string& reason);
  void settle(CompiledKernel& k, std::string reason);
  void start_thread();
  void run_thread();
  void stop();
  void raise_if_failed(const CompiledKernel& k) const;
  static void at_exit();
  static void before_fork();
  static void after_fork_parent();
  static void after_fork_child();

  Backend& backend_;
  KernelCache cache_;
  mutable std::mutex mutex_;  // everything below
  std::condition_variable changed_;
  std::unordered_map<std::string, Slot> kernels_;
  std::deque<Slot> queue_;
  CompileStatistics statistics_;
  std::thread* thread_ = nullptr;
  bool stopping_ = false;
  bool thread_busy_ = false;
  std::shared_mutex building_;  // shared while a build runs; a fork waits for all
};

}  // namespace etch::codegen
