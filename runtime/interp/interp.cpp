#include "runtime/interp/interp.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "runtime/interp/runner.h"
#include "runtime/threads.h"

namespace etch::runtime {

using ir::loop::BoundKernel;
using ir::loop::Kernel;
using ir::loop::kReduceChunk;

namespace {

constexpr int64_t kShortRow = 256;        // rows up to this long share a block
constexpr int64_t kKeptElements = 32768;  // a kept value of a tile stays within L2
constexpr int64_t kBareElements = 32768;  // of a tile of rows that are only reduced
constexpr double kGrainCost = 200000;     // vector-element operations worth a thread's wake-up

int64_t product(std::span<const int64_t> sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

/// Columns when the inner axis jumps while the last outer axis is contiguous.
bool prefers_columns(const Kernel& k, const BoundKernel& b) {
  if (k.outer.empty()) return false;
  for (const ir::loop::Reduction& r : k.reductions) {
    if (r.kind == ir::ReduceKind::ArgMax || r.kind == ir::ReduceKind::ArgMin) return false;
  }
  const size_t axes = static_cast<size_t>(k.axes()), outer = k.outer.size();
  if (b.sizes[outer - 1] < 4) return false;
  int rows = 0, columns = 0;
  for (size_t a = 0; a < k.loads.size(); ++a) {
    std::span<const int64_t> s(b.strides.data() + a * axes, axes);
    bool inner = std::any_of(s.begin() + static_cast<std::ptrdiff_t>(outer), s.end(),
                             [](int64_t v) { return v != 0; });
    if (!inner) continue;
    rows += s[axes - 1] == 1;
    columns += s[outer - 1] == 1;
  }
  return columns > rows;
}

/// Whether all that happens at inner points is reducing loads whose rows are contiguous.
bool only_reduces_rows(const Kernel& k, const BoundKernel& b) {
  if (b.inner_points < 2 || b.inner_points > kReduceChunk) return false;
  for (const ir::loop::Store& s : k.stores) {
    if (s.inner) return false;
  }
  const size_t axes = static_cast<size_t>(k.axes()), outer = k.outer.size();
  for (const ir::ExprNode& n : k.exprs.nodes()) {
    if (n.op != ir::Prim::Reduce) continue;
    ir::ReduceKind kind = k.reductions[n.bits].kind;
    const ir::ExprNode& from = k.exprs.node(n.in[0]);
    if (kind == ir::ReduceKind::ArgMax || kind == ir::ReduceKind::ArgMin) return false;
    if (from.op != ir::Prim::Load) return false;
    AxisRange inner{b.sizes.data() + outer, b.strides.data() + from.bits * axes + outer,
                    static_cast<int>(axes - outer)};
    if (inner.linear_span(1) < b.inner_points) return false;
    // Sizes of one may leave a stride of nought, which the plan does not see as inner.
    if (k.loads[from.bits].strides.back().is(0)) return false;
  }
  return true;
}

Shape2 reduction_shape(const Kernel& k, const BoundKernel& b, bool apart) {
  Shape2 shape;
  shape.tile_axes = static_cast<int>(k.outer.size());
  shape.columns = prefers_columns(k, b);
  const int64_t n = b.inner_points;
  if (shape.columns) {
    shape.keep = n * kColumns <= kKeptElements * 2;
  } else {
    shape.bare = !apart && n != 0 && only_reduces_rows(k, b);
    shape.single = !shape.bare && (n > kShortRow || n == 0 || b.outer_points < 2);
    shape.keep = n <= kKeptElements;
  }
  if (apart) {
    shape.single = !shape.columns;
    shape.keep = false;
  }
  return shape;
}

/// Trailing axes make the rows of a pointwise kernel: all that stay short together, at least the
/// last.
Shape2 pointwise_shape(const Kernel& k, const BoundKernel& b) {
  Shape2 shape;
  int axes = static_cast<int>(k.outer.size());
  int64_t n = 1;
  shape.tile_axes = axes;
  while (shape.tile_axes > 0) {
    int64_t more = b.sizes[static_cast<size_t>(shape.tile_axes - 1)];
    if (shape.tile_axes < axes && n * more > kShortRow) break;
    n *= more;
    --shape.tile_axes;
  }
  int64_t rows = product({b.sizes.data(), static_cast<size_t>(shape.tile_axes)});
  shape.single = n > kShortRow || rows < 2;
  return shape;
}

}  // namespace

/// Plans by instruction set and way of walking, made when first needed.
struct Block::Plans {
  static constexpr size_t kShapes = 2 * (kMaxRank * 2 + 1) + 16;
  std::mutex mutex;
  std::atomic<const BlockPlan*> made[kIsaCount][kShapes] = {};
  std::vector<std::unique_ptr<BlockPlan>> owned;

  const BlockPlan& get(const Kernel& k, Shape2 s) {
    Isa isa = active_isa();
    size_t at = k.reductions.empty()
                    ? 16 + static_cast<size_t>(s.tile_axes) * 2 + s.single
                    : static_cast<size_t>(s.columns) * 8 + s.bare * 4u + s.single * 2u + s.keep;
    std::atomic<const BlockPlan*>& slot = made[static_cast<size_t>(isa)][at];
    if (const BlockPlan* p = slot.load(std::memory_order_acquire)) return *p;
    std::scoped_lock lock(mutex);
    if (const BlockPlan* p = slot.load(std::memory_order_acquire)) return *p;
    owned.push_back(std::make_unique<BlockPlan>(make_block_plan(k, s, isa)));
    slot.store(owned.back().get(), std::memory_order_release);
    return *owned.back();
  }
};

Block::Block(Kernel kernel) : kernel_(std::move(kernel)), plans_(std::make_unique<Plans>()) {}
Block::~Block() = default;

namespace {

/// Rows of a pointwise kernel: points [begin, end) may start and end inside a row.
void run_pointwise(Runner& r, const BlockPlan& plan, const BoundKernel& b, int64_t begin,
                   int64_t end) {
  const size_t tile_axes = static_cast<size_t>(plan.shape.tile_axes);
  const int64_t n = product(std::span<const int64_t>(b.sizes).subspan(tile_axes));
  const int64_t together = plan.shape.single ? 1 : plan.block / n;
  while (begin < end) {
    int64_t row = begin / n, from = begin - row * n;
    if (from != 0 || end - begin < n) {
      int64_t to = std::min(n, from + (end - begin));
      r.run_tile(row, 1, from, to);
      begin += to - from;
    } else {
      int64_t rows = std::min(together, (end - begin) / n);
      r.run_tile(row, rows, 0, n);
      begin += rows * n;
    }
  }
}

/// Outer points per tile.
int64_t tile_points(const BlockPlan& plan, const BoundKernel& b) {
  if (plan.shape.columns) return kColumns;
  if (plan.shape.bare) return std::clamp<int64_t>(kBareElements / b.inner_points, 1, plan.block);
  return plan.shape.single ? 1 : plan.block / b.inner_points;
}

/// One tile at a time, its chunks spread over the pool. Same bits: chunk results fold by index.
void run_chunks(const BlockPlan& plan, const Kernel& k, const BoundKernel& b,
                void* const* buffers) {
  WorkspaceScope scope, results_scope;
  Runner main(plan, k, b, buffers, *scope);
  const int64_t chunks = (b.inner_points + kReduceChunk - 1) / kReduceChunk;
  size_t most = 0;
  for (const Stage& s : plan.stages) most = std::max(most, s.reduces.size());
  ChunkResults results;
  results.tile = tile_points(plan, b);
  results.chunks = chunks;
  results.data = static_cast<std::byte*>(
      (*results_scope).scratch.get(most * static_cast<size_t>(chunks * results.tile) * 8 + 8));
  double cost = plan.cost * static_cast<double>(kReduceChunk * results.tile);
  int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kGrainCost / cost));
  const Isa isa = plan.isa;
  for (int64_t t = 0; t < b.outer_points; t += results.tile) {
    const int64_t n = std::min(results.tile, b.outer_points - t);
    main.begin_tile(t, n);
    for (const Stage& stage : plan.stages) {
      main.tile_phase(stage);
      if (!stage.has_blocks()) continue;
      parallel_for(chunks, grain, [&](int64_t c0, int64_t c1) {
        IsaOverride same(isa);
        WorkspaceScope own;
        Runner worker(plan, k, b, buffers, *own);
        worker.begin_tile(t, n);
        worker.copy_tile_values(main);
        worker.blocks(stage, c0 * kReduceChunk, std::min(c1 * kReduceChunk, b.inner_points),
                      &results);
      });
      main.fold_chunks(stage, results);
    }
  }
}

bool has_arg(const Kernel& k) {
  return std::any_of(k.reductions.begin(), k.reductions.end(), [](const ir::loop::Reduction& r) {
    return r.kind == ir::ReduceKind::ArgMax || r.kind == ir::ReduceKind::ArgMin;
  });
}

}  // namespace

void Block::run(const BoundKernel& b, void* const* buffers, int64_t begin, int64_t end) const {
  if (begin >= end) return;
  const bool pointwise = kernel_.reductions.empty();
  Shape2 shape = pointwise ? pointwise_shape(kernel_, b) : reduction_shape(kernel_, b, false);
  const BlockPlan& plan = plans_->get(kernel_, shape);
  WorkspaceScope scope;
  Runner r(plan, kernel_, b, buffers, *scope);
  if (pointwise) return run_pointwise(r, plan, b, begin, end);
  const int64_t tile = tile_points(plan, b);
  for (int64_t t = begin; t < end; t += tile)
    r.run_tile(t, std::min(tile, end - t), 0, b.inner_points);
}

void Block::run_parallel(const BoundKernel& b, void* const* buffers) const {
  if (b.outer_points == 0) return;
  const bool pointwise = kernel_.reductions.empty();
  Shape2 shape = pointwise ? pointwise_shape(kernel_, b) : reduction_shape(kernel_, b, false);
  const BlockPlan& plan = plans_->get(kernel_, shape);
  const double point = (plan.cost + 1) * static_cast<double>(std::max<int64_t>(b.inner_points, 1));
  const double total = point * static_cast<double>(b.outer_points);
  const int threads = num_threads();
  if (threads == 1 || in_parallel_region() || total < 2 * kGrainCost) {
    return run(b, buffers, 0, b.outer_points);
  }
  const int64_t tile = pointwise ? 1 : tile_points(plan, b);
  const int64_t tiles = (b.outer_points + tile - 1) / tile;
  if (!pointwise && tiles < 2 * threads && b.inner_points >= 2 * kReduceChunk &&
      !has_arg(kernel_)) {
    return run_chunks(plans_->get(kernel_, reduction_shape(kernel_, b, true)), kernel_, b, buffers);
  }
  // Whole tiles; pointwise work in pieces of whole rows where rows are short.
  int64_t unit = tile;
  if (pointwise) {
    int64_t n =
        product(std::span<const int64_t>(b.sizes).subspan(static_cast<size_t>(shape.tile_axes)));
    unit = shape.single ? plan.block : plan.block / n * n;
  }
  const int64_t units = (b.outer_points + unit - 1) / unit;
  int64_t grain =
      std::max<int64_t>(1, static_cast<int64_t>(kGrainCost / (point * static_cast<double>(unit))));
  const Isa isa = plan.isa;
  parallel_for(units, grain, [&](int64_t u0, int64_t u1) {
    IsaOverride same(isa);
    run(b, buffers, u0 * unit, std::min(u1 * unit, b.outer_points));
  });
}

}  // namespace etch::runtime
