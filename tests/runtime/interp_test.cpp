#include <catch2/catch.hpp>

#include "ir/loop/lower.h"
#include "runtime/interp/interp.h"
#include "runtime/isa.h"
#include "runtime/threads.h"
#include "tests/support/kernel_cases.h"

using namespace etch;
using namespace etch::ir;
using namespace etch::runtime;
using namespace etch::test;

namespace {

std::vector<Dense> outputs_of(const KernelCase& c) {
  std::vector<Dense> out;
  for (const GraphResult& r : c.graph.results()) {
    const TensorType& t = c.graph.type(r.value);
    out.emplace_back(t.dtype, shape_eval(t.shape, c.bindings));
  }
  return out;
}

/// Runs in three uneven pieces, or on the pool.
std::vector<Dense> interpret(const KernelCase& c, std::vector<Dense> inputs, bool parallel) {
  loop::Lowered lowered = loop::lower(c.graph);
  REQUIRE(lowered.kernel.has_value());
  Block block(*lowered.kernel);
  loop::BoundKernel bound;
  loop::bind(block.kernel(), c.bindings, bound);
  std::vector<Dense> outputs = outputs_of(c);
  std::vector<void*> buffers;
  for (Dense& d : inputs) buffers.push_back(d.bytes.data());
  for (Dense& d : outputs) buffers.push_back(d.bytes.data());
  if (parallel) {
    block.run_parallel(bound, buffers.data());
  } else {
    int64_t a = bound.outer_points / 3, b = bound.outer_points * 5 / 7;
    block.run(bound, buffers.data(), 0, a);
    block.run(bound, buffers.data(), b, bound.outer_points);
    block.run(bound, buffers.data(), a, b);
  }
  return outputs;
}

void check(int64_t n, int64_t d, bool specials) {
  for (const KernelCase& c : kernel_cases(n, d, n % 2 == 0)) {
    std::vector<Dense> inputs = random_inputs(c, 11, specials);
    std::vector<Dense> want = run_graph_naive(c.graph, inputs, c.bindings);
    for (Isa isa : {Isa::Generic, Isa::Avx2, Isa::Avx512}) {
      if (!isa_supported(isa)) continue;
      IsaOverride tier(isa);
      for (bool parallel : {false, true}) {
        std::vector<Dense> got = interpret(c, inputs, parallel);
        for (size_t i = 0; i < want.size(); ++i) {
          INFO(c.name << " on " << n << " x " << d << ", result " << i << ", " << name(isa)
                      << (parallel ? ", parallel" : ""));
          REQUIRE(first_difference(got[i], want[i]) == "");
        }
      }
    }
  }
}

struct Threads {
  explicit Threads(int n) : before(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  int before;
};

}  // namespace

TEST_CASE("the interpreter gives the oracle's bits on small and empty shapes") {
  for (auto [n, d] :
       {std::pair{1, 1}, {7, 3}, {0, 5}, {5, 0}, {4, 0}, {64, 7}, {7, 64}, {3, 300}}) {
    check(n, d, false);
  }
}

TEST_CASE("the interpreter gives the oracle's bits when blocks and chunks end anywhere") {
  Threads two(2);
  for (auto [n, d] : {std::pair{2, 513}, {513, 2}, {3, 4101}, {4101, 3}}) check(n, d, false);
}

TEST_CASE("the interpreter treats NaN, infinities and signed zeros as the oracle does") {
  for (auto [n, d] : {std::pair{5, 130}, {130, 5}}) check(n, d, true);
}

TEST_CASE("long sums have the same bits on one thread and on two") {
  for (auto [n, d] : {std::pair{1, 70001}, {70001, 1}, {20000, 5}}) {
    for (const KernelCase& c : kernel_cases(n, d, false)) {
      std::vector<Dense> inputs = random_inputs(c, 3);
      std::vector<Dense> one, two;
      {
        Threads t(1);
        one = interpret(c, inputs, true);
      }
      {
        Threads t(2);
        two = interpret(c, inputs, true);
      }
      for (size_t i = 0; i < one.size(); ++i) {
        INFO(c.name << " on " << n << " x " << d << ", result " << i);
        REQUIRE(first_difference(one[i], two[i]) == "");
      }
    }
  }
}
