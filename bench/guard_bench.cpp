// What guards cost: functions through jit, with and without decisions of the host, beside the
// compiled program called directly and beside eager.
//   guard_bench [--threads N] [--rounds N] [--only TEXT]
#include "bench/measure.h"
#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "etch/random.h"

namespace etch::bench {
namespace {

/// Decisions that the function's course depends on; all of them always come out alike.
enum class Guards { None, OneSize, OneValue, EightValues, StateBehindValue };
constexpr std::pair<const char*, Guards> kGuards[] = {
    {"no guard", Guards::None},
    {"one guard on a size", Guards::OneSize},
    {"one guard on a value", Guards::OneValue},
    {"eight guards on values", Guards::EightValues},
    {"a state update behind a guard", Guards::StateBehindValue},
};

struct Function {
  Guards guards;
  Tensor w1, w2, mean;  // the last is captured state

  Tensor operator()(const Tensor& x) {
    if (guards == Guards::OneSize && x.size(0) > 1000) return x * 0;
    Tensor h = relu(matmul(x, w1));
    const int values = guards == Guards::EightValues ? 8 : guards >= Guards::OneValue ? 1 : 0;
    for (int i = 0; i < values; ++i) {
      if (sum(h).item<float>() < static_cast<float>(-1 - i)) h = h * 2;
    }
    if (guards == Guards::StateBehindValue) mean.add_(sum(h) * 0.1);
    return tanh(matmul(h, w2));
  }
};

void measure(Session& session, const char* label, Guards guards, int64_t rows, int64_t width) {
  const std::string size = cat(rows, " x ", width);
  if (!session.wants("guards", label, size)) return;
  Generator rng(3);
  auto f = std::make_shared<Function>(
      Function{guards, randn({width, width}, rng), randn({width, width}, rng), zeros({}).clone()});
  const std::vector<Tensor> x = {randn({rows, width}, rng)};
  FlatFunction flat = [f](std::span<const Tensor> in) {
    return std::vector<NamedTensor>{{"y", (*f)(in[0])}};
  };
  CompileOptions how;
  how.mode = CompileMode::Sync;
  how.strict = true;
  // A size is only asked about once it was seen to change.
  TraceOptions trace;
  if (guards == Guards::OneSize) trace.dynamic = {{"x", 0, "N"}};
  auto jitted = std::make_shared<Jit>(flat, std::vector<std::string>{"x"}, trace, how);
  for (int i = 0; i < 3; ++i) (*jitted)(x);
  const JitStats stats = jitted->stats();
  if (stats.compiled != 1 || stats.replays != 1) {
    fail("guard_bench", cat(label, " is not replayed: ", jitted->explain_last_miss()));
  }
  auto program = std::make_shared<Compiled>(jitted->program());
  Case c;
  c.group = "guards";
  c.name = label;
  c.size = size;
  c.own = [=] { (*jitted)(x); };
  c.peers = {{"the program", 0, [=] { (*program)(x); }}, {"eager", 0, [=] { flat(x); }}};
  if (guards != Guards::None) {
    auto plain = std::make_shared<Function>(*f);
    plain->guards = Guards::None;
    FlatFunction without = [plain](std::span<const Tensor> in) {
      return std::vector<NamedTensor>{{"y", (*plain)(in[0])}};
    };
    auto other = std::make_shared<Jit>(without, std::vector<std::string>{"x"}, TraceOptions{}, how);
    for (int i = 0; i < 3; ++i) (*other)(x);
    c.peers.push_back({"jit without guards", 0, [=] { (*other)(x); }});
  }
  session.measure(c);
}

}  // namespace
}  // namespace etch::bench

int main(int argc, char** argv) {
  using namespace etch::bench;
  return run_program([&] {
    const Options options = parse_options("guard_bench", argc, argv);
    use_fair_environment(options, argv);
    etch::set_num_threads(options.threads);
    etch::NoGrad no_grad;
    Session session("guard_bench", options, "");
    for (const auto& [label, guards] : kGuards) {
      measure(session, label, guards, 4, 16);
      measure(session, label, guards, 64, 256);
    }
  });
}
