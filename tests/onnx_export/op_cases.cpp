#include "tests/onnx_export/op_cases.h"

#include <map>
#include <random>

#include "ir/ops/all.h"
#include "ir/scalar/eval.h"

namespace etch::test {

using namespace etch::ir;

namespace {

class Cases {
 public:
  Cases(const OpDef& op, DType t) : op_(op), t_(t) {}

  DType dtype() const { return t_; }
  TensorType of(Shape s) const { return {t_, std::move(s)}; }
  void add(Types in, AttrBox attrs = {}, int64_t index_limit = 3) {
    std::string name = cat(op_.name(), "_", t_, "_", list_.size());
    list_.push_back({&op_, std::move(name), std::move(in), std::move(attrs), index_limit});
  }
  template <class T>
  void with(Types in, typename T::Attrs attrs, int64_t index_limit = 3) {
    add(std::move(in), AttrBox::of(std::move(attrs)), index_limit);
  }
  std::vector<OpCase> take() { return std::move(list_); }

 private:
  const OpDef& op_;
  DType t_;
  std::vector<OpCase> list_;
};

Dim N() { return Dim::symbol("N"); }
Dim M() { return Dim::symbol("M"); }
Dim d(int64_t v) { return Dim(v); }

void elementwise(const OpDef& op, Cases& c) {
  const Shape shapes[3][3] = {{{N(), d(3), d(5)}, {}, {}},
                              {{N(), d(3), d(5)}, {d(3), d(1)}, {}},
                              {{N(), d(1), d(5)}, {d(3), d(5)}, {N(), d(3), d(1)}}};
  auto add = [&](AttrBox attrs) {
    Types in;
    for (int i = 0; i < op.min_operands; ++i) {
      bool condition = i < op.typed_from;
      in.push_back({condition ? DType::Bool : c.dtype(), shapes[op.min_operands - 1][i]});
    }
    c.add(std::move(in), std::move(attrs));
  };
  if (op.schema->count == 0) return add({});
  if (&op == &op_def<Clamp>()) return add(AttrBox::of(Clamp::Attrs{-0.5, 3}));
  if (&op == &op_def<LeakyRelu>()) return add(AttrBox::of(LeakyRelu::Attrs{0.2}));
  if (&op == &op_def<Elu>()) return add(AttrBox::of(Elu::Attrs{1.7}));
  if (&op == &op_def<Cast>()) {
    for (int i = 0; i < kDTypeCount; ++i) {
      if (contains(kAll, static_cast<DType>(i)))
        add(AttrBox::of(Cast::Attrs{static_cast<DType>(i)}));
    }
    return;
  }
  add({*op.schema, op.schema->create()});
}

void reduction(Cases& c) {
  for (ReduceAttrs a :
       {ReduceAttrs{{1}, false}, ReduceAttrs{{-1}, true}, ReduceAttrs{{0, 2}, false},
        ReduceAttrs{{}, false}, ReduceAttrs{{}, true}}) {
    c.add({c.of({N(), d(3), d(5)})}, AttrBox::of(a));
  }
  c.add({c.of({})}, AttrBox::of(ReduceAttrs{}));
}

using Handler = void (*)(Cases&);

/// The operators whose operands fit each other in their own way.
const std::map<std::string_view, Handler>& handlers() {
  static const std::map<std::string_view, Handler> table = {
      {"arange",
       [](Cases& c) {
         c.with<Arange>({}, {{N() * 2 + 1}, 3, 2, c.dtype()});
         c.with<Arange>({}, {{d(5)}, 0, 1, c.dtype()});
       }},
      {"batch_norm",
       [](Cases& c) {
         TensorType v = c.of({d(3)});
         c.with<BatchNorm>({c.of({N(), d(3), d(4), d(2)}), v, v, v, v}, {1e-3});
         c.with<BatchNorm>({c.of({N(), d(3)}), v, v, v, v}, {0.5});
       }},
      {"concat",
       [](Cases& c) {
         c.with<Concat>({c.of({N(), d(2)}), c.of({N(), M()}), c.of({N(), d(1)})}, {1});
         c.with<Concat>({c.of({N(), d(2)})}, {-1});
       }},
      {"conv2d",
       [](Cases& c) {
         c.with<Conv2d>({c.of({N(), d(4), d(7), d(6)}), c.of({d(6), d(4), d(3), d(3)})}, {});
         c.with<Conv2d>({c.of({N(), d(4), d(7), d(6)}), c.of({d(6), d(2), d(3), d(2)})},
                        {{2, 1}, {1, 0, 2, 1}, {1, 2}, 2});
       }},
      {"conv2d_input_grad",
       [](Cases& c) {
         c.with<Conv2dInputGrad>({c.of({N(), d(6), d(5), d(4)}), c.of({d(6), d(4), d(3), d(3)})},
                                 {{N(), d(4), d(7), d(6)}});
       }},
      {"conv2d_weight_grad",
       [](Cases& c) {
         c.with<Conv2dWeightGrad>({c.of({N(), d(4), d(7), d(6)}), c.of({N(), d(6), d(5), d(4)})},
                                  {{3, 3}});
       }},
      {"cross_entropy", [](Cases& c) { c.add({c.of({N(), d(5)}), {DType::I64, {N()}}}, {}, 5); }},
      {"dim_value",
       [](Cases& c) {
         c.with<DimValue>({}, {{N()}, c.dtype()});
         c.with<DimValue>({}, {{N() * M() + 7}, c.dtype()});
         c.with<DimValue>({}, {{(N() - 9) / 2 + 5}, c.dtype()});
         c.with<DimValue>({}, {{etch::max(N(), M() * 3) % 7}, c.dtype()});
       }},
      {"expand",
       [](Cases& c) {
         c.with<Expand>({c.of({d(3), d(1)})}, {{N(), d(3), d(5)}});
         c.with<Expand>({c.of({d(1), N()})}, {{M(), N()}});
       }},
      {"full",
       [](Cases& c) {
         c.with<Full>({}, {{N(), d(2)}, make_number(c.dtype(), 1.0)});
         c.with<Full>({}, {{}, make_number(c.dtype(), 3.0)});
         c.with<Full>({}, {{d(2), d(0)}, make_number(c.dtype(), 3.0)});
       }},
      {"gather",
       [](Cases& c) {
         c.with<Gather>({c.of({N(), d(5)}), {DType::I64, {N(), d(2)}}}, {1}, 5);
         c.with<Gather>({c.of({d(3), d(5)}), {DType::I32, {d(6), d(5)}}}, {0});
       }},
      {"gelu",
       [](Cases& c) {
         c.with<Gelu>({c.of({N(), d(6)})}, {false});
         c.with<Gelu>({c.of({N(), d(6)})}, {true});
       }},
      {"index_add",
       [](Cases& c) { c.with<IndexAdd>({c.of({N(), d(5)}), {DType::I64, {N()}}}, {0, {d(6)}}); }},
      {"index_select",
       [](Cases& c) {
         c.with<IndexSelect>({c.of({N(), d(5)}), {DType::I64, {M(), d(2)}}}, {1}, 5);
         c.with<IndexSelect>({c.of({N(), d(5)}), {DType::U8, {d(2)}}}, {-2});
         c.with<IndexSelect>({c.of({N(), d(5)}), {DType::I32, {}}}, {0});
       }},
      {"layer_norm",
       [](Cases& c) {
         c.with<LayerNorm>({c.of({N(), d(6)}), c.of({d(6)}), c.of({d(6)})}, {1, 1e-5});
         c.with<LayerNorm>({c.of({N(), d(2), d(3)}), c.of({d(2), d(3)}), c.of({d(2), d(3)})},
                           {2, 1e-3});
       }},
      {"matmul",
       [](Cases& c) {
         c.add({c.of({N(), d(6)}), c.of({d(6), d(5)})});
         c.add({c.of({N(), M(), d(2)}), c.of({d(2), N()})});
         c.add({c.of({d(2), d(1), d(3), d(2)}), c.of({N(), d(2), d(4)})});
       }},
      {"pad",
       [](Cases& c) {
         c.with<Pad>({c.of({N(), d(3)})}, {{d(1), d(0)}, {d(0), d(2)}, 1.0});
         c.with<Pad>({c.of({N(), d(3)})}, {{d(0), d(0)}, {d(0), d(0)}, 0.0});
         c.with<Pad>({c.of({N(), M()})}, {{M(), d(0)}, {(4 - N() % 4) % 4, N() + 1}, 2.0});
       }},
      {"permute",
       [](Cases& c) {
         c.with<Permute>({c.of({N(), d(3), d(5)})}, {{2, 0, -2}});
         c.with<Permute>({c.of({})}, {{}});
       }},
      {"random_normal", [](Cases& c) { c.with<RandomNormal>({c.of({d(2)})}, {{N(), d(3)}}); }},
      {"random_uniform", [](Cases& c) { c.with<RandomUniform>({c.of({d(2)})}, {{N(), d(3)}}); }},
      {"reshape",
       [](Cases& c) {
         c.with<Reshape>({c.of({N(), d(3), d(5)})}, {{N() * 3, d(5)}});
         c.with<Reshape>({c.of({N(), d(4)})}, {{d(2), d(-1)}});
         c.with<Reshape>({c.of({d(0), d(4)})}, {{d(7), d(0), d(2)}});
         c.with<Reshape>({c.of({d(1), d(1)})}, {{}});
       }},
      {"scatter_add",
       [](Cases& c) {
         c.with<ScatterAdd>({c.of({N(), d(2)}), {DType::I64, {N(), d(2)}}}, {1, {d(5)}}, 5);
       }},
      {"slice",
       [](Cases& c) {
         c.with<Slice>({c.of({N(), d(7)})}, {1, {d(1), d(6)}, 2});
         c.with<Slice>({c.of({N(), d(7)})}, {1, {d(2), d(5)}, 1});
         c.with<Slice>({c.of({N() + 2, d(3)})}, {-2, {d(1), N()}, 1});
       }},
      {"slice_scatter",
       [](Cases& c) {
         c.with<SliceScatter>({c.of({N(), d(7)}), c.of({N(), d(2)})}, {1, {d(1), d(3)}, 1});
       }},
      {"squeeze",
       [](Cases& c) {
         c.with<Squeeze>({c.of({d(4), d(1), d(3), d(1)})}, {{}});
         c.with<Squeeze>({c.of({N(), d(1), d(3), d(1)})}, {{-1}});
         c.with<Squeeze>({c.of({d(4), d(3)})}, {{}});
       }},
      {"unsqueeze", [](Cases& c) { c.with<Unsqueeze>({c.of({N(), d(3)})}, {{0, -1}}); }},
  };
  return table;
}

/// Pooling: images, and gradients of the pooled shape.
void pool(const OpDef& op, Cases& c) {
  TensorType x = c.of({N(), d(2), d(7), d(6)}), y = c.of({N(), d(2), d(3), d(4)});
  PoolAttrs a{{3, 2}, {2, 2}, {0, 1, 0, 1}};
  if (op.schema == &attr_schema<PoolGradAttrs>()) {
    c.add({y}, AttrBox::of(PoolGradAttrs{x.shape, a.kernel, a.stride, a.padding}));
    return;
  }
  Types in = {x};
  if (op.min_operands == 2) in.push_back(&op == &op_def<PoolScatter>() ? y : x);
  c.add(std::move(in), AttrBox::of(a));
}

/// A sample for composites that treat all operands alike.
void any_shape(const OpDef& op, Cases& c) {
  auto add = [&](AttrBox attrs) {
    Types in;
    for (int i = 0; i < op.min_operands; ++i) in.push_back(c.of({N(), d(3), d(5)}));
    c.add(std::move(in), std::move(attrs));
  };
  if (op.schema->count == 0) return add({});
  add({*op.schema, op.schema->create()});
}

double draw_real(Domain domain, std::mt19937_64& random) {
  auto between = [&](double low, double high) {
    return low + (high - low) * (static_cast<double>(random() >> 11) * 0x1p-53);
  };
  switch (domain) {
    case Domain::Positive:
      return between(0.1, 4);
    case Domain::Unit:
      return between(-0.95, 0.95);
    case Domain::AtLeastOne:
      return between(1.05, 4);
    case Domain::NonZero: {
      double v = between(0.5, 3);
      return (random() & 1) != 0 ? -v : v;
    }
    case Domain::Small:
      return between(-2, 2);
    default:
      return between(-4, 4);
  }
}

uint64_t draw(const OpDef& op, DType t, std::mt19937_64& random) {
  if (is_bool(t)) return random() & 1;
  if (is_float(t)) {
    double v = draw_real(op.info.domain, random);
    return eval_cast(DType::F64, t, to_bits(v));
  }
  auto v = static_cast<int64_t>(random() % 20) + 1;
  bool negative = is_signed_int(t) && (random() & 1) != 0;
  // Products of i64 go through floating numbers in some engines: stay below 2^53.
  if (op.kind == OpKind::Reduction && op.reduce == ReduceKind::Prod) v = v % 2 + 1;
  if (op.info.domain == Domain::Small) v %= 8, negative = false;
  if (op.info.domain == Domain::Positive) negative = false;
  return eval_cast(DType::I64, t, static_cast<uint64_t>(negative ? -v : v));
}

}  // namespace

const void* OpCase::attr_data() const {
  static const NoAttrs none;
  return attrs.count() == 0 ? static_cast<const void*>(&none) : attrs.data();
}

SymbolBindings case_bindings() { return {{N(), 4}, {M(), 3}}; }

std::vector<OpCase> op_cases(const OpDef& op, DType t) {
  if (!contains(op.info.types, t)) return {};
  if (op.is_control()) return control_cases(op, t);
  Cases c(op, t);
  auto own = handlers().find(op.name());
  if (own != handlers().end())
    own->second(c);
  else if (op.is_elementwise())
    elementwise(op, c);
  else if (op.kind == OpKind::Reduction || op.schema == &attr_schema<ReduceAttrs>())
    reduction(c);
  else if (op.schema == &attr_schema<PoolAttrs>() || op.schema == &attr_schema<PoolGradAttrs>())
    pool(op, c);
  else
    any_shape(op, c);
  return c.take();
}

std::vector<Dense> draw_operands(const OpCase& c, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Dense> out;
  for (size_t i = 0; i < c.in.size(); ++i) {
    const TensorType& t = c.in[i];
    Dense v(t.dtype, shape_eval(t.shape, case_bindings()));
    bool index = static_cast<int>(i) >= c.op->typed_to;
    // Floating numbers below 0 have no defined conversion to unsigned integers in ONNX.
    bool to_unsigned = c.op == &op_def<Cast>() && is_unsigned_int(c.attrs.as<Cast::Attrs>().to);
    for (int64_t k = 0; k < v.numel(); ++k) {
      uint64_t bits =
          index ? random() % static_cast<uint64_t>(c.index_limit) : draw(*c.op, t.dtype, random);
      if (to_unsigned && is_float(t.dtype)) bits &= ~(uint64_t{1} << (itemsize(t.dtype) * 8 - 1));
      v.set(k, bits);
    }
    out.push_back(std::move(v));
  }
  return out;
}

}  // namespace etch::test
