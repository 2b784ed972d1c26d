#include "codegen/llvm/prim.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

namespace etch::codegen {

using namespace llvm;
using ir::Prim;
using ir::ReduceKind;

namespace {

Type* scalar_type(Builder& b, DType t) {
  if (t == DType::F32) return b.getFloatTy();
  if (t == DType::F64) return b.getDoubleTy();
  return is_bool(t) ? b.getInt1Ty() : b.getIntNTy(static_cast<unsigned>(bits(t)));
}

Type* widen(Type* scalar, int lanes) {
  return lanes == 1 ? scalar : FixedVectorType::get(scalar, static_cast<unsigned>(lanes));
}

Type* like(Value* v, Type* scalar) {
  auto* vt = dyn_cast<FixedVectorType>(v->getType());
  return vt == nullptr ? scalar : FixedVectorType::get(scalar, vt->getNumElements());
}

Constant* all(Value* v, uint64_t bits) { return ConstantInt::get(v->getType(), bits); }
Constant* zero(Value* v) { return Constant::getNullValue(v->getType()); }

/// Largest or smallest value of an integer type.
APInt int_limit(DType t, bool largest) {
  auto n = static_cast<unsigned>(bits(t));
  if (is_signed_int(t)) return largest ? APInt::getSignedMaxValue(n) : APInt::getSignedMinValue(n);
  return largest ? APInt::getMaxValue(n) : APInt::getMinValue(n);
}

/// A literal divisor for which division needs no care.
bool harmless_divisor(Value* d) {
  auto* c = dyn_cast<Constant>(d);
  if (c == nullptr) return false;
  if (isa<VectorType>(c->getType())) c = c->getSplatValue();
  auto* i = dyn_cast_or_null<ConstantInt>(c);
  return i != nullptr && !i->isZero() && !i->isMinusOne();
}

/// Truncated quotient for divisors that are neither 0 nor -1. Narrow integers divide as floats,
/// which is exact after truncation and has vector instructions.
Value* plain_quotient(Builder& b, DType t, Value* x, Value* d, bool exact_only) {
  bool sign = is_signed_int(t);
  bool vector = isa<VectorType>(x->getType());
  if (exact_only || !vector || bits(t) == 64) return sign ? b.CreateSDiv(x, d) : b.CreateUDiv(x, d);
  Type* f = like(x, bits(t) < 32 ? b.getFloatTy() : b.getDoubleTy());
  Type* wide = like(x, b.getInt32Ty());
  auto to_float = [&](Value* v) {
    if (bits(t) < 32) v = sign ? b.CreateSExt(v, wide) : b.CreateZExt(v, wide);
    return sign || bits(t) < 32 ? b.CreateSIToFP(v, f) : b.CreateUIToFP(v, f);
  };
  Value* q = b.CreateFDiv(to_float(x), to_float(d));
  if (bits(t) < 32) return b.CreateTrunc(b.CreateFPToSI(q, wide), x->getType());
  return sign ? b.CreateFPToSI(q, x->getType()) : b.CreateFPToUI(q, x->getType());
}

Value* int_quotient(Builder& b, DType t, Value* x, Value* d) {
  if (harmless_divisor(d)) return plain_quotient(b, t, x, d, true);
  Value* is_zero = b.CreateICmpEQ(d, zero(d));
  Value* flip =
      is_signed_int(t) ? b.CreateICmpEQ(d, Constant::getAllOnesValue(d->getType())) : nullptr;
  Value* bad = flip == nullptr ? is_zero : b.CreateOr(is_zero, flip);
  Value* q = plain_quotient(b, t, x, b.CreateSelect(bad, all(d, 1), d), false);
  q = b.CreateSelect(is_zero, zero(q), q);
  return flip == nullptr ? q : b.CreateSelect(flip, b.CreateNeg(x), q);
}

Value* shift(Builder& b, Prim op, DType t, Value* x, Value* n) {
  auto width = static_cast<uint64_t>(bits(t));
  Value* fits = b.CreateICmpULT(n, all(n, width));
  bool fill = op == Prim::Shr && is_signed_int(t);
  Value* amount = b.CreateSelect(fits, n, all(n, fill ? width - 1 : 0));
  if (fill) return b.CreateAShr(x, amount);
  Value* r = op == Prim::Shl ? b.CreateShl(x, amount) : b.CreateLShr(x, amount);
  return b.CreateSelect(fits, r, zero(r));
}

/// The value in every lane when it is a floating literal other than NaN.
const APFloat* float_literal(Value* v) {
  auto* c = dyn_cast<Constant>(v);
  if (c == nullptr) return nullptr;
  if (isa<VectorType>(c->getType())) c = c->getSplatValue();
  auto* f = dyn_cast_or_null<ConstantFP>(c);
  return f == nullptr || f->isNaN() ? nullptr : &f->getValueAPF();
}

/// NaN if either is NaN, -0 below +0. A literal on one side makes it one or two instructions.
Value* float_extreme(Builder& b, bool largest, Value* x, Value* y) {
  if (float_literal(x) != nullptr) std::swap(x, y);
  if (const APFloat* c = float_literal(y)) {
    // y > x ? y : x is one instruction and passes NaN; only equal zeros need the other form.
    if (!c->isZero()) {
      return b.CreateSelect(largest ? b.CreateFCmpOGT(y, x) : b.CreateFCmpOLT(y, x), y, x);
    }
    if (largest != c->isNegative()) {
      return b.CreateSelect(largest ? b.CreateFCmpUGT(x, y) : b.CreateFCmpULT(x, y), x, y);
    }
  }
  Type* bits_type = like(x, b.getIntNTy(x->getType()->getScalarSizeInBits()));
  Value* i = b.CreateBitCast(x, bits_type);
  Value* j = b.CreateBitCast(y, bits_type);
  Value* both = b.CreateBitCast(largest ? b.CreateAnd(i, j) : b.CreateOr(i, j), x->getType());
  Value* m = b.CreateSelect(largest ? b.CreateFCmpOGT(x, y) : b.CreateFCmpOLT(x, y), x, y);
  m = b.CreateSelect(b.CreateFCmpOEQ(x, y), both, m);
  return b.CreateSelect(b.CreateFCmpUNO(x, x), x, m);
}

Value* extreme(Builder& b, bool largest, DType t, Value* x, Value* y) {
  if (is_float(t)) return float_extreme(b, largest, x, y);
  if (is_bool(t)) return largest ? b.CreateOr(x, y) : b.CreateAnd(x, y);
  bool sign = is_signed_int(t);
  return b.CreateBinaryIntrinsic(largest ? (sign ? Intrinsic::smax : Intrinsic::umax)
                                         : (sign ? Intrinsic::smin : Intrinsic::umin),
                                 x, y);
}

/// Truncates, saturates, NaN = 0: everything out of range is replaced before the conversion.
Value* float_to_int(Builder& b, DType from, DType to, Value* x) {
  const fltSemantics& sem = from == DType::F32 ? APFloat::IEEEsingle() : APFloat::IEEEdouble();
  bool sign = is_signed_int(to);
  APFloat low(sem), high(sem);
  low.convertFromAPInt(int_limit(to, false), sign, APFloat::rmNearestTiesToEven);
  auto wide = int_limit(to, true).zext(static_cast<unsigned>(bits(to)) + 1) + 1;
  high.convertFromAPInt(wide, false, APFloat::rmNearestTiesToEven);
  Constant* lo = ConstantFP::get(x->getType(), low);
  Constant* hi = ConstantFP::get(x->getType(), high);
  Value* c = b.CreateSelect(b.CreateFCmpORD(x, x), x, zero(x));
  c = b.CreateSelect(b.CreateFCmpOLT(c, lo), lo, c);
  Value* big = b.CreateFCmpOGE(c, hi);
  c = b.CreateSelect(big, zero(c), c);
  Type* out = like(x, b.getIntNTy(static_cast<unsigned>(bits(to))));
  Value* r;
  if (bits(to) < 32)
    r = b.CreateTrunc(b.CreateFPToSI(c, like(x, b.getInt32Ty())), out);
  else
    r = sign ? b.CreateFPToSI(c, out) : b.CreateFPToUI(c, out);
  return b.CreateSelect(big, ConstantInt::get(out, int_limit(to, true)), r);
}

Value* emit_cast(Builder& b, DType from, DType to, Value* x) {
  if (from == to) return x;
  Type* out = like(x, scalar_type(b, to));
  if (is_bool(to)) {
    return is_float(from) ? b.CreateFCmpUNE(x, zero(x)) : b.CreateICmpNE(x, zero(x));
  }
  if (is_float(to)) {
    if (is_float(from)) return b.CreateFPCast(x, out);
    if (is_bool(from)) {
      return b.CreateSelect(x, ConstantFP::get(out, 1.0), Constant::getNullValue(out));
    }
    return is_signed_int(from) ? b.CreateSIToFP(x, out) : b.CreateUIToFP(x, out);
  }
  if (is_float(from)) return float_to_int(b, from, to, x);
  return b.CreateIntCast(x, out, is_signed_int(from));
}

Value* compare(Builder& b, Prim op, DType t, Value* x, Value* y) {
  if (is_float(t)) {
    switch (op) {
      case Prim::Eq:
        return b.CreateFCmpOEQ(x, y);
      case Prim::Ne:
        return b.CreateFCmpUNE(x, y);
      case Prim::Lt:
        return b.CreateFCmpOLT(x, y);
      default:
        return b.CreateFCmpOLE(x, y);
    }
  }
  bool sign = is_signed_int(t);
  switch (op) {
    case Prim::Eq:
      return b.CreateICmpEQ(x, y);
    case Prim::Ne:
      return b.CreateICmpNE(x, y);
    case Prim::Lt:
      return sign ? b.CreateICmpSLT(x, y) : b.CreateICmpULT(x, y);
    default:
      return sign ? b.CreateICmpSLE(x, y) : b.CreateICmpULE(x, y);
  }
}

Value* arithmetic(Builder& b, Prim op, DType t, ArrayRef<Value*> in) {
  if (is_float(t)) {
    switch (op) {
      case Prim::Add:
        return b.CreateFAdd(in[0], in[1]);
      case Prim::Sub:
        return b.CreateFSub(in[0], in[1]);
      case Prim::Mul:
        return b.CreateFMul(in[0], in[1]);
      case Prim::Div:
        return b.CreateFDiv(in[0], in[1]);
      case Prim::Neg:
        return b.CreateFNeg(in[0]);
      default:
        return b.CreateUnaryIntrinsic(Intrinsic::fabs, in[0]);
    }
  }
  switch (op) {
    case Prim::Add:
      return b.CreateAdd(in[0], in[1]);
    case Prim::Sub:
      return b.CreateSub(in[0], in[1]);
    case Prim::Mul:
      return b.CreateMul(in[0], in[1]);
    case Prim::Div:
      return int_quotient(b, t, in[0], in[1]);
    case Prim::Neg:
      return b.CreateNeg(in[0]);
    default:
      if (!is_signed_int(t)) return in[0];
      return b.CreateBinaryIntrinsic(Intrinsic::abs, in[0], b.getFalse());
  }
}

}  // namespace

Type* value_type(Builder& b, DType t, int lanes) { return widen(scalar_type(b, t), lanes); }
Type* memory_type(Builder& b, DType t, int lanes) {
  return widen(is_bool(t) ? b.getInt8Ty() : scalar_type(b, t), lanes);
}

Constant* literal(Builder& b, DType t, int lanes, uint64_t bits_) {
  Type* type = value_type(b, t, lanes);
  if (is_bool(t)) return ConstantInt::get(type, bits_ != 0 ? 1 : 0);
  APInt raw(static_cast<unsigned>(bits(t)), bits_);
  if (t == DType::F32) return ConstantFP::get(type, APFloat(APFloat::IEEEsingle(), raw));
  if (t == DType::F64) return ConstantFP::get(type, APFloat(APFloat::IEEEdouble(), raw));
  return ConstantInt::get(type, raw);
}

Value* from_memory(Builder& b, DType t, Value* v) {
  return is_bool(t) ? b.CreateICmpNE(v, zero(v)) : v;
}
Value* to_memory(Builder& b, DType t, Value* v) {
  return is_bool(t) ? b.CreateZExt(v, like(v, b.getInt8Ty())) : v;
}

Value* emit_prim(Builder& b, Prim op, DType t, DType result, ArrayRef<Value*> in) {
  switch (op) {
    case Prim::Add:
    case Prim::Sub:
    case Prim::Mul:
    case Prim::Div:
    case Prim::Neg:
    case Prim::Abs:
      return arithmetic(b, op, t, in);
    case Prim::Rem:
      return b.CreateSub(in[0], b.CreateMul(int_quotient(b, t, in[0], in[1]), in[1]));
    case Prim::Sqrt:
      return b.CreateUnaryIntrinsic(Intrinsic::sqrt, in[0]);
    case Prim::Fma:
      return b.CreateIntrinsic(Intrinsic::fma, {in[0]->getType()}, in);
    case Prim::Min:
    case Prim::Max:
      return extreme(b, op == Prim::Max, t, in[0], in[1]);
    case Prim::Floor:
      return b.CreateUnaryIntrinsic(Intrinsic::floor, in[0]);
    case Prim::Ceil:
      return b.CreateUnaryIntrinsic(Intrinsic::ceil, in[0]);
    case Prim::Trunc:
      return b.CreateUnaryIntrinsic(Intrinsic::trunc, in[0]);
    case Prim::Rint:
      return b.CreateUnaryIntrinsic(Intrinsic::roundeven, in[0]);
    case Prim::Copysign:
      return b.CreateBinaryIntrinsic(Intrinsic::copysign, in[0], in[1]);
    case Prim::And:
      return b.CreateAnd(in[0], in[1]);
    case Prim::Or:
      return b.CreateOr(in[0], in[1]);
    case Prim::Xor:
      return b.CreateXor(in[0], in[1]);
    case Prim::Not:
      return b.CreateNot(in[0]);
    case Prim::Shl:
    case Prim::Shr:
      return shift(b, op, t, in[0], in[1]);
    case Prim::Eq:
    case Prim::Ne:
    case Prim::Lt:
    case Prim::Le:
      return compare(b, op, t, in[0], in[1]);
    case Prim::Select:
      return b.CreateSelect(in[0], in[1], in[2]);
    case Prim::Cast:
      return emit_cast(b, t, result, in[0]);
    case Prim::Bitcast:
      return b.CreateBitCast(in[0], like(in[0], scalar_type(b, result)));
    default:
      return nullptr;
  }
}

Constant* reduce_identity(Builder& b, ReduceKind kind, DType t, int lanes) {
  Type* type = value_type(b, t, lanes);
  bool low = kind == ReduceKind::Max || kind == ReduceKind::ArgMax;
  switch (kind) {
    case ReduceKind::Sum:
      return is_float(t) ? ConstantFP::getNegativeZero(type) : Constant::getNullValue(type);
    case ReduceKind::Prod:
      return is_float(t) ? ConstantFP::get(type, 1.0) : ConstantInt::get(type, 1);
    default:
      break;
  }
  if (is_float(t)) return ConstantFP::getInfinity(type, low);
  if (is_bool(t)) return ConstantInt::get(type, low ? 0 : 1);
  return ConstantInt::get(type, int_limit(t, !low));
}

Value* reduce_combine(Builder& b, ReduceKind kind, DType t, Value* left, Value* right) {
  bool real = is_float(t);
  switch (kind) {
    case ReduceKind::Sum:
      return real ? b.CreateFAdd(left, right) : b.CreateAdd(left, right);
    case ReduceKind::Prod:
      return real ? b.CreateFMul(left, right) : b.CreateMul(left, right);
    default:
      return extreme(b, kind == ReduceKind::Max, t, left, right);
  }
}

}  // namespace etch::codegen
