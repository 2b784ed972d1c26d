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
  for (int a = 0; a < plan_.inner; ++a)
    inner_points_ = b_.CreateMul(inner_points_, size(plan_.outer + a));
  int wide = options_.tier > 0 && plan_.nodes.size() <= 60 ? kSideBySide : 1;
  int64_t width = int64_t{wide} * lanes_;
  for (const auto& stage : plan_.stages) {
    for (uint32_t node : stage) {
      Acc a = make_acc(node);
      auto place = [&](DType t, int64_t entries) {
        return scratch_at(reserve(entries * width * static_cast<int64_t>(itemsize(t))));
      };
      a.lanes = {place(a.type, kLanes), a.arg ? place(DType::I64, kLanes) : nullptr, width};
      a.stack = {place(a.type, kStackHeight), a.arg ? place(DType::I64, kStackHeight) : nullptr,
                 width};
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
  Parts parts;
  for (const Acc& a : accs) {
    for (size_t u = 0; u < blocks.size(); ++u)
      parts.push_back({&a, static_cast<int64_t>(u) * lanes_, {}});
  }
  Value* n = inner_points_;
  if (accs.empty()) return column_inner(blocks, stage, accs, b_.getInt64(0), n);
  loop(b_.getInt64(0), n, kChunk, [&](Value* c) {
    Value* length =
        b_.CreateBinaryIntrinsic(Intrinsic::smin, b_.CreateSub(n, c), b_.getInt64(kChunk));
    Value* used = b_.CreateBinaryIntrinsic(Intrinsic::smin, length, b_.getInt64(kLanes));
    column_inner(blocks, stage, accs, c, b_.CreateAdd(c, length));
    fold_columns(parts, used);
    push_chunk(b_.CreateLShr(c, b_.getInt64(12)), parts, lanes_);
  });
  static_assert(kChunk == 1 << 12);
  merge_chunks(b_.CreateLShr(b_.CreateAdd(n, b_.getInt64(kChunk - 1)), b_.getInt64(12)), parts,
               lanes_);
  for (const Part& p : parts) {
    Frame& f = blocks[static_cast<size_t>(p.skip / lanes_)];
    Value* v = finish(*p.acc, p.pair, n);
    if (varies(f, p.acc->node))
      f.varying[p.acc->node] = v;
    else
      f.uniform[p.acc->node] = b_.CreateExtractElement(v, uint64_t{0});
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
           // The first of a lane meets the identity instead of what an earlier chunk left there.
           Value* first =
               b_.CreateICmpULT(b_.CreateAnd(flat, b_.getInt64(kChunk - 1)), b_.getInt64(kLanes));
           for (size_t u = 0; u < rows.size(); ++u) {
             Frame f = child(rows[u]);
             set_index(f, last, j);
             evaluate(f, roots);
             int64_t skip = static_cast<int64_t>(u) * lanes_;
             for (const Acc& a : accs) {
               Pair v{get(f, plan_.nodes[a.node].in[0]), nullptr};
               if (a.arg) v.index = splat(flat, lanes_);
               Pair before = load_pair(a, a.lanes, lane, skip, lanes_, nullptr);
               Pair none = identity(a, lanes_);
               before.value = b_.CreateSelect(first, none.value, before.value);
               if (a.arg) before.index = b_.CreateSelect(first, none.index, before.index);
               v = combine(a, before, v);
               store_pair(a, v, a.lanes, lane, skip, nullptr);
             }
             if (stage == plan_.store_stage) store_all(f, true);
           }
         });
       });
}

/// Folds lanes 32, 16, ..., 1 apart; lanes from `used` on are absent and skipped.
void Emitter::fold_columns(Parts& parts, Value* used) {
  Values left{used};
  loop(b_.getInt64(0), b_.getInt64(6), 1, left, [&](Value* i, const Values& state) {
    Value* half = b_.CreateLShr(b_.getInt64(kLanes / 2), i);
    loop(b_.getInt64(0), b_.CreateSub(state[0], half), 1, [&](Value* lane) {
      for (const Part& p : parts) {
        const Acc& a = *p.acc;
        Pair low = load_pair(a, a.lanes, lane, p.skip, lanes_, nullptr);
        Pair high = load_pair(a, a.lanes, b_.CreateAdd(lane, half), p.skip, lanes_, nullptr);
        store_pair(a, combine(a, low, high), a.lanes, lane, p.skip, nullptr);
      }
    });
    return Values{b_.CreateBinaryIntrinsic(Intrinsic::smin, state[0], half)};
  });
  for (Part& p : parts) {
    p.pair = load_pair(*p.acc, p.acc->lanes, b_.getInt64(0), p.skip, lanes_, nullptr);
  }
}

}  // namespace etch::codegen
