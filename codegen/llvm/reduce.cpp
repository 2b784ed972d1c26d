// Accumulators, and the balanced tree over chunks.
#include <llvm/IR/Intrinsics.h>

#include "codegen/llvm/emitter.h"

namespace etch::codegen {

using namespace llvm;
using ir::ReduceKind;

int64_t Emitter::reserve(int64_t bytes) {
  int64_t at = info_.scratch_fixed;
  info_.scratch_fixed += (bytes + 63) / 64 * 64;
  return at;
}

Emitter::Acc Emitter::make_acc(uint32_t node) {
  const ir::ExprNode& n = plan_.nodes[node];
  Acc a;
  a.node = node;
  a.kind = plan_.reductions[n.bits];
  a.type = plan_.nodes[n.in[0]].dtype;
  a.arg = a.kind == ReduceKind::ArgMax || a.kind == ReduceKind::ArgMin;
  return a;
}

Emitter::Pair Emitter::identity(const Acc& a, int lanes) {
  Pair p{reduce_identity(b_, a.kind, a.type, lanes), nullptr};
  if (a.arg) p.index = literal(b_, DType::I64, lanes, static_cast<uint64_t>(INT64_MAX));
  return p;
}

/// The extreme one; a NaN is more extreme than any number; of equals the first.
Emitter::Pair Emitter::combine(const Acc& a, Pair l, Pair r) {
  if (!a.arg) return {reduce_combine(b_, a.kind, a.type, l.value, r.value), nullptr};
  bool largest = a.kind == ReduceKind::ArgMax;
  Value *better, *equal;
  if (is_float(a.type)) {
    Value* l_nan = b_.CreateFCmpUNO(l.value, l.value);
    Value* r_nan = b_.CreateFCmpUNO(r.value, r.value);
    better = largest ? b_.CreateFCmpOGT(r.value, l.value) : b_.CreateFCmpOLT(r.value, l.value);
    better = b_.CreateOr(better, b_.CreateAnd(r_nan, b_.CreateNot(l_nan)));
    equal = b_.CreateOr(b_.CreateFCmpOEQ(l.value, r.value), b_.CreateAnd(l_nan, r_nan));
  } else {
    bool sign = is_signed_int(a.type);
    Value* x = largest ? r.value : l.value;
    Value* y = largest ? l.value : r.value;
    better = sign ? b_.CreateICmpSGT(x, y) : b_.CreateICmpUGT(x, y);
    equal = b_.CreateICmpEQ(l.value, r.value);
  }
  better = b_.CreateOr(better, b_.CreateAnd(equal, b_.CreateICmpSLT(r.index, l.index)));
  return {b_.CreateSelect(better, r.value, l.value), b_.CreateSelect(better, r.index, l.index)};
}

Emitter::Pair Emitter::load_pair(const Acc& a, const Slots& s, Value* entry, int64_t skip,
                                 int lanes, Value* mask) {
  Value* at = b_.CreateMul(entry, b_.getInt64(static_cast<uint64_t>(s.width)));
  at = b_.CreateAdd(at, b_.getInt64(static_cast<uint64_t>(skip)));
  Pair p{load_memory(a.type, element(a.type, s.values, at), lanes, mask), nullptr};
  if (a.arg) p.index = load_memory(DType::I64, element(DType::I64, s.indices, at), lanes, mask);
  return p;
}

void Emitter::store_pair(const Acc& a, Pair v, const Slots& s, Value* entry, int64_t skip,
                         Value* mask) {
  Value* at = b_.CreateMul(entry, b_.getInt64(static_cast<uint64_t>(s.width)));
  at = b_.CreateAdd(at, b_.getInt64(static_cast<uint64_t>(skip)));
  store_memory(a.type, v.value, element(a.type, s.values, at), mask);
  if (a.arg) store_memory(DType::I64, v.index, element(DType::I64, s.indices, at), mask);
}

Value* Emitter::finish(const Acc& a, Pair v, Value* count) {
  Value* r = a.arg ? v.index : v.value;
  if (a.kind == ReduceKind::Sum && is_float(a.type)) {
    Value* empty = b_.CreateICmpEQ(count, b_.getInt64(0));
    r = b_.CreateSelect(empty, Constant::getNullValue(r->getType()), r);
  }
  DType from = a.arg ? DType::I64 : a.type, to = plan_.nodes[a.node].dtype;
  return from == to ? r : emit_prim(b_, ir::Prim::Cast, from, to, {r});
}

void Emitter::merge_down(Value* top, Value* steps, Parts& parts, int lanes) {
  auto pack = [&] {
    Values out;
    for (const Part& p : parts) {
      out.push_back(p.pair.value);
      if (p.acc->arg) out.push_back(p.pair.index);
    }
    return out;
  };
  auto unpack = [&](const Values& v) {
    size_t at = 0;
    for (Part& p : parts) {
      p.pair.value = v[at++];
      p.pair.index = p.acc->arg ? v[at++] : nullptr;
    }
  };
  Values out = loop(b_.getInt64(0), steps, 1, pack(), [&](Value* k, const Values& state) {
    unpack(state);
    Value* entry = b_.CreateSub(top, k);
    for (Part& p : parts) {
      Pair left = load_pair(*p.acc, p.acc->stack, entry, p.skip, lanes, nullptr);
      p.pair = combine(*p.acc, left, p.pair);
    }
    return pack();
  });
  unpack(out);
}

void Emitter::push_chunk(Value* number, const Parts& parts, int lanes) {
  Value* height = b_.CreateUnaryIntrinsic(Intrinsic::ctpop, number);
  // As many finished neighbours as the number has low ones.
  Value* merges = b_.CreateBinaryIntrinsic(Intrinsic::cttz, b_.CreateNot(number), b_.getFalse());
  Parts merged = parts;
  merge_down(b_.CreateSub(height, b_.getInt64(1)), merges, merged, lanes);
  Value* entry = b_.CreateSub(height, merges);
  for (const Part& p : merged) store_pair(*p.acc, p.pair, p.acc->stack, entry, p.skip, nullptr);
}

void Emitter::merge_chunks(Value* chunks, Parts& parts, int lanes) {
  Value* height = b_.CreateUnaryIntrinsic(Intrinsic::ctpop, chunks);
  for (Part& p : parts) p.pair = identity(*p.acc, lanes);
  merge_down(b_.CreateSub(height, b_.getInt64(1)), height, parts, lanes);
}

}  // namespace etch::codegen
