// Kernels that reduce contiguous rows: one outer point after another, vectors along the last inner
// axis. Each stage is one pass over the row; it computes the reductions of one depth.
#include <llvm/IR/Intrinsics.h>

#include "codegen/llvm/emitter.h"

namespace etch::codegen {

using namespace llvm;

namespace {

constexpr int64_t kLanes = ir::loop::kReduceLanes;
constexpr int64_t kChunk = ir::loop::kReduceChunk;
constexpr int64_t kStackHeight = 56;  // log2 of the largest number of chunks, and one more
// Longer bodies are not copied once per accumulator: their loop keeps accumulators in memory.
constexpr size_t kShortBody = 12;

}  // namespace

void Emitter::prepare_row() {
  inner_points_ = b_.getInt64(1);
  for (int a = 0; a < plan_.inner; ++a)
    inner_points_ = b_.CreateMul(inner_points_, size(plan_.outer + a));
  for (const auto& stage : plan_.stages) {
    for (uint32_t node : stage) {
      Acc a = make_acc(node);
      a.lanes.values = slots(a.type, kLanes, "lanes");
      a.stack.values = slots(a.type, kStackHeight, "stack");
      if (a.arg) a.lanes.indices = slots(DType::I64, kLanes, "lane_indices");
      if (a.arg) a.stack.indices = slots(DType::I64, kStackHeight, "stack_indices");
      if (plan_.inner > 1) {
        a.buffer = scratch_at(reserve(kChunk * static_cast<int64_t>(itemsize(a.type))));
      }
      row_accs_[node] = a;
    }
  }
  kept_done_.assign(plan_.kept.size(), false);
  for (uint32_t id : plan_.kept) {
    info_.scratch_per_inner += static_cast<int64_t>(itemsize(plan_.nodes[id].dtype));
  }
}

void Emitter::emit_row() {
  prepare_row();
  Frame top = root();
  if (plan_.outer == 0) {
    when(b_.CreateICmpSLT(begin(), end()), [&] {
      Frame point = child(top);
      emit_row_point(point);
    });
    return;
  }
  walk(top, 0, plan_.outer, begin(), end(), [&](Frame& stretch, Value*, Value* j0, Value* j1) {
    loop(j0, j1, 1, [&](Value* j) {
      Frame point = child(stretch);
      set_index(point, plan_.outer - 1, j);
      fold(point, plan_.outer - 1);
      emit_row_point(point);
    });
  });
}

void Emitter::emit_row_point(Frame& point) {
  for (int s = 0; s < stage_count(); ++s) row_stage(point, s);
  std::vector<uint32_t> roots;
  for (const PlanStore& s : plan_.stores) {
    if (!s.inner) roots.push_back(s.value);
  }
  evaluate(point, roots);
  store_all(point, false);
}

Value* Emitter::kept_at(size_t i, Value* flat) {
  int64_t before = 0;
  for (size_t k = 0; k < i; ++k)
    before += static_cast<int64_t>(itemsize(plan_.nodes[plan_.kept[k]].dtype));
  Value* start = b_.CreateMul(inner_points_, b_.getInt64(static_cast<uint64_t>(before)));
  start = b_.CreateAdd(start, b_.getInt64(static_cast<uint64_t>(info_.scratch_fixed)));
  Value* base = b_.CreateGEP(b_.getInt8Ty(), field(kScratch), start);
  return element(plan_.nodes[plan_.kept[i]].dtype, base, flat);
}

/// Computes one vector of the stage: stores what it stores and returns the reductions' operands.
std::vector<Emitter::Pair> Emitter::row_values(const Frame& stretch, int stage, Value* j,
                                               Value* flat, Value* mask,
                                               const std::vector<Acc>& accs) {
  Frame f = child(stretch);
  vectorize(f, plan_.outer + plan_.inner - 1, j, lanes_, mask);
  std::vector<uint32_t> roots = stage_roots(stage);
  for (size_t i = 0; i < plan_.kept.size(); ++i) {
    uint32_t id = plan_.kept[i];
    if (!kept_done_[i]) continue;
    Value* v = load_memory(plan_.nodes[id].dtype, kept_at(i, flat), lanes_, mask);
    (varies(f, id) ? f.varying : f.splat)[id] = v;
  }
  evaluate(f, roots);
  for (size_t i = 0; i < plan_.kept.size(); ++i) {
    uint32_t id = plan_.kept[i];
    if (kept_done_[i] || find(f, id) == nullptr) continue;
    store_memory(plan_.nodes[id].dtype, get(f, id), kept_at(i, flat), mask);
  }
  std::vector<Pair> out;
  for (const Acc& a : accs) {
    Pair p{get(f, plan_.nodes[a.node].in[0]), nullptr};
    if (a.arg) p.index = b_.CreateAdd(splat(flat, lanes_), lane_numbers(lanes_));
    out.push_back(p);
  }
  if (stage == plan_.store_stage) store_all(f, true);
  return out;
}

void Emitter::row_loop(Value* p, Value* j0, Value* j1, AtElements body) {
  int copies = options_.tier > 0 && plan_.nodes.size() <= 24 ? 2 : 1;
  int64_t step = int64_t{lanes_} * copies;
  Value* start = b_.CreateSub(p, j0);
  Value* full = b_.CreateAnd(b_.CreateSub(j1, j0), b_.getInt64(static_cast<uint64_t>(-step)));
  Value* middle = b_.CreateAdd(j0, full);
  if (options_.tier == 0)
    middle = j0;
  else
    loop(j0, middle, step, [&](Value* j) {
      for (int u = 0; u < copies; ++u) {
        Value* at = b_.CreateAdd(j, b_.getInt64(static_cast<uint64_t>(u * lanes_)));
        body(at, b_.CreateAdd(start, at), nullptr);
      }
    });
  loop(middle, j1, lanes_,
       [&](Value* j) { body(j, b_.CreateAdd(start, j), tail_mask(b_.CreateSub(j1, j), lanes_)); });
}

void Emitter::row_stage(Frame& point, int stage) {
  std::vector<uint32_t> roots = stage_roots(stage);
  std::vector<Acc> accs;
  if (stage < static_cast<int>(plan_.stages.size())) {
    for (uint32_t node : plan_.stages[static_cast<size_t>(stage)]) accs.push_back(row_accs_[node]);
  }
  if (roots.empty()) return;
  evaluate(point, roots, plan_.outer_mask(), lanes_);
  if (!accs.empty()) {
    reduce_row(point, stage, std::move(accs));
  } else {
    walk(point, plan_.outer, plan_.inner, b_.getInt64(0), inner_points_,
         [&](Frame& f, Value* p, Value* j0, Value* j1) {
           row_loop(p, j0, j1, [&](Value* j, Value* flat, Value* mask) {
             row_values(f, stage, j, flat, mask, {});
           });
         });
  }
  std::vector<bool> reached(plan_.nodes.size(), false);
  for (uint32_t r : roots) reached[r] = true;
  for (size_t id = reached.size(); id-- > 0;) {
    if (!reached[id] || plan_.nodes[id].op == ir::Prim::Reduce) continue;
    for (int i = 0; i < ir::arity(plan_.nodes[id].op); ++i) reached[plan_.nodes[id].in[i]] = true;
  }
  for (size_t i = 0; i < plan_.kept.size(); ++i)
    kept_done_[i] = kept_done_[i] || reached[plan_.kept[i]];
}

void Emitter::reduce_row(Frame& point, int stage, std::vector<Acc> accs) {
  Value* n = inner_points_;
  Parts parts;
  for (const Acc& a : accs) parts.push_back({&a, 0, {}});
  bool short_body = plan_.inner > 1 || stage_size(stage) <= kShortBody;
  loop(b_.getInt64(0), n, kChunk, [&](Value* c) {
    Value* length = b_.CreateBinaryIntrinsic(Intrinsic::smin, b_.CreateSub(n, c),
                                             b_.getInt64(static_cast<uint64_t>(kChunk)));
    std::vector<Pair> results;
    if (plan_.inner == 1) {
      Frame f = child(point);
      results = reduce_chunk(accs, length, short_body, [&](Value* i, Value* mask) {
        Value* at = b_.CreateAdd(c, i);
        return row_values(f, stage, at, at, mask, accs);
      });
    } else {
      // Lanes follow the flat numbering, stretches do not: values pass through a buffer.
      Value* chunk_end = b_.CreateAdd(c, length);
      walk(point, plan_.outer, plan_.inner, c, chunk_end,
           [&](Frame& f, Value* p, Value* j0, Value* j1) {
             row_loop(p, j0, j1, [&](Value* j, Value* flat, Value* mask) {
               std::vector<Pair> v = row_values(f, stage, j, flat, mask, accs);
               Value* at = b_.CreateSub(flat, c);
               for (size_t k = 0; k < accs.size(); ++k) {
                 store_memory(accs[k].type, v[k].value, element(accs[k].type, accs[k].buffer, at),
                              mask);
               }
             });
           });
      results = reduce_chunk(accs, length, short_body, [&](Value* i, Value* mask) {
        std::vector<Pair> out;
        for (const Acc& a : accs) {
          Pair p{load_memory(a.type, element(a.type, a.buffer, i), lanes_, mask), nullptr};
          if (a.arg)
            p.index = b_.CreateAdd(splat(b_.CreateAdd(c, i), lanes_), lane_numbers(lanes_));
          out.push_back(p);
        }
        return out;
      });
    }
    for (size_t k = 0; k < accs.size(); ++k) parts[k].pair = results[k];
    push_chunk(b_.CreateLShr(c, b_.getInt64(12)), parts, 1);
  });
  static_assert(kChunk == 1 << 12);
  merge_chunks(b_.CreateLShr(b_.CreateAdd(n, b_.getInt64(kChunk - 1)), b_.getInt64(12)), parts, 1);
  for (const Part& p : parts) point.uniform[p.acc->node] = finish(*p.acc, p.pair, n);
}

/// Inner operations that one pass of the stage computes.
size_t Emitter::stage_size(int stage) const {
  std::vector<bool> need(plan_.nodes.size(), false);
  for (uint32_t r : stage_roots(stage)) need[r] = true;
  size_t count = 0;
  for (size_t id = need.size(); id-- > 0;) {
    const ir::ExprNode& n = plan_.nodes[id];
    if (!need[id] || !plan_.is_inner(static_cast<uint32_t>(id))) continue;
    ++count;
    for (int i = 0; i < ir::arity(n.op); ++i) need[n.in[i]] = true;
  }
  return count;
}

/// The canonical reduction of one chunk. Whole blocks of 64 elements keep their accumulators in
/// registers; the rest goes through memory, vector by vector, so that short rows do no idle work.
std::vector<Emitter::Pair> Emitter::reduce_chunk(const std::vector<Acc>& accs, Value* length,
                                                 bool short_body, Operands operands) {
  int vectors = static_cast<int>(kLanes) / lanes_;
  Values start;
  for (const Acc& a : accs) {
    Pair none = identity(a, lanes_);
    for (int k = 0; k < vectors; ++k) {
      start.push_back(none.value);
      if (a.arg) start.push_back(none.index);
    }
  }
  Value* full = b_.getInt64(0);
  if (options_.tier > 0 && short_body) {
    full = b_.CreateAnd(length, b_.getInt64(static_cast<uint64_t>(-kLanes)));
    start = loop(b_.getInt64(0), full, kLanes, start, [&](Value* i, const Values& state) {
      Values next(state.size());
      for (int k = 0; k < vectors; ++k) {
        std::vector<Pair> v =
            operands(b_.CreateAdd(i, b_.getInt64(static_cast<uint64_t>(k * lanes_))), nullptr);
        size_t at = 0;
        for (size_t r = 0; r < accs.size(); ++r) {
          size_t per = accs[r].arg ? 2 : 1;
          size_t mine = at + static_cast<size_t>(k) * per;
          Pair p = combine(accs[r], {state[mine], per == 2 ? state[mine + 1] : nullptr}, v[r]);
          next[mine] = p.value;
          if (per == 2) next[mine + 1] = p.index;
          at += per * static_cast<size_t>(vectors);
        }
      }
      return next;
    });
  }
  size_t at = 0;
  for (const Acc& a : accs) {
    for (int k = 0; k < vectors; ++k) {
      Pair p{start[at++], nullptr};
      if (a.arg) p.index = start[at++];
      store_pair(a, p, a.lanes, b_.getInt64(0), k * lanes_, nullptr);
    }
  }
  auto through_memory = [&](Value* i, Value* mask) {
    std::vector<Pair> v = operands(i, mask);
    Value* slot = b_.CreateAnd(i, b_.getInt64(kLanes - 1));
    for (size_t r = 0; r < accs.size(); ++r) {
      Pair p = v[r], none = identity(accs[r], lanes_);
      if (mask != nullptr) p.value = b_.CreateSelect(mask, p.value, none.value);
      if (mask != nullptr && accs[r].arg) p.index = b_.CreateSelect(mask, p.index, none.index);
      p = combine(accs[r], load_pair(accs[r], accs[r].lanes, slot, 0, lanes_, nullptr), p);
      store_pair(accs[r], p, accs[r].lanes, slot, 0, nullptr);
    }
  };
  if (options_.tier > 0 && !short_body) {
    int64_t step = 2 * int64_t{lanes_};
    full = b_.CreateAnd(length, b_.getInt64(static_cast<uint64_t>(-step)));
    loop(b_.getInt64(0), full, step, [&](Value* i) {
      through_memory(i, nullptr);
      through_memory(b_.CreateAdd(i, b_.getInt64(static_cast<uint64_t>(lanes_))), nullptr);
    });
  }
  loop(full, length, lanes_,
       [&](Value* i) { through_memory(i, tail_mask(b_.CreateSub(length, i), lanes_)); });
  std::vector<Pair> out;
  for (const Acc& a : accs) out.push_back(fold_lanes(a));
  return out;
}

Emitter::Pair Emitter::fold_lanes(const Acc& a) {
  std::vector<Pair> v;
  for (int k = 0; k < kLanes / lanes_; ++k) {
    v.push_back(load_pair(a, a.lanes, b_.getInt64(0), k * lanes_, lanes_, nullptr));
  }
  for (size_t half = v.size() / 2; half > 0; half /= 2) {
    for (size_t k = 0; k < half; ++k) v[k] = combine(a, v[k], v[k + half]);
  }
  Pair r = v[0];
  auto part = [&](Value* x, int first, int count) {
    SmallVector<int, 64> mask;
    for (int i = 0; i < count; ++i) mask.push_back(first + i);
    return b_.CreateShuffleVector(x, mask);
  };
  for (int half = lanes_ / 2; half > 0; half /= 2) {
    Pair low{part(r.value, 0, half), a.arg ? part(r.index, 0, half) : nullptr};
    Pair high{part(r.value, half, half), a.arg ? part(r.index, half, half) : nullptr};
    r = combine(a, low, high);
  }
  r.value = b_.CreateExtractElement(r.value, uint64_t{0});
  if (a.arg) r.index = b_.CreateExtractElement(r.index, uint64_t{0});
  return r;
}

}  // namespace etch::codegen
