// One thread's execution of a plan. Private to the interpreter.
#pragma once

#include <vector>

#include "runtime/contract/scratch.h"
#include "runtime/interp/plan.h"
#include "runtime/interp/walk.h"

namespace etch::runtime {

/// Memory that a thread keeps between runs; nothing is allocated once it has grown.
struct Workspace {
  contract::Scratch scratch;
  std::vector<std::byte*> base, now;  // per slot: its storage, its elements of the current block
  std::vector<Window> windows;        // sources, then stores
  std::vector<int64_t> unit_strides;
};

/// This thread's workspace; a nested run gets another one.
class WorkspaceScope {
 public:
  WorkspaceScope();
  ~WorkspaceScope();
  WorkspaceScope(const WorkspaceScope&) = delete;
  WorkspaceScope& operator=(const WorkspaceScope&) = delete;
  Workspace& operator*() const { return *ws_; }

 private:
  Workspace* ws_;
};

/// Where the chunk results of one stage's reductions go when chunks are computed apart.
struct ChunkResults {
  std::byte* data = nullptr;
  int64_t tile = 0;
  int64_t chunks = 0;
  /// tile elements of chunk c of the stage's r-th reduction.
  std::byte* at(size_t r, int64_t c) const {
    return data + (static_cast<int64_t>(r) * chunks + c) * tile * 8;
  }
};

class Runner {
 public:
  Runner(const BlockPlan& plan, const ir::loop::Kernel& k, const ir::loop::BoundKernel& bound,
         void* const* buffers, Workspace& ws);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  int64_t tile_capacity() const { return tile_cap_; }
  /// Tile points [t0, t0 + n) over inner points [f0, f1); all of them unless the kernel is
  /// pointwise.
  void run_tile(int64_t t0, int64_t n, int64_t f0, int64_t f1);

  // The parts of run_tile, for tiles whose chunks are spread over threads.
  void begin_tile(int64_t t0, int64_t n);
  void tile_phase(const Stage& stage);
  /// Inner points [f0, f1) of the stage's blocks; with `results`, whole chunks whose results go
  /// there.
  void blocks(const Stage& stage, int64_t f0, int64_t f1, const ChunkResults* results);
  /// Folds the results of all chunks.
  void fold_chunks(const Stage& stage, const ChunkResults& results);
  /// Takes over the tile-level values of another runner at the same tile.
  void copy_tile_values(const Runner& from);

 private:
  struct Accumulator {
    std::byte* lanes = nullptr;  // [64][tile]
    int64_t* indices = nullptr;  // argmax, argmin
    std::byte* tree = nullptr;   // [level][tile]
    std::byte* value = nullptr;  // [tile]
    int64_t pushed = 0;
  };

  void build_windows(const ir::loop::Kernel& k, const ir::loop::BoundKernel& bound,
                     void* const* buffers);
  void place_slots(const ir::loop::BoundKernel& bound);
  void run_uniform(const ir::loop::BoundKernel& bound);
  void run_instr(const Instr& in, int64_t n) {
    LoopArgs args{n, now_[in.out], {}};
    for (int i = 0; i < 3; ++i) args.in[i] = in.in[i] < 0 ? nullptr : now_[in.in[i]];
    in.fn(args);
  }
  void fill_repeats(const Stage& stage, int64_t f0, int64_t f1);
  void block(const Stage& stage, int64_t f, int64_t fasts, const ChunkResults* results);
  void reduce_bare_rows(const Stage& stage, int64_t n);
  void reduce_bare_columns(const ReduceStep& r, size_t number, int64_t f, int64_t rows,
                           const ChunkResults* results);
  bool chunks_lie_in_memory(const Stage& stage, int64_t f0, int64_t f1);
  void reduce_chunks(const Stage& stage, int64_t f0, int64_t f1, const ChunkResults* results);
  void store_block(const StoreStep& s, int64_t s0, int64_t slows, int64_t f0, int64_t fasts);
  void reduce_rows(const ReduceStep& r, int64_t fasts);
  void reduce_row(const ReduceStep& r, size_t number, int64_t f, int64_t n,
                  const ChunkResults* results);
  void reduce_columns(const ReduceStep& r, size_t number, int64_t f, int64_t rows,
                      const ChunkResults* results);
  void end_columns(const ReduceStep& r, size_t number, int64_t f, int64_t rows,
                   const ChunkResults* results);
  void end_chunk(const ReduceStep& r, size_t number, int64_t chunk, const ChunkResults* results);
  void push(const ReduceStep& r, Accumulator& acc, std::byte* value);
  void finish(const ReduceStep& r);
  void combine(const ReduceStep& r, std::byte* into, const std::byte* a, const std::byte* b,
               int64_t n) const;
  const Slot& slot(int s) const { return plan_.slots[static_cast<size_t>(s)]; }
  Window& window(int w) { return ws_.windows[static_cast<size_t>(w)]; }
  const CopyLoops& copies(size_t itemsize) const { return *copy_[__builtin_ctzll(itemsize)]; }

  const BlockPlan& plan_;
  Workspace& ws_;
  std::byte** base_;
  std::byte** now_;
  const CopyLoops* copy_[4];
  Accumulator* acc_ = nullptr;
  int64_t inner_points_ = 1;
  int64_t tile_cap_ = 1;
  int64_t t0_ = 0, tile_ = 1;
  int first_store_ = 0;
  bool stream_ = false;  // outputs bypass the caches
};

}  // namespace etch::runtime
