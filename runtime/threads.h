// The one thread pool of the process. Work is split over independent outputs only, so results
// never depend on the number of threads.
#pragma once

#include <cstdint>

#include "ir/support/function_ref.h"

namespace etch::runtime {

/// Calls body(begin, end) on disjoint ranges that cover [0, n), possibly at the same time on
/// several threads; the caller takes part and returns when all are done. Ranges hold at least
/// `grain` items (the last one may be shorter). Calls from inside a body run inline, and so does a
/// call while another thread of the program is using the pool.
/// An exception in a body cancels the ranges not yet started and is rethrown here; of several, the
/// one with the lowest range. A child forked inside a body may only exec or _exit.
void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t begin, int64_t end)> body);

/// Threads that parallel_for uses, the caller included: what set_num_threads said, else
/// ETCH_THREADS, else the processors this process may run on.
/// Throws UserError when ETCH_THREADS is no number from 1 to 1024.
int num_threads();

/// Throws UserError unless 1 <= count <= 1024.
void set_num_threads(int count);

/// True while this thread executes a body of parallel_for.
bool in_parallel_region();

/// A host program's own thread pool, used instead of Etch's.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Calls task(0) .. task(count - 1) once each, in any order or at the same time, and returns
  /// when all have returned. Tasks do not throw and may also run one after another.
  virtual void run(int count, FunctionRef<void(int task)> task) = 0;
};

/// Installs `executor` (not owned; it must outlive its use) or, with nullptr, Etch's own pool.
/// Not to be called while work is running.
void set_executor(Executor* executor);

}  // namespace etch::runtime
