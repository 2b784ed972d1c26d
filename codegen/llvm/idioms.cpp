// Expressions of ir/math_*.h that processors compute in fewer steps with the same bits.
//
// x * 2^k: scale_f32 and exp_normal build the powers from bits, in up to eight operations; AVX-512
// has an instruction that rounds once, as they do.
// clamp_nan: a maximum and a minimum that pass NaN.
#include <llvm/IR/IntrinsicsX86.h>

#include "codegen/llvm/emitter.h"

namespace etch::codegen {

using namespace llvm;
using ir::ExprNode;
using ir::Prim;

namespace {

using Idiom = Emitter::Idiom;

constexpr uint64_t kShiftBits = 0x4b400000;  // of 1.5 * 2^23, to which k was added

/// Reads an expression backwards; a mismatch makes every later step fail.
struct Matcher {
  const std::vector<ExprNode>& nodes;

  const ExprNode* op(uint32_t id, Prim op, DType t) const {
    const ExprNode& n = nodes[id];
    return n.op == op && n.dtype == t ? &n : nullptr;
  }
  bool literal(uint32_t id, uint64_t bits) const {
    return nodes[id].op == Prim::Lit && nodes[id].bits == (bits & 0xffffffff);
  }
  double number(uint32_t id) const {
    const ExprNode& n = nodes[id];
    return n.dtype == DType::F32 ? __builtin_bit_cast(float, static_cast<uint32_t>(n.bits))
                                 : __builtin_bit_cast(double, n.bits);
  }
  /// The e of e << 23 as a float.
  bool power(uint32_t id, uint32_t& e) const {
    const ExprNode* cast = op(id, Prim::Bitcast, DType::F32);
    const ExprNode* shl = cast != nullptr ? op(cast->in[0], Prim::Shl, DType::I32) : nullptr;
    if (shl == nullptr || !literal(shl->in[1], 23)) return false;
    e = shl->in[0];
    return true;
  }
  bool biased(uint32_t id, uint32_t& e) const {
    const ExprNode* add = op(id, Prim::Add, DType::I32);
    if (add == nullptr || !literal(add->in[1], 127)) return false;
    e = add->in[0];
    return true;
  }
  /// k = bits(t) - bias, with t = k + 1.5 * 2^23.
  bool shifted(uint32_t id, uint64_t bias, uint32_t& t) const {
    const ExprNode* sub = op(id, Prim::Sub, DType::I32);
    if (sub == nullptr || !literal(sub->in[1], bias)) return false;
    const ExprNode* cast = op(sub->in[0], Prim::Bitcast, DType::I32);
    if (cast == nullptr || nodes[cast->in[0]].dtype != DType::F32) return false;
    t = cast->in[0];
    return true;
  }
};

/// (x 2^(k >> 1)) 2^(k - (k >> 1)), or x 2^k for normal results: operands x and t.
bool is_scale(const Matcher& m, uint32_t id, Idiom& out) {
  const ExprNode* last = m.op(id, Prim::Mul, DType::F32);
  uint32_t e = 0, t = 0, half = 0;
  if (last == nullptr || !m.power(last->in[1], e)) return false;
  out = {Idiom::Scale, {last->in[0], 0, 0}, 2};
  if (m.shifted(e, kShiftBits - 127, out.in[1])) return true;
  const ExprNode* first = m.op(last->in[0], Prim::Mul, DType::F32);
  if (!m.biased(e, e) || first == nullptr || !m.power(first->in[1], half)) return false;
  const ExprNode* rest = m.op(e, Prim::Sub, DType::I32);
  if (rest == nullptr || !m.biased(half, half) || rest->in[1] != half) return false;
  const ExprNode* shr = m.op(half, Prim::Shr, DType::I32);
  if (shr == nullptr || shr->in[0] != rest->in[0] || !m.literal(shr->in[1], 1)) return false;
  if (!m.shifted(rest->in[0], kShiftBits, t)) return false;
  out.in[0] = first->in[0];
  out.in[1] = t;
  return true;
}

/// x < lo ? lo : x > hi ? hi : x, lo < hi: operands x, lo and hi.
bool is_clamp(const Matcher& m, uint32_t id, Idiom& out) {
  const ExprNode& n = m.nodes[id];
  if (n.op != Prim::Select || !is_float(n.dtype)) return false;
  const ExprNode &below = m.nodes[n.in[0]], &inner = m.nodes[n.in[2]];
  if (below.op != Prim::Lt || inner.op != Prim::Select) return false;
  const ExprNode& above = m.nodes[inner.in[0]];
  uint32_t x = below.in[0], lo = n.in[1], hi = inner.in[1];
  bool same = below.in[1] == lo && above.op == Prim::Lt && above.in[0] == hi && above.in[1] == x &&
              inner.in[2] == x;
  if (!same || m.nodes[lo].op != Prim::Lit || m.nodes[hi].op != Prim::Lit) return false;
  if (!(m.number(lo) < m.number(hi))) return false;
  out = {Idiom::Clamp, {x, lo, hi}, 3};
  return true;
}

}  // namespace

void Emitter::find_idioms() {
  Matcher m{plan_.nodes};
  for (uint32_t id = 0; id < plan_.nodes.size(); ++id) {
    Idiom i;
    if ((wide_masks_ && is_scale(m, id, i)) || is_clamp(m, id, i)) idioms_[id] = i;
  }
}

const Emitter::Idiom* Emitter::idiom_at(const Frame& f, uint32_t id) const {
  auto it = idioms_.find(id);
  if (it == idioms_.end()) return nullptr;
  bool fits = it->second.kind != Idiom::Scale || (f.lanes == 16 && varies(f, id));
  return fits ? &it->second : nullptr;
}

Value* Emitter::emit_idiom(const Idiom& i, ArrayRef<Value*> in) {
  if (i.kind == Idiom::Clamp) {
    // "a > b ? a : b" is one instruction, whose second operand passes when it is NaN.
    Value* low = b_.CreateSelect(b_.CreateFCmpOGT(in[1], in[0]), in[1], in[0]);
    return b_.CreateSelect(b_.CreateFCmpOLT(in[2], low), in[2], low);
  }
  Value* k = b_.CreateFSub(in[1], ConstantFP::get(in[1]->getType(), 0x1.8p23));
  constexpr int kCurrentRounding = 4;
  return b_.CreateIntrinsic(
      Intrinsic::x86_avx512_mask_scalef_ps_512, {},
      {in[0], k, Constant::getNullValue(in[0]->getType()),
       Constant::getAllOnesValue(b_.getInt16Ty()), b_.getInt32(kCurrentRounding)});
}

}  // namespace etch::codegen
