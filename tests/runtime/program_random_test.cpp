// Random graphs: program against eager, with and without the passes that fuse.
#include <catch2/catch.hpp>

#include "ir/ops/all.h"
#include "passes/pipeline.h"
#include "tests/runtime/program_support.h"

using namespace etch;
using namespace etch::ir;
using namespace etch::test;

namespace {

/// Grows a graph over matrices whose sizes are 1, 3, 4 or N.
class Grower {
 public:
  Grower(Graph& g, uint32_t seed) : g_(g), emitter_(g), rng_(seed) {
    Dim n = Dim::symbol("N");
    for (const Shape& s :
         {Shape{n, Dim(4)}, Shape{Dim(3), Dim(4)}, Shape{Dim(4), n}, Shape{Dim(1), Dim(4)}}) {
      pool_.push_back(emitter_.var(g.add_input(cat("x", pool_.size()), {DType::F32, s})));
    }
  }

  void grow(int count) {
    while (count-- > 0) pool_.push_back(step());
    std::vector<bool> used(g_.capacity());
    for (NodeId id : g_) {
      for (Value v : g_.node(id).inputs) used[v.node] = true;
    }
    for (const Var& v : pool_) {
      Value value = GraphEmitter::value(v);
      if (!used[value.node] || rng_() % 8 == 0) g_.add_result(value, cat("r", value.node));
    }
  }

 private:
  const Var& any() { return pool_[rng_() % pool_.size()]; }
  bool chance(uint32_t percent) { return rng_() % 100 < percent; }

  /// A value that broadcasts with x.
  Var partner(const Var& x) {
    for (int i = 0; i < 20; ++i) {
      const Var& y = any();
      bool fits = true;
      for (size_t d = 0; d < 2; ++d) {
        fits = fits && (y.shape()[d].same_as(x.shape()[d]) || y.shape()[d].is(1));
      }
      if (fits) return y;
    }
    return x;
  }

  Var step() {
    Var x = any();
    Axes axis{static_cast<int64_t>(rng_() % 2)};
    switch (rng_() % 14) {
      case 0:
        return x + partner(x);
      case 1:
        return x * partner(x);
      case 2:
        return op<Maximum>(x, partner(x));
      case 3:
        return op<Tanh>(x);
      case 4:
        return op<Sigmoid>(x);
      case 5:
        return op<Neg>(x);
      case 6:
        return op<Permute>({{1, 0}}, x);
      case 7:
        return op<Sum>({.axes = axis, .keepdims = true}, x);
      case 8:
        return op<ReduceMax>({.axes = {1}, .keepdims = true}, x + 1.0);
      case 9:
        return op<Softmax>({.axis = axis[0]}, x);
      case 10:
        return matmul(x);
      case 11:
        return x.shape()[1].is(4) ? op<Slice>({1, {Dim(1), Dim(4)}, 1}, x) : op<Exp>(-x);
      case 12: {
        Var flat = op<Reshape>({{shape_numel(x.shape())}}, op<Permute>({{1, 0}}, x));
        return op<Reshape>({x.shape()}, flat);
      }
      default: {
        const Var parts[] = {x, x};
        return op<Slice>({0, {Dim(0), x.shape()[0]}, 1},
                         std::move(ops<Concat>({0}, parts).front()));
      }
    }
  }

  Var matmul(const Var& x) {
    for (int i = 0; i < 20; ++i) {
      const Var& y = any();
      if (y.shape()[0].same_as(x.shape()[1])) return op<MatMul>(x, y);
      if (y.shape()[1].same_as(x.shape()[1])) return op<MatMul>(x, op<Permute>({{1, 0}}, y));
    }
    return op<Abs>(x);
  }

  Graph& g_;
  GraphEmitter emitter_;
  std::mt19937 rng_;
  std::vector<Var> pool_;
};

void check_graph(const Graph& g, const Graph& meaning, uint32_t seed) {
  runtime::Program p = runtime::Program::build(g);
  runtime::Context c(p);
  for (int64_t n : {2, 0, 1, 7, 130, 3}) {
    std::vector<Tensor> in{random_f32({n, 4}, seed), random_f32({3, 4}, seed + 1),
                           random_f32({4, n}, seed + 2), random_f32({1, 4}, seed + 3)};
    std::vector<Tensor> got, want;
    // A maximum of nothing is an error: of both, or of neither.
    std::string error = error_of([&] { got = p.run(c, in); });
    std::string eager = error_of([&] { want = run_eagerly(meaning, in, {{Dim::symbol("N"), n}}); });
    INFO("seed " << seed << " N " << n << "\n" << error << "\n" << eager);
    CHECK(error.empty() == eager.empty());
    if (!error.empty() || !eager.empty()) continue;
    CHECK(c.arena_bytes() <= 2 * c.live_bytes());
    for (size_t i = 0; i < want.size(); ++i) {
      if (same_bits(got[i], want[i])) continue;
      INFO("seed " << seed << " N " << n << " result " << i << "\n" << print(g));
      CHECK(same_bits(got[i], want[i]));
    }
  }
}

}  // namespace

TEST_CASE("random graphs give the bits of eager execution") {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    Graph g;
    Grower(g, seed).grow(4 + static_cast<int>(seed % 24));
    verify(g);
    check_graph(g, g, seed);
    Graph optimized = g;
    passes::PassOptions options;
    options.verify_each = true;
    passes::optimize(optimized, options);
    check_graph(optimized, g, seed);
  }
}
