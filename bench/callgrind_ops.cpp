// Runs small operators many times, for counting their instructions: bench/callgrind_ops.py runs
// this under callgrind, which counts while `etch_measured` is on the stack. Each operator runs as
// it is, with a gradient (so that the tape keeps it) and inside a recording. Prints the compiler,
// then repetitions and names in order.
#include <cstdio>
#include <exception>

#include "etch/autograd.h"
#include "etch/ops.h"
#include "etch/random.h"
#include "tracer/recorder.h"

namespace {

using etch::NoGrad;
using etch::Tensor;

constexpr int kRepeats = 200;

struct Operands {
  Tensor a, b, row, column, p, q, target;
};

struct Op {
  const char* name;
  void (*once)(Operands& o);
  bool taped = true;  // also counted with a gradient
};

/// Its name is known to the script, so it stays a function.
extern "C" [[gnu::noinline]] void etch_measured(const Op* op, Operands* operands) {
  for (int i = 0; i < kRepeats; ++i) op->once(*operands);
}

void measure(const Op& op, Operands& operands, const char* how) {
  for (int i = 0; i < 3; ++i) op.once(operands);
  etch_measured(&op, &operands);
  std::printf("%d %s%s\n", kRepeats, op.name, how);
}

Operands draw() {
  etch::Generator rng(1);
  return {etch::rand({16}, rng),   etch::rand({16}, rng),   etch::rand({4, 4}, rng),
          etch::rand({4, 1}, rng), etch::rand({8, 8}, rng), etch::rand({8, 8}, rng),
          etch::rand({16}, rng)};
}

void plain(const Op& op) {
  Operands operands = draw();
  NoGrad no_grad;
  measure(op, operands, "");
}

void taped(const Op& op) {
  Operands operands = draw();
  for (Tensor* t : {&operands.a, &operands.row, &operands.p}) t->requires_grad_();
  measure(op, operands, ", on the tape");
}

void recorded(const Op& op) {
  Operands o = draw();
  NoGrad no_grad;
  etch::TraceOptions options;
  options.state = {{"target", o.target}};
  etch::tracer::GraphRecorder recorder(options);
  etch::tracer::Recording recording(recorder);
  const etch::NamedTensor inputs[] = {{"a", o.a},           {"b", o.b}, {"row", o.row},
                                      {"column", o.column}, {"p", o.p}, {"q", o.q}};
  for (const etch::NamedTensor& input : inputs) recorder.add_input(input);
  measure(op, o, ", in a recording");
}

const Op kOps[] = {
    {"add, 16 elements", [](Operands& o) { o.a + o.b; }},
    {"mul by a number, 16 elements", [](Operands& o) { o.a * 0.5; }},
    {"tanh, 16 elements", [](Operands& o) { tanh(o.a); }},
    {"add in place, 16 elements", [](Operands& o) { o.target.add_(o.b); }, false},
    {"add, [4, 4] and [4, 1]", [](Operands& o) { o.row + o.column; }},
    {"sum, [4, 4] over rows", [](Operands& o) { sum(o.row, etch::Axes{1}); }},
    {"softmax, [4, 4]", [](Operands& o) { softmax(o.row, 1); }},
    {"gelu, 16 elements", [](Operands& o) { gelu(o.a); }},
    {"matmul, 8 x 8", [](Operands& o) { matmul(o.p, o.q); }},
    {"view", [](Operands& o) { o.a.view({4, 4}); }},
    {"slice", [](Operands& o) { o.a.slice(0, 0, 8); }},
};

const Op kBackward = {"add, mul, sum and backward", [](Operands& o) {
                        sum((o.a + o.b) * o.a).backward();
                        o.a.set_grad({});
                      }};

int run() {
  etch::set_num_threads(1);
  std::printf("%s\n", __VERSION__);
  for (const Op& op : kOps) {
    plain(op);
    if (op.taped) taped(op);
    recorded(op);
  }
  taped(kBackward);
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
