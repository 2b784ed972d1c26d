// Every operator's shape rule on symbolic sizes, against itself on numbers.
#include <catch2/catch.hpp>

#include <random>

#include "ir/graph.h"
#include "ir/registry.h"
#include "runtime/program/program.h"
#include "tests/support/op_call.h"

using namespace etch;
using namespace etch::test;

namespace {

SymbolBindings draw_sizes(std::mt19937& rng) {
  constexpr int64_t kSizes[] = {0, 1, 2, 3, 4, 5, 8, 97, 1000, 65537};
  auto one = [&] { return kSizes[rng() % std::size(kSizes)]; };
  return {{Dim::symbol("N"), one()}, {Dim::symbol("M"), one()}};
}

struct Shapes {
  std::vector<Sizes> sizes;
  std::vector<DType> types;
  std::string error;
};

Shapes symbolic(const OpCase& c, const SymbolBindings& bindings) {
  Shapes out;
  for (const ir::TensorType& t : ir::infer_types(*c.op, c.in, c.attr_data())) {
    out.sizes.push_back(shape_eval(t.shape, bindings));
    out.types.push_back(t.dtype);
  }
  return out;
}

Shapes numeric(const OpCase& c, const SymbolBindings& bindings) {
  ir::Types in;
  for (const ir::TensorType& t : c.in) {
    in.push_back({t.dtype, to_shape(shape_eval(t.shape, bindings))});
  }
  Shapes out;
  try {
    for (const ir::TensorType& t : ir::infer_types(*c.op, in, concrete(c, bindings).get())) {
      out.sizes.push_back(shape_eval(t.shape, {}));
      out.types.push_back(t.dtype);
    }
  } catch (const UserError& e) {
    out.error = e.what();
  }
  return out;
}

bool program_refuses(const OpCase& c, const SymbolBindings& bindings) {
  runtime::Program p = runtime::Program::build(graph_of(c));
  runtime::Context context(p);
  std::vector<Tensor> in;
  for (const ir::TensorType& t : c.in) {
    Sizes s = shape_eval(t.shape, bindings);
    in.push_back(empty(SizeList(s), t.dtype));
  }
  in.push_back(size_carrier(bindings));
  try {
    std::vector<runtime::InputView> views;
    for (const Tensor& t : in) {
      const runtime::TensorImpl& i = runtime::impl(t);
      views.push_back({i.data, i.dtype, i.sizes, {}});
    }
    p.bind(runtime::State(), context, views);
  } catch (const UserError&) {
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a shape rule on symbols gives, evaluated, what it gives on numbers") {
  std::mt19937 rng(11);
  size_t compared = 0, refused = 0;
  for (const ir::OpDef* op : ir::all_ops()) {
    for (int t = 0; t < kDTypeCount; ++t) {
      for (const OpCase& c : op_cases(*op, static_cast<DType>(t))) {
        for (int i = 0; i < 8; ++i) {
          SymbolBindings bindings = draw_sizes(rng);
          INFO(c.name << " at N=" << bindings[0].value << " M=" << bindings[1].value);
          Shapes expected = numeric(c, bindings);
          if (!expected.error.empty()) {
            // A range that does not fit, nothing to choose from: a program finds out when it binds.
            REQUIRE(program_refuses(c, bindings));
            ++refused;
            continue;
          }
          Shapes got = symbolic(c, bindings);
          REQUIRE(got.types == expected.types);
          REQUIRE(got.sizes == expected.sizes);
          ++compared;
        }
      }
    }
  }
  CHECK(compared > 5000);
  CHECK(refused < compared / 10);
}
