#include "runtime/threads.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "ir/support/error.h"
#include "ir/support/text.h"

namespace etch::runtime {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int64_t kRangesPerThread = 4;
constexpr auto kSpinTime = std::chrono::microseconds(20);

thread_local bool t_in_region = false;

void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Spins until done() or the spin time is over; true when done() held.
template <class Done>
bool spin_until(Done done) {
  const auto end = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      cpu_relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

/// One parallel_for in flight; lives on the caller's stack.
class Job {
 public:
  Job(int64_t n, int64_t range, FunctionRef<void(int64_t, int64_t)> body)
      : n_(n), range_(range), body_(body) {}

  /// Takes ranges until none is left.
  void work() {
    t_in_region = true;
    while (true) {
      const int64_t begin = next_.fetch_add(range_, std::memory_order_relaxed);
      if (begin >= n_ || failed_.load(std::memory_order_relaxed)) break;
      try {
        body_(begin, std::min(n_, begin + range_));
      } catch (...) {
        keep_error(begin);
      }
    }
    t_in_region = false;
  }

  /// After all threads left the job.
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void keep_error(int64_t begin) {
    std::lock_guard lock(error_mutex_);
    if (!error_ || begin < error_begin_) {
      error_ = std::current_exception();
      error_begin_ = begin;
    }
    failed_.store(true, std::memory_order_relaxed);
  }

  const int64_t n_;
  const int64_t range_;
  FunctionRef<void(int64_t, int64_t)> body_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
  int64_t error_begin_ = 0;
};

/// Worker threads, and the gate through which they enter the one open job.
class Pool {
 public:
  /// Runs `job` with up to `threads` threads; false when another caller is using the pool.
  bool run(Job& job, int threads) {
    if (busy_.exchange(true, std::memory_order_acquire)) return false;
    start_workers(threads - 1);
    job_ = &job;
    limit_ = static_cast<uint32_t>(threads - 1);
    gate_.store(kOpen, std::memory_order_release);
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    job.work();
    close_gate();
    busy_.store(false, std::memory_order_release);
    return true;
  }

  Pool* next_retired = nullptr;

 private:
  static constexpr uint32_t kOpen = uint32_t{1} << 31;

  /// Shuts the gate and waits for the workers inside.
  void close_gate() {
    uint32_t left = gate_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
    if (left == 0) return;
    if (spin_until([&] { return gate_.load(std::memory_order_acquire) == 0; })) return;
    while ((left = gate_.load(std::memory_order_acquire)) != 0) gate_.wait(left);
  }

  /// Only the holder of busy_ calls this. A system without threads left is no error.
  void start_workers(int wanted) {
    while (workers_ < wanted) {
      try {
        std::thread([this, seen = epoch_.load(std::memory_order_relaxed)] {
          serve(seen);
        }).detach();
      } catch (const std::system_error&) {
        return;
      }
      ++workers_;
    }
  }

  [[noreturn]] void serve(uint32_t seen) {
    while (true) {
      const auto changed = [&] { return epoch_.load(std::memory_order_acquire) != seen; };
      if (!spin_until(changed)) {
        while (!changed()) epoch_.wait(seen);
      }
      seen = epoch_.load(std::memory_order_acquire);
      if (enter()) {
        job_->work();
        // The last one out of a shut gate wakes the caller.
        if (gate_.fetch_sub(1, std::memory_order_acq_rel) == 1) gate_.notify_all();
      }
    }
  }

  bool enter() {
    uint32_t gate = gate_.load(std::memory_order_acquire);
    while ((gate & kOpen) != 0) {
      if ((gate & ~kOpen) >= limit_.load(std::memory_order_relaxed)) return false;
      if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel)) return true;
    }
    return false;
  }

  // Each on its own cache line: workers spin on epoch_ while the gate is being used.
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<uint32_t> gate_{0};  // kOpen | number of workers inside
  std::atomic<uint32_t> limit_{0};
  Job* job_ = nullptr;
  alignas(64) std::atomic<bool> busy_{false};
  int workers_ = 0;
};

// Never destroyed: workers may outlive static destructors.
std::atomic<Pool*> g_pool{nullptr};
Pool* g_retired = nullptr;
std::atomic<int> g_num_threads{0};
std::atomic<Executor*> g_executor{nullptr};

/// A child has no workers: it forgets the pool and starts another one when it needs it.
void after_fork_in_child() {
  Pool* old = g_pool.exchange(nullptr, std::memory_order_relaxed);
  if (old == nullptr) return;
  old->next_retired = g_retired;
  g_retired = old;
}

Pool& pool() {
  Pool* p = g_pool.load(std::memory_order_acquire);
  if (p != nullptr) return *p;
  static const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
  (void)registered;
  Pool* fresh = new Pool;
  if (g_pool.compare_exchange_strong(p, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *p;
}

int default_num_threads() {
  const char* text = std::getenv("ETCH_THREADS");
  if (text == nullptr || *text == '\0') {
    return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMaxThreads);
  }
  int value = 0;
  const char* end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < 1 || value > kMaxThreads) {
    fail("threads", cat("ETCH_THREADS=", text, " is no thread count"),
         cat("Use a number from 1 to ", kMaxThreads, ", or unset it"));
  }
  return value;
}

void run_on(Executor& executor, Job& job, int threads) {
  auto task = [&](int) { job.work(); };
  executor.run(threads, task);
  job.work();  // whatever an executor that dropped tasks left over
}

}  // namespace

void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (n <= grain || t_in_region) return body(0, n);
  const int64_t ranges = (n - 1) / grain + 1;
  const int threads = static_cast<int>(std::min<int64_t>(num_threads(), ranges));
  if (threads == 1) return body(0, n);
  Job job(n, std::max(grain, (n - 1) / (threads * kRangesPerThread) + 1), body);
  Executor* executor = g_executor.load(std::memory_order_acquire);
  if (executor != nullptr) {
    run_on(*executor, job, threads);
  } else if (!pool().run(job, threads)) {
    return body(0, n);
  }
  job.rethrow();
}

int num_threads() {
  int count = g_num_threads.load(std::memory_order_relaxed);
  if (count == 0) {
    count = default_num_threads();
    int unset = 0;
    if (!g_num_threads.compare_exchange_strong(unset, count)) count = unset;
  }
  return count;
}

void set_num_threads(int count) {
  if (count < 1 || count > kMaxThreads) {
    fail("threads", cat("set_num_threads(", count, ") is out of range"),
         cat("Use a number from 1 to ", kMaxThreads));
  }
  g_num_threads.store(count, std::memory_order_relaxed);
}

bool in_parallel_region() { return t_in_region; }

void set_executor(Executor* executor) { g_executor.store(executor, std::memory_order_release); }

}  // namespace etch::runtime
