#include "tests/support/op_call.h"

#include <cmath>
#include <limits>
#include <random>

#include "ir/emitters.h"
#include "ir/scalar/eval.h"

namespace etch::test {

using namespace etch::ir;

namespace {

uint64_t special_value(DType t, uint64_t random) {
  const double inf = std::numeric_limits<double>::infinity();
  const double reals[] = {0.0,    -0.0, inf, -inf, std::nan(""), 1e-310,
                          -1e-42, 0.5,  1.0, -1.0, 3e38,         -1e300};
  if (is_bool(t)) return random & 1;
  if (is_float(t)) return eval_cast(DType::F64, t, to_bits(reals[random % std::size(reals)]));
  uint64_t width = ~uint64_t{0} >> (64 - bits(t)), top = uint64_t{1} << (bits(t) - 1);
  const uint64_t ends[] = {0, 1, width, top, top - 1};
  return ends[random % std::size(ends)];
}

/// Whether special values are ordinary operands: not indices, nor what the reference defines only
/// for some.
bool takes_specials(const OpCase& c, size_t operand) {
  bool index = static_cast<int>(operand) >= c.op->typed_to;
  return !index && c.op->name() != "cross_entropy";
}

}  // namespace

Dense to_dense(const Tensor& t) {
  Tensor d = runtime::dense(t);
  const runtime::TensorImpl& i = runtime::impl(d);
  Dense out(i.dtype, i.sizes);
  std::copy_n(static_cast<const std::byte*>(i.data), out.bytes.size(), out.bytes.data());
  return out;
}

std::shared_ptr<void> concrete(const OpCase& c, const SymbolBindings& bindings) {
  auto number = [&](Dim d) { return Dim(dim_eval(d, bindings)); };
  std::shared_ptr<void> attrs = with_sizes(*c.op->schema, c.attr_data(), number);
  return attrs != nullptr ? attrs : c.op->schema->clone(c.attr_data());
}

Graph graph_of(const OpCase& c) {
  Graph g;
  std::vector<Value> in;
  for (const TensorType& t : c.in) in.push_back(g.add_input(cat("x", in.size()), t));
  g.add_input("sizes", {DType::F32, {Dim::symbol("N"), Dim::symbol("M")}});
  GraphEmitter e(g);
  Vars operands;
  for (Value v : in) operands.push_back(e.var(v));
  Vars results = e.emit(*c.op, operands, c.attr_data());
  for (size_t i = 0; i < results.size(); ++i) {
    g.add_result(GraphEmitter::value(results[i]), cat("y", i));
  }
  return g;
}

Tensor size_carrier(const SymbolBindings& bindings) {
  Sizes s = shape_eval(Shape{Dim::symbol("N"), Dim::symbol("M")}, bindings);
  return empty(SizeList(std::span<const int64_t>(s)));
}

std::vector<Dense> draw_sized(const OpCase& c, uint64_t seed, const SymbolBindings& sizes,
                              bool specials) {
  std::mt19937_64 random(seed);
  std::vector<Dense> drawn = draw_operands(c, seed), out;
  for (size_t i = 0; i < drawn.size(); ++i) {
    Dense v(drawn[i].dtype, shape_eval(c.in[i].shape, sizes));
    for (int64_t k = 0; k < v.numel() && drawn[i].numel() > 0; ++k) {
      uint64_t r = random();
      bool special = specials && takes_specials(c, i) && r % 3 == 0;
      v.set(k, special ? special_value(v.dtype, r >> 8) : drawn[i].at(k % drawn[i].numel()));
    }
    out.push_back(std::move(v));
  }
  return out;
}

}  // namespace etch::test
