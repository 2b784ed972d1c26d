#include "codegen/compiler.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "ir/support/error.h"

#ifndef ETCH_VERSION_TEXT
#define ETCH_VERSION_TEXT "0"
#endif

namespace etch::codegen {

namespace {

constexpr size_t kMaxKernels = 4096;  // in memory; beyond, kernels that nobody holds are dropped
constexpr size_t kMaxReasons = 64;

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

std::atomic<KernelCompiler*> the_compiler{nullptr};

/// Runs `stop` when the main thread ends the process. Destructors of thread-locals come before all
/// exit handlers, and so before LLVM's own destructors, which a running compilation must not meet.
struct ExitGuard {
  void (*stop)() = nullptr;
  ~ExitGuard() {
    if (stop != nullptr && syscall(SYS_gettid) == getpid()) stop();
  }
};
thread_local ExitGuard exit_guard;

}  // namespace

KernelCompiler& KernelCompiler::instance() {
  static KernelCompiler* const compiler = [] {
    auto* c = new KernelCompiler(cpu_backend(), KernelCache::standard_folder());
    the_compiler = c;
    pthread_atfork(&before_fork, &after_fork_parent, &after_fork_child);
    return c;
  }();
  return *compiler;
}

KernelCompiler::KernelCompiler(Backend& backend, const std::string& folder)
    : backend_(backend), cache_(folder) {}

KernelCompiler::~KernelCompiler() { stop(); }

std::string KernelCompiler::full_key(const ir::loop::Kernel& kernel,
                                     const CompileSettings& s) const {
  return cat("etch " ETCH_VERSION_TEXT "\n", backend_.version(), "\ntarget ", target_key(s.target),
             "\ntier ", s.options.tier, "\n", kernel_key(kernel));
}

KernelCompiler::Slot KernelCompiler::find_or_add(const ir::loop::Kernel& kernel,
                                                 const CompileSettings& settings) {
  std::string key = full_key(kernel, settings);
  std::lock_guard lock(mutex_);
  if (auto it = kernels_.find(key); it != kernels_.end()) {
    ++statistics_.memory_hits;
    return it->second;
  }
  if (kernels_.size() >= kMaxKernels) {
    std::erase_if(kernels_, [](const auto& entry) { return entry.second.use_count() == 1; });
  }
  auto slot = std::make_shared<CompiledKernel>();
  slot->name_ = kernel.name;
  slot->key_ = key;
  slot->source_ = std::make_shared<const ir::loop::Kernel>(kernel);
  slot->settings_ = settings;
  kernels_.emplace(std::move(key), slot);
  if (settings.mode == CompileMode::Background) {
    queue_.push_back(slot);
    if (this == the_compiler) exit_guard.stop = &at_exit;
    start_thread();
    changed_.notify_all();
  }
  return slot;
}

std::shared_ptr<const CompiledKernel> KernelCompiler::get(const ir::loop::Kernel& kernel,
                                                          const CompileSettings& settings) {
  using State = CompiledKernel::State;
  Slot slot = find_or_add(kernel, settings);
  if (settings.mode == CompileMode::Sync && slot->fn() == nullptr) {
    if (!try_build(*slot)) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] {
        State s = slot->state_;
        return s == State::Ready || s == State::Failed;
      });
    }
  }
  if (settings.strict && slot->failed()) raise_if_failed(*slot);
  return slot;
}

void KernelCompiler::raise_if_failed(const CompiledKernel& k) const {
  throw UserError(cat("[codegen] kernel '", k.name(), "' cannot be compiled: ", k.reason(),
                      ". Without `strict` the interpreter runs it"),
                  ErrorKind::Unavailable);
}

/// Builds unless somebody else does or did. The claim is made under the lock that a fork waits for:
/// a child never sees a kernel that nobody will finish.
bool KernelCompiler::try_build(CompiledKernel& k) {
  using State = CompiledKernel::State;
  std::shared_lock builds(building_);
  State expected = State::Queued;
  if (!k.state_.compare_exchange_strong(expected, State::Building)) return false;
  build(k);
  return true;
}

void KernelCompiler::build(CompiledKernel& k) {
  std::string reason;
  try {
    auto start = std::chrono::steady_clock::now();
    std::optional<CompiledObject> stored = cache_.get(k.key_);
    if (stored && load(k, *stored, reason)) {
      std::lock_guard lock(mutex_);
      ++statistics_.disk_hits;
      statistics_.load_ms += milliseconds_since(start);
    } else {
      start = std::chrono::steady_clock::now();
      PlanResult plan = make_plan(*k.source_);
      reason = plan.reason;
      CompiledObject object;
      if (plan.plan)
        reason =
            backend_.compile({&*plan.plan, 1}, k.settings_.target, k.settings_.options, object);
      double compile_ms = milliseconds_since(start);
      start = std::chrono::steady_clock::now();
      if (reason.empty() && load(k, object, reason)) cache_.put(k.key_, object);
      std::lock_guard lock(mutex_);
      if (reason.empty()) ++statistics_.built;
      statistics_.compile_ms += compile_ms;
      statistics_.load_ms += milliseconds_since(start);
    }
  } catch (const std::exception& e) {
    reason = e.what();
  }
  settle(k, std::move(reason));
}

bool KernelCompiler::load(CompiledKernel& k, const CompiledObject& object, std::string& reason) {
  if (object.entries.size() != 1) return false;
  try {
    k.code_ = backend_.load(object);
    k.entry_ = object.entries[0];
    return true;
  } catch (const UserError& e) {
    reason = e.what();
    return false;
  }
}

/// Publishes the outcome and wakes whoever waits.
void KernelCompiler::settle(CompiledKernel& k, std::string reason) {
  using State = CompiledKernel::State;
  std::lock_guard lock(mutex_);
  k.source_.reset();
  if (k.code_ != nullptr) {
    k.fn_.store(k.code_->entry(0), std::memory_order_release);
    k.state_ = State::Ready;
  } else {
    k.reason_ = std::move(reason);
    ++statistics_.fallbacks;
    if (statistics_.reasons.size() < kMaxReasons) {
      statistics_.reasons.push_back(cat(k.name_, ": ", k.reason_));
    }
    k.state_ = State::Failed;
  }
  changed_.notify_all();
}

CompileStatistics KernelCompiler::statistics() const {
  std::lock_guard lock(mutex_);
  return statistics_;
}

// ---- background
// -----------------------------------------------------------------------------------

void KernelCompiler::start_thread() {
  if (thread_ != nullptr || stopping_) return;
  thread_ = new std::thread([this] { run_thread(); });
  if (this == the_compiler) std::atexit(&at_exit);
}

void KernelCompiler::run_thread() {
  using State = CompiledKernel::State;
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 10);
  bool first = true;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    }
    std::shared_lock builds(building_);
    Slot slot;
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      if (queue_.empty()) continue;
      slot = std::move(queue_.front());
      queue_.pop_front();
      thread_busy_ = true;
    }
    State expected = State::Queued;
    if (slot->state_.compare_exchange_strong(expected, State::Building)) {
      build(*slot);
      // For a main thread without a guard. Handlers run last in, first out: once more, so that this
      // one comes before the destructors of the LLVM that the first build opened.
      if (first && this == the_compiler) std::atexit(&at_exit);
      first = false;
    }
    std::lock_guard lock(mutex_);
    thread_busy_ = false;
    changed_.notify_all();
  }
}

void KernelCompiler::wait_idle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return queue_.empty() && !thread_busy_; });
}

void KernelCompiler::stop() {
  std::thread* thread;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    thread = thread_;
    thread_ = nullptr;
    changed_.notify_all();
  }
  if (thread == nullptr) return;
  thread->join();
  delete thread;
}

void KernelCompiler::at_exit() { the_compiler.load()->stop(); }

void KernelCompiler::before_fork() {
  KernelCompiler& c = *the_compiler.load();
  c.building_.lock();
  c.mutex_.lock();
}

void KernelCompiler::after_fork_parent() {
  KernelCompiler& c = *the_compiler.load();
  c.mutex_.unlock();
  c.building_.unlock();
}

/// The child has no background thread; what was queued goes to a new one. Locks and the condition
/// may count waiters that exist only in the parent, so they are made anew.
void KernelCompiler::after_fork_child() {
  KernelCompiler& c = *the_compiler.load();
  new (&c.building_) std::shared_mutex;
  new (&c.mutex_) std::mutex;
  new (&c.changed_) std::condition_variable;
  c.thread_ = nullptr;  // the object of a thread that does not exist here cannot be destroyed
  c.thread_busy_ = false;
  if (!c.queue_.empty()) c.start_thread();
}

}  // namespace etch::codegen
