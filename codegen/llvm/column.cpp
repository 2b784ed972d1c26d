// Kernels that reduce over strided axes while an outer axis is contiguous: vectors along that outer
// axis, inner points in order. The 64 canonical lanes of every column lie in scratch memory.
#include <llvm/IR/Intrinsics.h>

#include "codegen/llvm/emitter.h"

namespace etch::codegen {

using namespace llvm;

namespace {

constexpr int64_t kLanes = ir::loop::kReduceLanes;
constexpr int64_t kChunk = ir::loop::kReduceChunk;
constexpr int64_t kStackHeight = 56;
// Vectors side by side: full cache lines of several rows in flight, accumulators still in L1.
constexpr int kSideBySide = 4;

}  // namespace

void Emitter::emit_column() {
  inner_points_ = b_.getInt64(1);
  for (int a = 0; a < plan_.inner; ++a) inner_points_ = b_.CreateMul(inner_points_, size(plan_.outer + a));
  int wide = options_.tier > 0 && plan_.nodes.size() <= 60 ? kSideBySide : 1;
  int64_t width = int64_t{wide} * lanes_;
  for (const auto& stage : plan_.stages) {
    for (uint32_t node : stage) {
      Acc a = make_acc(node);
      auto place = [&](DType t, int64_t entries) {
        return scratch_at(reserve(entries * width * static_cast<int64_t>(itemsize(t))));
      };
      a.lanes = {place(a.type, kLanes), a.arg ? place(DType::I64, kLanes) : nullptr, width};
      a.stack = {place(a.type, kStackHeight), a.arg ? place(DType::I64, kStackHeight) : nullptr, width};
      row_accs_[node] = a;
    }
  }
  Frame top = root();
  walk(top, 0, plan_.outer, begin(), end(), [&](Frame& stretch, Value*, Value* j0, Value* j1) {
    Value* middle = j0;
    if (wide > 1) {
      Value* full = b_.CreateAnd(b_.CreateSub(j1, j0), b_.getInt64(static_cast<uint64_t>(-width)));
      middle = b_.CreateAdd(j0, full);
      loop(j0, middle, width, [&](Value* j) { emit_column_block(stretch, j, wide, nullptr); });
    }
    loop(middle, j1, lanes_, [&](Value* j) {
      emit_column_block(stretch, j, 1, tail_mask(b_.CreateSub(j1, j), lanes_));
    });
  });
}

void Emitter::emit_column_block(const Frame& stretch, Value* j, int unroll, Value* mask) {
  Blocks blocks;
  for (int u = 0; u < unroll; ++u) {
    blocks.push_back(child(stretch));
    Value* at = b_.CreateAdd(j, b_.getInt64(static_cast<uint64_t>(u * lanes_)));
    vectorize(blocks.back(), plan_.outer - 1, at, lanes_, mask);
    fold(blocks.back(), plan_.outer - 1);
  }
  for (int s = 0; s < stage_count(); ++s) column_stage(blocks, s);
  std::vector<uint32_t> roots;
  for (const PlanStore& s : plan_.stores) {
    if (!s.inner) roots.push_back(s.value);
  }
  for (Frame& f : blocks) {
    evaluate(f, roots);
    store_all(f, false);
  }
}

void Emitter::column_stage(Blocks& blocks, int stage) {
  std::vector<uint32_t> roots = stage_roots(stage);
  std::vector<Acc> accs;
  if (stage < static_cast<int>(plan_.stages.size())) {
    for (uint32_t node : plan_.stages[static_cast<size_t>(stage)]) accs.push_back(row_accs_[node]);
  }
  if (roots.empty()) return;
  for (Frame& f : blocks) evaluate(f, roots, plan_.outer_mask(), lanes_);
  Value* n = inner_points_;
  if (accs.empty()) return column_inner(blocks, stage, accs, b_.getInt64(0), n);
  loop(b_.getInt64(0), n, kChunk, [&](Value* c) {
    Value* length = b_.CreateBinaryIntrinsic(Intrinsic::smin, b_.CreateSub(n, c), b_.getInt64(kChunk));
    Value* used = b_.CreateBinaryIntrinsic(Intrinsic::smin, length, b_.getInt64(kLanes));
    loop(b_.getInt64(0), used, 1, [&](Value* lane) {
      for (const Acc& a : accs) {
        for (size_t u = 0; u < blocks.size(); ++u) {
          store_pair(a, identity(a, lanes_), a.lanes, lane, static_cast<int64_t>(u) * lanes_, nullptr);
        }
      }
    });
    column_inner(blocks, stage, accs, c, b_.CreateAdd(c, length));
    Value* number = b_.CreateLShr(c, b_.getInt64(12));
    for (const Acc& a : accs) {
      for (size_t u = 0; u < blocks.size(); ++u) {
        int64_t skip = static_cast<int64_t>(u) * lanes_;
        push_chunk(a, number, fold_column(a, used, skip), skip, lanes_);
      }
    }
  });
  static_assert(kChunk == 1 << 12);
  Value* chunks = b_.CreateLShr(b_.CreateAdd(n, b_.getInt64(kChunk - 1)), b_.getInt64(12));
  for (const Acc& a : accs) {
    for (size_t u = 0; u < blocks.size(); ++u) {
      Frame& f = blocks[u];
      Value* v = finish(a, merge_chunks(a, chunks, static_cast<int64_t>(u) * lanes_, lanes_), n);
      if (varies(f, a.node)) f.varying[a.node] = v;
      else f.uniform[a.node] = b_.CreateExtractElement(v, uint64_t{0});
    }
  }
}

void Emitter::column_inner(Blocks& blocks, int stage, const std::vector<Acc>& accs, Value* from,
                           Value* to) {
  std::vector<uint32_t> roots = stage_roots(stage);
  int last = plan_.outer + plan_.inner - 1;
  walk(*blocks[0].parent, plan_.outer, plan_.inner, from, to,
       [&](Frame& stretch, Value* p, Value* j0, Value* j1) {
    Blocks rows;
    for (Frame& block : blocks) {
      rows.push_back(child(block));
      for (int a = plan_.outer; a < last; ++a) {
        set_index(rows.back(), a, stretch.index[static_cast<size_t>(a)]);
        fold(rows.back(), a);
      }
    }
    Value* start = b_.CreateSub(p, j0);
    loop(j0, j1, 1, [&](Value* j) {
      Value* flat = b_.CreateAdd(start, j);
      // Chunks begin at multiples of 4096, so the flat number gives the lane.
      Value* lane = b_.CreateAnd(flat, b_.getInt64(kLanes - 1));
      for (size_t u = 0; u < rows.size(); ++u) {
        Frame f = child(rows[u]);
        set_index(f, last, j);
        evaluate(f, roots);
        int64_t skip = static_cast<int64_t>(u) * lanes_;
        for (const Acc& a : accs) {
          Pair v{get(f, plan_.nodes[a.node].in[0]), nullptr};
          if (a.arg) v.index = splat(flat, lanes_);
          v = combine(a, load_pair(a, a.lanes, lane, skip, lanes_, nullptr), v);
          store_pair(a, v, a.lanes, lane, skip, nullptr);
        }
        if (stage == plan_.store_stage) store_all(f, true);
      }
    });
  });
}

/// Folds lanes 32, 16, ..., 1 apart; lanes from `used` on are absent and skipped.
Emitter::Pair Emitter::fold_column(const Acc& a, Value* used, int64_t skip) {
  Value* left = used;
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    Value* step = b_.getInt64(static_cast<uint64_t>(half));
    loop(b_.getInt64(0), b_.CreateSub(left, step), 1, [&](Value* lane) {
      Pair low = load_pair(a, a.lanes, lane, skip, lanes_, nullptr);
      Pair high = load_pair(a, a.lanes, b_.CreateAdd(lane, step), skip, lanes_, nullptr);
      store_pair(a, combine(a, low, high), a.lanes, lane, skip, nullptr);
    });
    left = b_.CreateBinaryIntrinsic(Intrinsic::smin, left, step);
  }
  return load_pair(a, a.lanes, b_.getInt64(0), skip, lanes_, nullptr);
}

}  // namespace etch::codegen
