// What Traced numbers record.
#include "etch/traced.h"

#include "etch/autograd.h"
#include "ir/ops/elementwise.h"
#include "runtime/eager.h"
#include "runtime/recorder.h"

namespace etch::detail {
namespace {

const ir::OpDef& operator_of(TracedOp op, DType common) {
  switch (op) {
    case TracedOp::Add:
      return ir::op_def<ir::Add>();
    case TracedOp::Sub:
      return ir::op_def<ir::Sub>();
    case TracedOp::Mul:
      return ir::op_def<ir::Mul>();
    case TracedOp::Div:
      return is_float(common) ? ir::op_def<ir::Div>() : ir::op_def<ir::TruncDivide>();
    case TracedOp::Less:
      return ir::op_def<ir::Lt>();
    case TracedOp::LessEqual:
      return ir::op_def<ir::Le>();
    case TracedOp::Greater:
      return ir::op_def<ir::Gt>();
    case TracedOp::GreaterEqual:
      return ir::op_def<ir::Ge>();
    case TracedOp::Equal:
      return ir::op_def<ir::Eq>();
    case TracedOp::NotEqual:
      return ir::op_def<ir::Ne>();
  }
  fail_internal("unknown TracedOp");
}

}  // namespace

bool recording() { return runtime::recorder() != nullptr; }

Tensor traced_binary(TracedOp op, const Tensor& a, const Tensor& b, DType common, SourceLoc loc) {
  runtime::At at(loc);
  NoGrad no_grad;
  const Tensor in[] = {a.dtype() == common ? a : a.to(common),
                       b.dtype() == common ? b : b.to(common)};
  const ir::NoAttrs attrs{};
  return runtime::apply1(operator_of(op, common), in, &attrs);
}

void host_number(const Tensor& source, int64_t integer, bool is_float, SourceLoc loc) {
  auto* r = runtime::recorder();
  if (r == nullptr) return;
  runtime::At at(loc);
  r->host_number(source, integer, is_float, loc);
}

Tensor host_input(const void* address, DType dtype, std::string_view name, SourceLoc loc) {
  auto* r = runtime::recorder();
  if (r == nullptr) return {};
  runtime::At at(loc);
  return r->host_input(address, dtype, name, loc);
}

}  // namespace etch::detail
