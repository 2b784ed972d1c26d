#include "runtime/interp/runner.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>

#include "ir/support/error.h"
#include "runtime/stream.h"

namespace etch::runtime {

using ir::loop::BoundKernel;
using ir::loop::Kernel;
using ir::loop::kReduceChunk;
using ir::loop::kReduceLanes;

namespace {

struct Workspaces {
  std::vector<std::unique_ptr<Workspace>> all;
  size_t depth = 0;
};
Workspaces& workspaces() {
  thread_local Workspaces w;
  return w;
}

constexpr size_t kLine = 64;
size_t round_up(size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

}  // namespace

WorkspaceScope::WorkspaceScope() {
  Workspaces& w = workspaces();
  if (w.depth == w.all.size()) w.all.push_back(std::make_unique<Workspace>());
  ws_ = w.all[w.depth++].get();
}
WorkspaceScope::~WorkspaceScope() { --workspaces().depth; }

Runner::~Runner() {
  if (stream_) stream_fence();
}

Runner::Runner(const BlockPlan& plan, const Kernel& k, const BoundKernel& bound,
               void* const* buffers, Workspace& ws)
    : plan_(plan), ws_(ws) {
  for (size_t i = 0; i < 4; ++i) copy_[i] = copy_loops(size_t{1} << i, plan.isa);
  int64_t stored = 0;
  for (const ir::loop::Store& s : k.stores) {
    int64_t points = bound.outer_points * (s.inner ? bound.inner_points : 1);
    stored += points * static_cast<int64_t>(itemsize(k.exprs.node(s.value).dtype));
  }
  stream_ = worth_streaming(stored, full_loads(k, bound), plan.cost);
  build_windows(k, bound, buffers);
  place_slots(bound);
  run_uniform(bound);
}

void Runner::build_windows(const Kernel& k, const BoundKernel& bound, void* const* buffers) {
  const int axes = k.axes(), tile_axes = plan_.shape.tile_axes;
  const int64_t* sizes = bound.sizes.data();
  AxisRange tile{sizes, nullptr, tile_axes};
  AxisRange inner{sizes + tile_axes, nullptr, axes - tile_axes};
  inner_points_ = inner.points();
  std::vector<int64_t>& unit = ws_.unit_strides;
  unit.assign(static_cast<size_t>(axes * axes), 0);
  for (int a = 0; a < axes; ++a) unit[static_cast<size_t>(a * axes + a)] = 1;

  ws_.windows.clear();
  first_store_ = static_cast<int>(plan_.sources.size());
  auto add = [&](std::byte* base, const int64_t* strides, size_t item, bool block) {
    Window w;
    w.base = base;
    w.itemsize = item;
    AxisRange t = tile, i = inner;
    t.strides = strides;
    i.strides = strides + tile_axes;
    if (!block) {
      w.fast = t;
    } else {
      w.slow = plan_.shape.columns ? i : t;
      w.fast = plan_.shape.columns ? t : i;
    }
    w.prepare();
    ws_.windows.push_back(w);
  };
  auto pointer = [&](int buffer, int64_t offset, size_t item) {
    return static_cast<std::byte*>(buffers[buffer]) + offset * static_cast<int64_t>(item);
  };
  for (const Source& s : plan_.sources) {
    if (s.load >= 0) {
      size_t l = static_cast<size_t>(s.load);
      add(pointer(k.loads[l].buffer, bound.offsets[l], s.itemsize),
          bound.strides.data() + l * static_cast<size_t>(axes), s.itemsize, s.inner);
    } else {
      add(nullptr, unit.data() + s.axis * axes, sizeof(int64_t), s.inner);
    }
  }
  for (size_t i = 0; i < k.stores.size(); ++i) {
    size_t l = k.loads.size() + i;
    size_t item = itemsize(k.exprs.node(k.stores[i].value).dtype);
    add(pointer(k.stores[i].access.buffer, bound.offsets[l], item),
        bound.strides.data() + l * static_cast<size_t>(axes), item,
        k.stores[i].inner || k.reductions.empty());
  }
}

void Runner::place_slots(const BoundKernel& bound) {
  if (!plan_.shape.single) tile_cap_ = plan_.shape.columns ? kColumns : plan_.block;
  const size_t tile = static_cast<size_t>(tile_cap_);
  const size_t reductions = static_cast<size_t>(plan_.reductions);
  const size_t columns = plan_.shape.columns ? tile : 1;
  const size_t levels =
      static_cast<size_t>(std::bit_width(static_cast<uint64_t>(inner_points_ / kReduceChunk)) + 2);

  auto bytes_of = [&](const Slot& s) -> size_t {
    switch (s.kind) {
      case SlotKind::Uniform:
        return kLine;
      case SlotKind::Tile:
        return round_up(tile * s.itemsize);
      case SlotKind::Kept: {
        bool block = !plan_.shape.single && !plan_.shape.columns;
        size_t n =
            block ? static_cast<size_t>(plan_.block) : columns * static_cast<size_t>(inner_points_);
        return round_up(n * s.itemsize);
      }
      default:
        return round_up(static_cast<size_t>(plan_.block) * s.itemsize);
    }
  };
  size_t total = round_up(reductions * sizeof(Accumulator));
  for (const Slot& s : plan_.slots) total += bytes_of(s);
  const size_t lanes = round_up(static_cast<size_t>(kReduceLanes) * columns * 8);
  const size_t indices = round_up(static_cast<size_t>(kReduceLanes) * sizeof(int64_t));
  const size_t vector = round_up(columns * 8);
  total += reductions * (lanes + indices + vector * (levels + 1));

  auto* at = static_cast<std::byte*>(ws_.scratch.get(total));
  auto take = [&](size_t bytes) { return std::exchange(at, at + bytes); };
  acc_ = reinterpret_cast<Accumulator*>(take(round_up(reductions * sizeof(Accumulator))));
  for (size_t r = 0; r < reductions; ++r) {
    Accumulator a;
    a.lanes = take(lanes);
    a.indices = reinterpret_cast<int64_t*>(take(indices));
    a.value = take(vector);
    a.tree = take(vector * levels);
    new (acc_ + r) Accumulator(a);
  }
  ws_.base.clear();
  for (const Slot& s : plan_.slots) ws_.base.push_back(take(bytes_of(s)));
  ws_.now.assign(ws_.base.begin(), ws_.base.end());
  base_ = ws_.base.data();
  now_ = ws_.now.data();
  for (const auto& [s, bits] : plan_.literals) std::memcpy(base_[s], &bits, sizeof bits);
  for (const auto& [s, p] : plan_.params) {
    std::memcpy(base_[s], &bound.params[static_cast<size_t>(p)], sizeof(int64_t));
  }
}

void Runner::run_uniform(const BoundKernel& bound) {
  if (bound.outer_points == 0) return;
  for (const auto& [s, source] : plan_.uniform_reads) now_[s] = window(source).base;
  for (const Instr& in : plan_.uniform) run_instr(in, 1);
}

void Runner::begin_tile(int64_t t0, int64_t n) {
  t0_ = t0;
  tile_ = n;
  for (const auto& [s, source] : plan_.tile_reads) {
    Window& w = window(source);
    now_[s] = w.direct(0, 1, t0, n);
    if (now_[s] != nullptr) continue;
    now_[s] = base_[s];
    w.gather(base_[s], 0, 1, t0, n, copies(w.itemsize));
  }
}

void Runner::tile_phase(const Stage& stage) {
  for (const auto& [to, from] : stage.tile_repeats) {
    repeat(now_[to], now_[from], tile_, slot(to).itemsize);
  }
  for (const Instr& in : stage.tile) run_instr(in, tile_);
  for (const StoreStep& s : stage.tile_stores) {
    Window& w = window(first_store_ + s.store);
    w.scatter(now_[s.from], 0, 1, t0_, tile_, copies(w.itemsize));
  }
}

void Runner::run_tile(int64_t t0, int64_t n, int64_t f0, int64_t f1) {
  begin_tile(t0, n);
  for (const Stage& stage : plan_.stages) {
    tile_phase(stage);
    if (stage.has_blocks()) blocks(stage, f0, f1, nullptr);
  }
}

void Runner::copy_tile_values(const Runner& from) {
  for (size_t s = 0; s < plan_.slots.size(); ++s) {
    const Slot& sl = plan_.slots[s];
    if (sl.kind != SlotKind::Tile) continue;
    now_[s] = base_[s];
    std::memcpy(base_[s], from.now_[s], static_cast<size_t>(tile_) * sl.itemsize);
  }
}

void Runner::fill_repeats(const Stage& stage, int64_t f0, int64_t f1) {
  for (int s : stage.repeats) {
    const Slot& to = slot(s);
    const std::byte* from = now_[to.ref];
    bool one = slot(to.ref).kind == SlotKind::Uniform || plan_.shape.single;
    if (one) {
      repeat(base_[s], from, plan_.block, to.itemsize);
    } else if (plan_.shape.columns) {
      size_t row = static_cast<size_t>(tile_) * to.itemsize;
      for (int64_t i = 0; i < kBlock / tile_; ++i) {
        std::memcpy(base_[s] + static_cast<size_t>(i) * row, from, row);
      }
    } else {
      copies(to.itemsize).spread(base_[s], from, f1 - f0, tile_);
    }
  }
}

void Runner::blocks(const Stage& stage, int64_t f0, int64_t f1, const ChunkResults* results) {
  fill_repeats(stage, f0, f1);
  for (const ReduceStep& r : stage.reduces) acc_[r.reduction].pushed = 0;
  // Streaming overlaps with reading only if the two take turns often.
  int64_t step = stream_ ? kBlock : plan_.block;
  if (stage.only_reduces() && plan_.shape.columns) {
    step = kReduceLanes;
  } else if (plan_.shape.columns) {
    step = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(kBlock / tile_)));
    step = std::min(step, kReduceLanes);
  } else if (!plan_.shape.single) {
    step = std::max<int64_t>(f1 - f0, 1);
  }
  if (plan_.shape.bare) return reduce_bare_rows(stage, f1 - f0);
  if (plan_.shape.single && chunks_lie_in_memory(stage, f0, f1)) {
    reduce_chunks(stage, f0, f1, results);
    f0 = f1;
  }
  for (int64_t f = f0; f < f1; f += step) block(stage, f, std::min(step, f1 - f), results);
  if (results != nullptr) return;
  for (const ReduceStep& r : stage.reduces) finish(r);
}

void Runner::block(const Stage& stage, int64_t f, int64_t n, const ChunkResults* results) {
  const bool columns = plan_.shape.columns;
  const int64_t s0 = columns ? f : t0_, slows = columns ? n : tile_;
  const int64_t fast0 = columns ? t0_ : f, fasts = columns ? tile_ : n;
  const int64_t elements = slows * fasts;
  if (columns && stage.only_reduces()) {
    for (size_t i = 0; i < stage.reduces.size(); ++i) {
      reduce_bare_columns(stage.reduces[i], i, f, n, results);
    }
    return;
  }
  for (int s : stage.streams) {
    Window& w = window(slot(s).ref);
    now_[s] = w.direct(s0, slows, fast0, fasts);
    if (now_[s] != nullptr) continue;
    now_[s] = base_[s];
    w.gather(base_[s], s0, slows, fast0, fasts, copies(w.itemsize));
  }
  for (int s : stage.outs) {
    std::byte* to = window(first_store_ + slot(s).ref).direct(s0, slows, fast0, fasts);
    now_[s] = to != nullptr && !stream_ ? to : base_[s];
  }
  if (plan_.shape.keep && (columns || plan_.shape.single)) {
    const int64_t first = columns ? f * tile_ : f;
    for (size_t s = 0; s < plan_.slots.size(); ++s) {
      const Slot& sl = plan_.slots[s];
      if (sl.kind == SlotKind::Kept) now_[s] = base_[s] + first * sl.itemsize;
    }
  }
  for (const BlockStep& b : stage.steps) {
    const size_t i = static_cast<size_t>(b.index);
    if (b.kind == BlockStep::Compute) {
      run_instr(stage.compute[i], elements);
    } else if (b.kind == BlockStep::Store) {
      store_block(stage.stores[i], s0, slows, fast0, fasts);
    } else if (columns) {
      reduce_columns(stage.reduces[i], i, f, n, results);
    } else if (plan_.shape.single) {
      reduce_row(stage.reduces[i], i, f, n, results);
    } else {
      reduce_rows(stage.reduces[i], n);
    }
  }
}

void Runner::store_block(const StoreStep& s, int64_t s0, int64_t slows, int64_t f0, int64_t fasts) {
  Window& w = window(first_store_ + s.store);
  if (s.out >= 0 && now_[s.out] != base_[s.out]) return;  // computed in place
  if (stream_) {
    if (std::byte* to = w.direct(s0, slows, f0, fasts)) {
      return stream_copy(to, now_[s.from], static_cast<size_t>(slows * fasts) * w.itemsize);
    }
  }
  w.scatter(now_[s.from], s0, slows, f0, fasts, copies(w.itemsize));
}

/// Rows that are only reduced, all of a tile.
void Runner::reduce_bare_rows(const Stage& stage, int64_t n) {
  for (const ReduceStep& r : stage.reduces) {
    const Window& w = window(slot(r.operand).ref);
    std::byte* out = now_[r.result];
    if (const std::byte* x = w.direct(t0_, tile_, 0, n)) {
      r.lanes->rows(out, x, n, tile_);
      continue;
    }
    for (int64_t i = 0; i < tile_; ++i, out += w.itemsize) {
      r.lanes->rows(out, w.direct(t0_ + i, 1, 0, n), n, 1);
    }
  }
}

/// Whether reduce_chunks can do the stage.
bool Runner::chunks_lie_in_memory(const Stage& stage, int64_t f0, int64_t f1) {
  if (!stage.only_reduces()) return false;
  return std::all_of(stage.reduces.begin(), stage.reduces.end(), [&](const ReduceStep& r) {
    const Slot& s = slot(r.operand);
    return r.args == nullptr && s.kind == SlotKind::Stream &&
           window(s.ref).direct(t0_, 1, f0, f1 - f0) != nullptr;
  });
}

/// One long row that is only reduced, chunk by chunk where it lies.
void Runner::reduce_chunks(const Stage& stage, int64_t f0, int64_t f1,
                           const ChunkResults* results) {
  for (int64_t f = f0; f < f1; f += kReduceChunk) {
    for (size_t i = 0; i < stage.reduces.size(); ++i) {
      const ReduceStep& r = stage.reduces[i];
      const int64_t n = std::min(kReduceChunk, f1 - f);
      const std::byte* x = window(slot(r.operand).ref).direct(t0_, 1, f, n);
      r.lanes->rows(acc_[r.reduction].lanes, x, n, 1);
      end_chunk(r, i, f / kReduceChunk, results);
    }
  }
}

/// Several whole rows in one block, each of at most one chunk.
void Runner::reduce_rows(const ReduceStep& r, int64_t n) {
  const Accumulator& a = acc_[r.reduction];
  const std::byte* x = now_[r.operand];
  std::byte* out = now_[r.result];
  if (r.args == nullptr) {
    if (n > 0) r.lanes->rows(out, x, n, tile_);
    return;
  }
  for (int64_t row = 0; row < tile_; ++row, x += n * static_cast<int64_t>(itemsize(r.dtype))) {
    r.args->init(a.lanes, a.indices);
    r.args->step(a.lanes, a.indices, x, n, 0);
    r.args->fold(a.lanes, a.indices, std::min(n, kReduceLanes));
    std::memcpy(out + row * 8, a.indices, 8);
  }
}

void Runner::reduce_row(const ReduceStep& r, size_t number, int64_t f, int64_t n,
                        const ChunkResults* results) {
  Accumulator& a = acc_[r.reduction];
  const std::byte* x = now_[r.operand];
  if (r.args != nullptr) {
    if (f == 0) r.args->init(a.lanes, a.indices);
    r.args->step(a.lanes, a.indices, x, n, f);
    a.pushed += n;
    return;
  }
  const int64_t in_chunk = f % kReduceChunk;
  if (in_chunk == 0) r.lanes->init(a.lanes);
  r.lanes->step(a.lanes, x, n);
  if (in_chunk + n != kReduceChunk && f + n != inner_points_) return;
  r.lanes->fold(a.lanes, std::min(in_chunk + n, kReduceLanes));
  end_chunk(r, number, f / kReduceChunk, results);
}

void Runner::combine(const ReduceStep& r, std::byte* into, const std::byte* a, const std::byte* b,
                     int64_t n) const {
  r.combine({n, into, {a, b, nullptr}});
}

/// Row i of the block goes to lane row (f + i) mod 64; the block never wraps.
void Runner::reduce_columns(const ReduceStep& r, size_t number, int64_t f, int64_t rows,
                            const ChunkResults* results) {
  Accumulator& a = acc_[r.reduction];
  const int64_t item = static_cast<int64_t>(itemsize(r.dtype)), width = tile_ * item;
  const int64_t in_chunk = f % kReduceChunk;
  std::byte* lane = a.lanes + in_chunk % kReduceLanes * width;
  if (in_chunk < kReduceLanes) {
    std::memcpy(lane, now_[r.operand], static_cast<size_t>(rows * width));
  } else {
    combine(r, lane, lane, now_[r.operand], rows * tile_);
  }
  end_columns(r, number, f, rows, results);
}

/// The same on rows where they lie, at most 64 of them.
void Runner::reduce_bare_columns(const ReduceStep& r, size_t number, int64_t f, int64_t rows,
                                 const ChunkResults* results) {
  Accumulator& a = acc_[r.reduction];
  const int64_t item = static_cast<int64_t>(itemsize(r.dtype)), width = tile_ * item;
  const Slot& operand = slot(r.operand);
  std::byte* x = base_[r.operand];
  int64_t step = 0;  // bytes from row to row; rows that do not lie there are gathered one by one
  Window* scattered = nullptr;
  if (operand.kind == SlotKind::Stream) {
    Window& w = window(operand.ref);
    std::byte* lying = w.slow.count == 1 ? w.direct(f, 1, t0_, tile_) : nullptr;
    if (lying == nullptr) {
      scattered = &w;
    } else {
      x = lying;
      step = w.slow.strides[0] * item;
    }
  }
  const bool first = f % kReduceChunk < kReduceLanes;
  std::byte* lane = a.lanes;
  for (int64_t i = 0; i < rows; ++i, lane += width, x += step) {
    if (scattered != nullptr)
      scattered->gather(x, f + i, 1, t0_, tile_, copies(scattered->itemsize));
    if (first) {
      std::memcpy(lane, x, static_cast<size_t>(width));
    } else {
      combine(r, lane, lane, x, tile_);
    }
  }
  end_columns(r, number, f, rows, results);
}

void Runner::end_columns(const ReduceStep& r, size_t number, int64_t f, int64_t rows,
                         const ChunkResults* results) {
  Accumulator& a = acc_[r.reduction];
  const int64_t width = tile_ * static_cast<int64_t>(itemsize(r.dtype));
  const int64_t in_chunk = f % kReduceChunk;
  if (in_chunk + rows != kReduceChunk && f + rows != inner_points_) return;
  int64_t used = std::min(in_chunk + rows, kReduceLanes);
  for (int64_t half = kReduceLanes / 2; half > 0; half /= 2) {
    // Absent lanes are skipped.
    if (used <= half) continue;
    combine(r, a.lanes, a.lanes, a.lanes + half * width, (used - half) * tile_);
    used = half;
  }
  end_chunk(r, number, f / kReduceChunk, results);
}

void Runner::end_chunk(const ReduceStep& r, size_t number, int64_t chunk,
                       const ChunkResults* results) {
  Accumulator& a = acc_[r.reduction];
  if (results == nullptr) return push(r, a, a.lanes);
  std::memcpy(results->at(number, chunk), a.lanes, static_cast<size_t>(tile_) * itemsize(r.dtype));
}

/// A binary counter: entry l of the tree holds 2^l chunks while bit l of `pushed` is set.
void Runner::push(const ReduceStep& r, Accumulator& a, std::byte* value) {
  const size_t width = static_cast<size_t>(tile_) * itemsize(r.dtype);
  const size_t entry = round_up(static_cast<size_t>(plan_.shape.columns ? tile_cap_ : 1) * 8);
  int level = 0;
  for (; (a.pushed >> level & 1) != 0; ++level) {
    combine(r, value, a.tree + static_cast<size_t>(level) * entry, value, tile_);
  }
  std::memcpy(a.tree + static_cast<size_t>(level) * entry, value, width);
  ++a.pushed;
}

void Runner::finish(const ReduceStep& r) {
  Accumulator& a = acc_[r.reduction];
  std::byte* out = now_[r.result];
  if (r.args != nullptr) {
    if (!plan_.shape.single) return;
    int64_t best = 0;
    if (a.pushed > 0) {
      r.args->fold(a.lanes, a.indices, std::min(a.pushed, kReduceLanes));
      best = a.indices[0];
    }
    std::memcpy(out, &best, sizeof best);
    return;
  }
  if (!plan_.shape.single && !plan_.shape.columns) {
    if (inner_points_ == 0)
      repeat(out, reinterpret_cast<const std::byte*>(&r.empty), tile_, itemsize(r.dtype));
    return;
  }
  if (a.pushed == 0) {
    return repeat(out, reinterpret_cast<const std::byte*>(&r.empty), tile_, itemsize(r.dtype));
  }
  const size_t width = static_cast<size_t>(tile_) * itemsize(r.dtype);
  const size_t entry = round_up(static_cast<size_t>(plan_.shape.columns ? tile_cap_ : 1) * 8);
  int level = __builtin_ctzll(static_cast<uint64_t>(a.pushed));
  std::memcpy(out, a.tree + static_cast<size_t>(level) * entry, width);
  for (++level; a.pushed >> level != 0; ++level) {
    if ((a.pushed >> level & 1) == 0) continue;
    combine(r, out, a.tree + static_cast<size_t>(level) * entry, out, tile_);
  }
}

void Runner::fold_chunks(const Stage& stage, const ChunkResults& results) {
  for (size_t i = 0; i < stage.reduces.size(); ++i) {
    const ReduceStep& r = stage.reduces[i];
    Accumulator& a = acc_[r.reduction];
    a.pushed = 0;
    for (int64_t c = 0; c < results.chunks; ++c) push(r, a, results.at(i, c));
    finish(r);
  }
}

}  // namespace etch::runtime
