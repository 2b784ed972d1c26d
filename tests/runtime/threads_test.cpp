#include "runtime/threads.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ir/support/error.h"
#include "runtime/isa.h"

using namespace etch;
using namespace etch::runtime;

namespace {

/// Restores the thread count of the process.
class ThreadCount {
 public:
  explicit ThreadCount(int count) : previous_(num_threads()) { set_num_threads(count); }
  ~ThreadCount() { set_num_threads(previous_); }

 private:
  int previous_;
};

bool covers_once(int64_t n, int64_t grain) {
  std::vector<std::atomic<int>> hits(static_cast<size_t>(n));
  std::atomic<bool> ranges_ok{true};
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    if (begin >= end || (end < n && end - begin < grain)) ranges_ok = false;
    for (int64_t i = begin; i < end; ++i) hits[static_cast<size_t>(i)].fetch_add(1);
  });
  for (auto& h : hits) {
    if (h.load() != 1) return false;
  }
  return ranges_ok;
}

}  // namespace

TEST_CASE("parallel_for visits every item exactly once") {
  for (int threads : {1, 2, 5}) {
    ThreadCount guard(threads);
    for (int64_t n : {0, 1, 2, 3, 7, 64, 1000}) {
      for (int64_t grain : {0, 1, 3, 64, 5000}) {
        INFO("threads " << threads << " n " << n << " grain " << grain);
        CHECK(covers_once(n, grain));
      }
    }
  }
}

TEST_CASE("many short parallel_for calls in a row all finish") {
  ThreadCount guard(3);
  int64_t total = 0;
  for (int i = 0; i < 2000; ++i) {
    std::atomic<int64_t> sum{0};
    parallel_for(8, 1, [&](int64_t b, int64_t e) { sum += e - b; });
    total += sum;
  }
  CHECK(total == 16000);
}

TEST_CASE("workers that went to sleep wake up again") {
  ThreadCount guard(2);
  for (int i = 0; i < 20; ++i) {
    usleep(500);
    CHECK(covers_once(100, 1));
  }
}

TEST_CASE("nested parallel_for runs inline and covers its range") {
  ThreadCount guard(4);
  std::atomic<int64_t> sum{0};
  std::atomic<bool> inline_only{true};
  parallel_for(10, 1, [&](int64_t b, int64_t e) {
    if (!in_parallel_region()) inline_only = false;
    for (int64_t i = b; i < e; ++i) {
      const auto self = std::this_thread::get_id();
      parallel_for(10, 1, [&](int64_t b2, int64_t e2) {
        if (std::this_thread::get_id() != self) inline_only = false;
        sum += e2 - b2;
      });
    }
  });
  CHECK(sum == 100);
  CHECK(inline_only);
  CHECK_FALSE(in_parallel_region());
}

TEST_CASE("an exception in a body reaches the caller and the pool stays usable") {
  ThreadCount guard(4);
  for (int i = 0; i < 50; ++i) {
    std::string text;
    try {
      parallel_for(100, 1, [&](int64_t b, int64_t e) {
        if (b <= 57 && 57 < e) throw std::runtime_error("at 57");
      });
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    CHECK(text == "at 57");
    CHECK_FALSE(in_parallel_region());
  }
  CHECK(covers_once(100, 1));
}

TEST_CASE("several threads of the program may call parallel_for at the same time") {
  ThreadCount guard(3);
  std::vector<int64_t> sums(4, 0);
  std::vector<std::thread> callers;
  for (size_t t = 0; t < sums.size(); ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        std::atomic<int64_t> sum{0};
        parallel_for(16, 1, [&](int64_t b, int64_t e) { sum += e - b; });
        sums[t] += sum;
      }
    });
  }
  for (auto& c : callers) c.join();
  for (int64_t s : sums) CHECK(s == 3200);
}

#if !defined(__SANITIZE_THREAD__)
TEST_CASE("a forked child starts its own workers") {
  ThreadCount guard(3);
  CHECK(covers_once(1000, 1));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool ok = true;
    for (int i = 0; i < 20; ++i) ok = ok && covers_once(1000, 1);
    _exit(ok ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(covers_once(1000, 1));
}
#endif

TEST_CASE("a host program's executor replaces the pool") {
  struct Counting : Executor {
    std::atomic<int> tasks{0};
    void run(int count, FunctionRef<void(int)> task) override {
      std::vector<std::thread> threads;
      for (int i = 0; i < count; ++i) {
        threads.emplace_back([this, task, i] {
          ++tasks;
          task(i);
        });
      }
      for (auto& t : threads) t.join();
    }
  } host;
  ThreadCount guard(3);
  set_executor(&host);
  const bool covered = covers_once(100, 1);
  std::string text;
  try {
    parallel_for(9, 1, [](int64_t, int64_t) { throw std::runtime_error("inside"); });
  } catch (const std::runtime_error& e) {
    text = e.what();
  }
  set_executor(nullptr);
  CHECK(covered);
  CHECK(host.tasks == 6);
  CHECK(text == "inside");
}

TEST_CASE("a thread count out of range is refused with both values") {
  CHECK_THROWS_AS(set_num_threads(0), UserError);
  CHECK_THROWS_AS(set_num_threads(1025), UserError);
  CHECK_THROWS_WITH(set_num_threads(-3), Catch::Contains("-3") && Catch::Contains("1024"));
}

TEST_CASE("an instruction-set override holds for its scope and thread only") {
  const Isa outside = active_isa();
  {
    IsaOverride generic(Isa::Generic);
    CHECK(active_isa() == Isa::Generic);
    Isa elsewhere = Isa::Generic;
    std::thread([&] { elsewhere = active_isa(); }).join();
    CHECK(elsewhere == outside);
    {
      IsaOverride best(best_isa());
      CHECK(active_isa() == best_isa());
    }
    CHECK(active_isa() == Isa::Generic);
  }
  CHECK(active_isa() == outside);
}

TEST_CASE("instruction-set tiers have names and an order") {
  CHECK(name(Isa::Generic) == "generic");
  CHECK(name(Isa::Avx2) == "avx2");
  CHECK(name(Isa::Avx512) == "avx512");
  CHECK(isa_supported(Isa::Generic));
  CHECK(isa_supported(best_isa()));
}

TEST_CASE("ETCH_ISA and ETCH_THREADS are read once and bad values are explained") {
  const auto run_child = [](const char* variable, const char* value, auto body) {
    const pid_t child = fork();
    if (child == 0) {
      setenv(variable, value, 1);
      char self[4096] = {};
      const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
      if (length <= 0) _exit(9);
      execl(self, self, body, static_cast<char*>(nullptr));
      _exit(9);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  CHECK(run_child("ETCH_ISA", "sse9", "[.isa-refused]") == 0);
  CHECK(run_child("ETCH_ISA", "generic", "[.isa-generic]") == 0);
  CHECK(run_child("ETCH_THREADS", "many", "[.threads-refused]") == 0);
  CHECK(run_child("ETCH_THREADS", "7", "[.threads-seven]") == 0);
}

// The four cases below are run by the one above, each in a process of its own.
TEST_CASE("child: unknown ETCH_ISA", "[.isa-refused]") {
  CHECK_THROWS_WITH(active_isa(), Catch::Contains("sse9") && Catch::Contains("avx512"));
}
TEST_CASE("child: ETCH_ISA=generic", "[.isa-generic]") { CHECK(active_isa() == Isa::Generic); }
TEST_CASE("child: unknown ETCH_THREADS", "[.threads-refused]") {
  CHECK_THROWS_WITH(num_threads(), Catch::Contains("many") && Catch::Contains("1024"));
}
TEST_CASE("child: ETCH_THREADS=7", "[.threads-seven]") { CHECK(num_threads() == 7); }
