#include "etch/random.h"

#include "etch/autograd.h"
#include "ir/ops/random.h"
#include "runtime/eager.h"

namespace etch {
namespace {

template <class Op>
Tensor draw(SizeArgs sizes, Generator& rng, DType dtype, SourceLoc loc) {
  runtime::At at(loc);
  runtime::KeepLine keep;
  NoGrad no_grad;
  if (!is_float(dtype)) fail("random", cat("expected f32 or f64, got ", dtype), "", loc);
  typename Op::Attrs attrs{sizes.shape(), dtype};
  Tensor state = rng.state();
  Tensor out = runtime::apply1(ir::op_def<Op>(), {&state, 1}, &attrs);
  Tensor ordinal = state.slice(0, 1, 2);
  ordinal.add_(scalar_tensor(1, DType::U64));
  return out;
}

}  // namespace

Generator::Generator(uint64_t seed) {
  const uint64_t start[] = {seed, 0};
  const int64_t n = 2;
  state_ = from_bytes(start, {&n, 1}, DType::U64);
}

void Generator::seed(uint64_t value) {
  const uint64_t start[] = {value, 0};
  const int64_t n = 2;
  state_.copy_(from_bytes(start, {&n, 1}, DType::U64));
}

Tensor rand(SizeArgs sizes, Generator& rng, DType dtype, std::source_location loc) {
  return draw<ir::RandomUniform>(sizes, rng, dtype, loc);
}
Tensor randn(SizeArgs sizes, Generator& rng, DType dtype, std::source_location loc) {
  return draw<ir::RandomNormal>(sizes, rng, dtype, loc);
}

}  // namespace etch
