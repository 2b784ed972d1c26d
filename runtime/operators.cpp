// The C++ operators on tensors and numbers.
#include "ir/ops/elementwise.h"
#include "runtime/eager.h"

namespace etch {

using runtime::apply1;

namespace {

/// The number as an operand for `other`: of its dtype, or f32 for a floating number beside
/// integers.
Tensor operand(Scalar s, const Tensor& other) {
  runtime::require_defined(other, "operator");
  DType t = other.dtype();
  if (s.is_float && !is_float(t)) t = DType::F32;
  if (!s.is_float && is_bool(t)) t = DType::I64;
  return scalar_tensor(s, t);
}

Tensor binary(const ir::OpDef& op, const Tensor& a, const Tensor& b) {
  const Tensor in[] = {a, b};
  return apply1(op, in, nullptr);
}

}  // namespace

#define ETCH_TENSOR_OPERATOR(symbol, Op)                                 \
  Tensor operator symbol(TensorArg a, TensorArg b) {                     \
    runtime::At at(a.loc);                                               \
    return binary(ir::op_def<ir::Op>(), a.tensor, b.tensor);             \
  }                                                                      \
  Tensor operator symbol(TensorArg a, Scalar b) {                        \
    runtime::At at(a.loc);                                               \
    return binary(ir::op_def<ir::Op>(), a.tensor, operand(b, a.tensor)); \
  }                                                                      \
  Tensor operator symbol(Scalar a, TensorArg b) {                        \
    runtime::At at(b.loc);                                               \
    return binary(ir::op_def<ir::Op>(), operand(a, b.tensor), b.tensor); \
  }
ETCH_TENSOR_OPERATOR(+, Add)
ETCH_TENSOR_OPERATOR(-, Sub)
ETCH_TENSOR_OPERATOR(*, Mul)
ETCH_TENSOR_OPERATOR(/, Div)
ETCH_TENSOR_OPERATOR(<, Lt)
ETCH_TENSOR_OPERATOR(>, Gt)
ETCH_TENSOR_OPERATOR(<=, Le)
ETCH_TENSOR_OPERATOR(>=, Ge)
#undef ETCH_TENSOR_OPERATOR

Tensor operator-(TensorArg x) {
  runtime::At at(x.loc);
  return apply1(ir::op_def<ir::Neg>(), {&x.tensor, 1}, nullptr);
}

}  // namespace etch
