// Runs small operators many times, for counting their instructions: bench/callgrind_ops.py runs
// this under callgrind, which counts while `etch_measured` is on the stack. Prints the compiler,
// then repetitions and names in order.
#include <cstdio>
#include <exception>
#include <functional>

#include "etch/autograd.h"
#include "etch/ops.h"
#include "etch/random.h"

namespace {

using etch::NoGrad;
using etch::Tensor;

constexpr int kRepeats = 200;

struct Row {
  const char* name;
  std::function<void()> once;
};

/// Its name is known to the script, so it stays a function.
extern "C" [[gnu::noinline]] void etch_measured(const Row* row) {
  for (int i = 0; i < kRepeats; ++i) row->once();
}

template <class F>
Row without_gradient(const char* name, F f) {
  return {name, [f] {
            NoGrad no_grad;
            f();
          }};
}

int run() {
  etch::Generator rng(1);
  etch::set_num_threads(1);
  const Tensor a = etch::rand({16}, rng), b = etch::rand({16}, rng);
  const Tensor row = etch::rand({4, 4}, rng), column = etch::rand({4, 1}, rng);
  const Tensor p = etch::rand({8, 8}, rng), q = etch::rand({8, 8}, rng);
  Tensor leaf = etch::rand({16}, rng), target = etch::rand({16}, rng);
  leaf.requires_grad_();
  const Row rows[] = {
      without_gradient("add, 16 elements", [&] { a + b; }),
      {"add, 16 elements, recorded", [&] { leaf + b; }},
      without_gradient("mul by a number, 16 elements", [&] { a * 0.5; }),
      without_gradient("tanh, 16 elements", [&] { tanh(a); }),
      without_gradient("add in place, 16 elements", [&] { target.add_(b); }),
      without_gradient("add, [4, 4] and [4, 1]", [&] { row + column; }),
      without_gradient("sum, [4, 4] over rows", [&] { sum(row, etch::Axes{1}); }),
      without_gradient("softmax, [4, 4]", [&] { softmax(row, 1); }),
      without_gradient("gelu, 16 elements", [&] { gelu(a); }),
      without_gradient("matmul, 8 x 8", [&] { matmul(p, q); }),
      without_gradient("view", [&] { a.view({4, 4}); }),
      without_gradient("slice", [&] { a.slice(0, 0, 8); }),
      {"add, mul, sum and backward",
       [&] {
         sum((leaf + b) * leaf).backward();
         leaf.set_grad({});
       }},
  };
  std::printf("%s\n", __VERSION__);
  for (const Row& r : rows) {
    for (int i = 0; i < 3; ++i) r.once();
    etch_measured(&r);
    std::printf("%d %s\n", kRepeats, r.name);
  }
  return 0;
}

}  // namespace

int main() {
  try {
    return run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}
