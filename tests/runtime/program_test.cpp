#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>
#include <thread>

#include "runtime/allocator.h"
#include "runtime/program/arena.h"
#include "runtime/program/evaluator.h"
#include "tests/runtime/program_support.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::test;

// Every allocation of this process is counted while a test asks for it. Sanitizers keep their own.
namespace {
std::atomic<size_t> allocations{0};
}
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Not inlined: GCC 12 would take the free() below for one of memory that its own new had given.
[[gnu::noinline]] void* operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(bytes == 0 ? 1 : bytes)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }
#endif

namespace {

const std::string kMlp = R"(
  symbol N in [0, 1024]
  %x = input "x" : f32[N, 12]
  %w1 = state "w1" : f32[16, 12]
  %b1 = state "b1" : f32[16]
  %w2 = state "w2" : f32[5, 16]
  %w1t = permute(%w1) {axes=[1, 0]} : f32[12, 16]
  %h = matmul(%x, %w1t) : f32[N, 16]
  %hb = add(%h, %b1) : f32[N, 16]
  %a = gelu(%hb) {tanh=false} : f32[N, 16]
  %w2t = permute(%w2) {axes=[1, 0]} : f32[16, 5]
  %y = matmul(%a, %w2t) : f32[N, 5]
  %p = softmax(%y) {axis=1} : f32[N, 5]
  result "p" = %p
  result "h" = %hb
)";

State mlp_state() {
  State s;
  s.set("w1", random_f32({16, 12}, 1));
  s.set("b1", random_f32({16}, 2));
  s.set("w2", random_f32({5, 16}, 3));
  return s;
}

std::vector<Tensor> with_state(const ir::Graph& g, const State& s, std::vector<Tensor> inputs) {
  std::vector<Tensor> out;
  size_t next = 0;
  for (const ir::GraphInput& in : g.inputs()) {
    out.push_back(in.kind == ir::InputKind::State ? s.get(in.name) : inputs[next++]);
  }
  return out;
}

SymbolBindings size_n(int64_t n) { return {{Dim::symbol("N"), n}}; }

/// Checks program against eager, bit for bit, on inputs of the given sizes.
void check_same(const std::string& text, const std::vector<Tensor>& inputs,
                const SymbolBindings& sizes = {}) {
  ir::Graph g = graph(text);
  Program p = Program::build(g);
  Context c(p);
  for (int round = 0; round < 2; ++round) {
    std::vector<Tensor> got = p.run(c, inputs), want = run_eagerly(g, inputs, sizes);
    REQUIRE(got.size() == want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      INFO(text << "result " << i);
      CHECK(same_bits(got[i], want[i]));
    }
  }
}

}  // namespace

TEST_CASE("a program gives the bits of eager execution at every size of a dynamic axis") {
  ir::Graph g = graph(kMlp);
  Program p = Program::build(g);
  Context c(p);
  State state = mlp_state();
  for (int64_t n : {0, 1, 2, 7, 360, 7, 1}) {
    std::vector<Tensor> in{random_f32({n, 12}, static_cast<uint32_t>(n))};
    std::vector<Tensor> got = p.run(state, c, in);
    std::vector<Tensor> want = run_eagerly(g, with_state(g, state, in), size_n(n));
    REQUIRE(got.size() == 2);
    CHECK(same_bits(got[0], want[0]));
    CHECK(same_bits(got[1], want[1]));
  }
}

TEST_CASE("windows, copies and every kind of step agree with eager") {
  Tensor x = random_f32({4, 6}, 5), y = random_f32({6, 4}, 6);
  SECTION("a transposed operand of elementwise operators and matmul") {
    check_same(R"(%x = input "x" : f32[4, 6]
      %y = input "y" : f32[6, 4]
      %t = permute(%y) {axes=[1, 0]} : f32[4, 6]
      %s = add(%x, %t) : f32[4, 6]
      %m = matmul(%t, %y) : f32[4, 4]
      result "s" = %s
      result "m" = %m
      result "t" = %t
)",
               {x, y});
  }
  SECTION("a reshape of a transposed value needs a copy") {
    check_same(R"(%x = input "x" : f32[4, 6]
      %t = permute(%x) {axes=[1, 0]} : f32[6, 4]
      %r = reshape(%t) {shape=dims[3, 8]} : f32[3, 8]
      %e = exp(%r) : f32[3, 8]
      result "e" = %e
      result "r" = %r
)",
               {x});
  }
  SECTION("slices, concat and row lookup") {
    Tensor rows = tensor<int64_t>({3, 0, -1});
    check_same(R"(%x = input "x" : f32[4, 6]
      %i = input "i" : i64[3]
      %s = slice(%x) {axis=1, range=dims[1, 6], step=2} : f32[4, 3]
      %u = slice(%x) {axis=1, range=dims[0, 3], step=1} : f32[4, 3]
      %c = concat(%s, %u) {axis=0} : f32[8, 3]
      %g = index_select(%c, %i) {axis=0} : f32[3, 3]
      %z = sum(%g) {axes=[0], keepdims=false} : f32[3]
      result "z" = %z
      result "c" = %c
      result "s" = %s
)",
               {x, rows});
  }
  SECTION("results that are inputs, constants or given twice") {
    check_same(R"(%x = input "x" : f32[4, 6]
      %k = constant [0x3f800000, 0x40000000] : f32[2]
      %n = neg(%x) : f32[4, 6]
      result "x" = %x
      result "k" = %k
      result "n" = %n
      result "again" = %n
)",
               {x});
  }
  SECTION("a convolution of a window") {
    check_same(R"(%x = input "x" : f32[2, 3, 5, 5]
      %w = input "w" : f32[3, 4, 3, 3]
      %wt = permute(%w) {axes=[1, 0, 2, 3]} : f32[4, 3, 3, 3]
      %y = conv2d(%x, %wt) {stride=[1, 1], padding=[1, 1, 1, 1], dilation=[1, 1], groups=1} : f32[2, 4, 5, 5]
      %r = relu(%y) : f32[2, 4, 5, 5]
      result "r" = %r
)",
               {random_f32({2, 3, 5, 5}, 8), random_f32({3, 4, 3, 3}, 9)});
  }
}

TEST_CASE("values made from sizes follow the sizes of the call") {
  const std::string text = R"(
    symbol N in [0, 4096]
    %x = input "x" : f32[N, 3]
    %one = full() {shape=dims[N, 3], value=f32:0x3f800000} : f32[N, 3]
    %r = arange() {size=dims[N], start=2, step=3, dtype=i64} : i64[N]
    %d = dim_value() {dim=dims[2*N + 1], dtype=f32} : f32[]
    %s = add(%x, %one) : f32[N, 3]
    %m = mul(%s, %d) : f32[N, 3]
    %f = reshape(%m) {shape=dims[3*N]} : f32[3*N]
    %q = sum(%f) {axes=[0], keepdims=false} : f32[]
    result "f" = %f
    result "q" = %q
    result "r" = %r
    result "d" = %d
)";
  for (int64_t n : {0, 1, 2, 7, 360}) check_same(text, {random_f32({n, 3}, 4)}, size_n(n));
}

TEST_CASE("strided inputs are read like their dense copies") {
  const std::string text = R"(
    %x = input "x" : f32[6, 4]
    %e = exp(%x) : f32[6, 4]
    %s = sum(%e) {axes=[1], keepdims=false} : f32[6]
    result "s" = %s
)";
  Tensor base = random_f32({4, 6}, 11);
  check_same(text, {base.t()});
  check_same(text, {random_f32({12, 8}, 12).slice(0, 0, 12, 2).slice(1, 2, 6)});
  check_same(text, {random_f32({1, 4}, 13).expand({6, 4})});
}

TEST_CASE("a training step writes its state after everything has succeeded") {
  const std::string text = R"(
    %x = input "x" : f32[8, 3]
    %i = input "i" : i64[1]
    %w = state "w" : f32[3, 2]
    %n = state "steps" : i64[]
    %y = matmul(%x, %w) : f32[8, 2]
    %xt = permute(%x) {axes=[1, 0]} : f32[3, 8]
    %g = matmul(%xt, %y) : f32[3, 2]
    %lr = full() {shape=dims[], value=f32:0x3c23d70a} : f32[]
    %d = mul(%g, %lr) : f32[3, 2]
    %w1 = sub(%w, %d) : f32[3, 2]
    %one = full() {shape=dims[], value=i64:0x1} : i64[]
    %n1 = add(%n, %one) : i64[]
    %row = index_select(%y, %i) {axis=0} : f32[1, 2]
    result "row" = %row
    result "w.next" = %w1 -> state 2
    result "steps.next" = %n1 -> state 3
)";
  ir::Graph g = graph(text);
  Program p = Program::build(g);
  CHECK(p.writes_state());
  Context c(p);
  State state;
  Tensor w = random_f32({3, 2}, 21), n = scalar_tensor(0, DType::I64);
  state.set("w", w);
  state.set("steps", n);
  State other = state.clone();
  Tensor x = random_f32({8, 3}, 22), row = tensor<int64_t>({3});
  for (int step = 0; step < 4; ++step) {
    std::vector<Tensor> want = run_eagerly(g, std::vector<Tensor>{x, row, w, n});
    std::vector<Tensor> got = p.run(state, c, std::vector<Tensor>{x, row});
    CHECK(same_bits(got[0], want[0]));
    w = want[1];
    n = want[2];
    CHECK(same_bits(state.get("w"), w));
    CHECK(same_bits(state.get("steps"), n));
  }
  CHECK(state.version(0) == 5);

  SECTION("a failing run leaves it as it was") {
    Tensor outside = tensor<int64_t>({8});
    CHECK_THROWS_AS(p.run(state, c, std::vector<Tensor>{x, outside}), UserError);
    CHECK(same_bits(state.get("w"), w));
    CHECK(same_bits(state.get("steps"), n));
    CHECK(state.version(0) == 5);
    CHECK(p.run(state, c, std::vector<Tensor>{x, row}).size() == 1);
  }
  SECTION("clones go their own way") { CHECK(other.get("steps").to_vector<int64_t>()[0] == 0); }
  SECTION("a State that is only read refuses to be written") {
    const State& read_only = state;
    CHECK_THROWS_AS(p.run(read_only, c, std::vector<Tensor>{x, row}), UserError);
  }
  SECTION("handles taken before keep their values") {
    Tensor before = state.at(0);
    Tensor copy = before.clone();
    for (int i = 0; i < 3; ++i) p.run(state, c, std::vector<Tensor>{x, row});
    CHECK(same_bits(before, copy));
  }
}

TEST_CASE("two states may trade places") {
  Program p = Program::build(graph(R"(
    %a = state "a" : f32[3]
    %b = state "b" : f32[3]
    result "a.next" = %b -> state 0
    result "b.next" = %a -> state 1
)"));
  Context c(p);
  State s;
  Tensor a = random_f32({3}, 1), b = random_f32({3}, 2);
  s.set("a", a);
  s.set("b", b);
  for (int i = 0; i < 3; ++i) p.run(s, c, std::vector<Tensor>{});
  CHECK(same_bits(s.get("a"), b));
  CHECK(same_bits(s.get("b"), a));
}

TEST_CASE("calls no larger than an earlier one allocate nothing") {
  ir::Graph g = graph(kMlp);
  Program p = Program::build(g);
  Context c(p);
  const State state = mlp_state();
  std::vector<float> x(360 * 12, 0.5f), probs(360 * 5), hidden(360 * 16);
  auto call = [&](int64_t n) {
    const int64_t sizes[] = {n, 12};
    const InputView in[] = {{x.data(), DType::F32, sizes, {}}};
    const OutputView out[] = {{probs.data(), probs.size() * 4}, {hidden.data(), hidden.size() * 4}};
    p.run(state, c, in, out);
  };
  // The interpreter plans a way of walking when it first meets one: rows, tiles, nothing.
  for (int64_t n : {360, 1, 0, 2, 7}) call(n);
  size_t before = allocations.load(), live = memory_stats().live, cached = memory_stats().cached;
  for (int64_t n : {359, 3, 6, 0, 360, 1, 100}) call(n);
  CHECK(allocations.load() == before);
  CHECK(memory_stats().live == live);
  CHECK(memory_stats().cached == cached);
}

TEST_CASE("convolutions of a program allocate nothing after the first call") {
  Program p = Program::build(graph(R"(
    %x = input "x" : f32[2, 8, 11, 11]
    %w = state "w" : f32[20, 8, 7, 7]
    %k = state "k" : f32[20, 1, 3, 3]
    %a = conv2d(%x, %w) {stride=[2, 2], padding=[3, 3, 3, 3], dilation=[1, 1], groups=1} : f32[2, 20, 6, 6]
    %b = conv2d(%a, %k) {stride=[1, 1], padding=[1, 1, 1, 1], dilation=[1, 1], groups=20} : f32[2, 20, 6, 6]
    result "b" = %b
)"));
  Context c(p);
  State s;
  s.set("w", random_f32({20, 8, 7, 7}, 1));
  s.set("k", random_f32({20, 1, 3, 3}, 2));
  const State& state = s;
  std::vector<float> x(2 * 8 * 121, 0.5f), y(2 * 20 * 36);
  const int64_t sizes[] = {2, 8, 11, 11};
  const InputView in[] = {{x.data(), DType::F32, sizes, {}}};
  const OutputView out[] = {{y.data(), y.size() * 4}};
  p.run(state, c, in, out);
  const size_t before = allocations.load(), live = memory_stats().live;
  for (int i = 0; i < 3; ++i) p.run(state, c, in, out);
  CHECK(allocations.load() == before);
  CHECK(memory_stats().live == live);
}

TEST_CASE("wrong inputs are named with what was expected") {
  Program p = Program::build(graph(R"(
    symbol N in [1, 8]
    %x = input "x" : f32[N, 3]
    %y = input "y" : f32[3, N]
    %m = matmul(%x, %y) : f32[N, N]
    result "m" = %m
)"));
  Context c(p);
  auto run = [&](std::vector<int64_t> xs, std::vector<int64_t> ys) {
    return error_of([&] { p.run(c, std::vector<Tensor>{random_f32(xs, 1), random_f32(ys, 2)}); });
  };
  CHECK(run({2, 3}, {3, 2}).empty());
  CHECK_THAT(run({2, 4}, {3, 2}), Catch::Contains("input 'x' axis 1: expected 3, got 4"));
  CHECK_THAT(run({2, 3}, {3, 5}),
             Catch::Contains("input 'y' axis 1: expected 2 (N with N = 2), got 5"));
  CHECK_THAT(run({9, 3}, {3, 9}), Catch::Contains("size N = 9 is outside its range 1 to 8"));
  CHECK_THAT(run({2, 3, 1}, {3, 2}),
             Catch::Contains("input 'x': expected f32[N, 3], got f32[2, 3, 1]"));
  CHECK_THAT(error_of([&] { p.run(c, std::vector<Tensor>{}); }),
             Catch::Contains("expected 2 inputs"));
  CHECK(run({2, 3}, {3, 2}).empty());
}

TEST_CASE("a constraint between sizes is checked at each call, and asked for without an error") {
  Program p = Program::build(graph(R"(
    symbol N in [1, 8]
    symbol M
    require [2*M <= N] at "net.cpp":12
    require [N != 3]
    %x = input "x" : f32[N]
    %y = input "y" : f32[4, M]
    %s = sum(%y) {axes=[], keepdims=false} : f32[]
    %z = add(%x, %s) : f32[N]
    result "z" = %z
)"));
  Context c(p);
  auto run = [&](int64_t n, int64_t m) {
    return error_of(
        [&] { p.run(c, std::vector<Tensor>{random_f32({n}, 1), random_f32({4, m}, 2)}); });
  };
  CHECK(run(4, 2).empty());
  CHECK_THAT(run(4, 3),
             Catch::Contains("expected 2*M <= N with M = 3 (input 'y' axis 1), N = 4 (input 'x' "
                             "axis 0)") &&
                 Catch::Contains("net.cpp:12"));
  CHECK_THAT(run(3, 1), Catch::Contains("expected N != 3 with N = 3"));
  CHECK(run(4, 0).empty());

  auto symbols = [&](std::vector<int64_t> x, std::vector<int64_t> y) {
    return p.symbols_of(std::vector<Tensor>{random_f32(x, 1), random_f32(y, 2)});
  };
  CHECK(p.check_constraints(*symbols({4}, {4, 2})) == -1);
  CHECK(p.check_constraints(*symbols({4}, {4, 3})) == 0);
  CHECK(p.check_constraints(*symbols({3}, {4, 1})) == 1);
  CHECK_FALSE(symbols({9}, {4, 1}).has_value());
  CHECK_FALSE(symbols({4}, {5, 1}).has_value());
  CHECK_FALSE(symbols({4, 1}, {4, 1}).has_value());
  CHECK_FALSE(p.symbols_of(std::vector<Tensor>{random_f32({4}, 1)}).has_value());
}

TEST_CASE("memory that overlaps, is too small or misses is refused") {
  Program p = Program::build(graph(R"(
    %x = input "x" : f32[4]
    %y = neg(%x) : f32[4]
    result "y" = %y
)"));
  Context c(p);
  const State none;
  float data[8] = {1, 2, 3, 4};
  const int64_t sizes[] = {4};
  const InputView in[] = {{data, DType::F32, sizes, {}}};
  auto run = [&](void* to, size_t bytes) {
    const OutputView out[] = {{to, bytes}};
    return error_of([&] { p.run(none, c, in, out); });
  };
  CHECK(run(data + 4, 16).empty());
  CHECK(data[7] == -4);
  CHECK_THAT(run(data + 3, 16), Catch::Contains("overlaps"));
  CHECK_THAT(run(data + 4, 12), Catch::Contains("takes 16 aligned bytes, got 12"));
  CHECK_THAT(run(nullptr, 16), Catch::Contains("output 'y'"));
}

TEST_CASE("sizes that an operator cannot take are refused when they come") {
  auto errors = [](const std::string& text, std::vector<int64_t> good, std::vector<int64_t> bad) {
    Program p = Program::build(graph(text));
    Context c(p);
    CHECK(error_of([&] { p.run(c, std::vector<Tensor>{random_f32(good, 1)}); }).empty());
    return error_of([&] { p.run(c, std::vector<Tensor>{random_f32(bad, 1)}); });
  };
  CHECK_THAT(errors(R"(
    %x = input "x" : f32[N]
    %s = slice(%x) {axis=0, range=dims[2, 5], step=1} : f32[3]
    %e = exp(%s) : f32[3]
    result "e" = %e
)",
                    {5}, {4}),
             Catch::Contains("'slice': range 2 to 5 does not fit axis 0 of size N with N = 4"));
  CHECK_THAT(errors(R"(
    %x = input "x" : f32[N, 8]
    %t = permute(%x) {axes=[1, 0]} : f32[8, N]
    %s = slice(%t) {axis=1, range=dims[0, 5], step=1} : f32[8, 5]
    result "s" = %s
)",
                    {7, 8}, {4, 8}),
             Catch::Contains("with N = 4"));
  CHECK_THAT(errors(R"(
    %x = input "x" : f32[3, N]
    %m = amax(%x) {axes=[1], keepdims=false} : f32[3]
    result "m" = %m
)",
                    {3, 1}, {3, 0}),
             Catch::Contains("'amax': axis 1 has no elements to choose from"));
}

TEST_CASE("temporaries lie apart while they live, close to the least that any plan needs") {
  std::mt19937 rng(7);
  for (int round = 0; round < 60; ++round) {
    std::vector<Lifetime> buffers(1 + rng() % 40);
    for (Lifetime& b : buffers) {
      b.first = static_cast<int32_t>(rng() % 30);
      b.last = b.first + static_cast<int32_t>(rng() % 6);
      b.bytes = static_cast<int64_t>(rng() % 5000);
    }
    std::vector<int64_t> offsets(buffers.size());
    int64_t total = ArenaPlanner().place(buffers, offsets);
    CHECK(total >= live_bytes(buffers));
    CHECK(total <= live_bytes(buffers) * 3 / 2);
    for (size_t i = 0; i < buffers.size(); ++i) {
      CHECK(offsets[i] % kArenaAlign == 0);
      CHECK(offsets[i] + buffers[i].bytes <= total);
      for (size_t j = 0; j < i; ++j) {
        const Lifetime &a = buffers[i], &b = buffers[j];
        if (a.first > b.last || b.first > a.last) continue;
        CHECK((offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i]));
      }
    }
  }
}

TEST_CASE("a chain of elementwise kernels runs in the memory of its first value") {
  std::string text = "%0 = input \"x\" : f32[1000]\n%1 = exp(%0) : f32[1000]\n";
  for (int i = 2; i <= 9; ++i) text += cat("%", i, " = sigmoid(%", i - 1, ") : f32[1000]\n");
  text += "%10 = sum(%9) {axes=[0], keepdims=false} : f32[]\nresult \"s\" = %10\n";
  Program p = Program::build(graph(text));
  Context c(p);
  Tensor x = random_f32({1000}, 3);
  CHECK(same_bits(p.run(c, std::vector<Tensor>{x})[0],
                  run_eagerly(p.graph(), std::vector<Tensor>{x})[0]));
  CHECK(c.arena_bytes() == 4032);
  CHECK(c.arena_bytes() == c.live_bytes());
}

namespace {

void negate(const ir::loop::KernelArgs* a) {
  const auto* in = static_cast<const float*>(a->buffers[0]);
  auto* out = static_cast<float*>(a->buffers[1]);
  for (int64_t i = a->begin; i < a->end; ++i) out[i] = -in[i];
}

/// Has code for one kernel only, and hands it out when told to.
class NegSource final : public KernelSource {
 public:
  std::shared_ptr<const NativeKernel> find(const ir::loop::Kernel&) override { return nullptr; }
  void request(const ir::loop::Kernel& k, const std::shared_ptr<NativeSlot>& slot) override {
    k.name == "k_neg" ? void(slot_ = slot) : slot->refuse("only neg has code");
  }
  void finish() {
    slot_->set(std::make_shared<NativeKernel>(NativeKernel{&negate, 64, 0, nullptr}));
  }

 private:
  std::shared_ptr<NativeSlot> slot_;
};

}  // namespace

TEST_CASE("machine code that arrives later replaces the interpreter") {
  const std::string text = R"(
    %x = input "x" : f32[5000]
    %n = neg(%x) : f32[5000]
    %e = exp(%n) : f32[5000]
    result "n" = %n
    result "e" = %e
)";
  NegSource source;
  Program p = Program::build(graph(text), {.kernels = &source});
  Context c(p);
  std::vector<Tensor> x{random_f32({5000}, 1)};
  std::vector<Tensor> first = p.run(c, x);
  CHECK(p.stats().native == 0);
  CHECK(p.stats().refused == 1);
  CHECK(p.stats().interpreted_runs == 2);
  source.finish();
  std::vector<Tensor> second = p.run(c, x);
  CHECK(p.stats().native == 1);
  CHECK(p.stats().native_runs == 1);
  CHECK(same_bits(first[0], second[0]));
  CHECK(same_bits(first[1], second[1]));
  CHECK_THAT(error_of([&] { Program::build(graph(text), {.kernels = &source, .strict = true}); }),
             Catch::Contains("has no machine code"));
}

TEST_CASE("threads share a program and a State that is only read") {
  ir::Graph g = graph(kMlp);
  Program p = Program::build(g);
  const State state = mlp_state();
  std::vector<Tensor> want(4);
  Context own(p);
  for (int64_t n = 0; n < 4; ++n) {
    want[static_cast<size_t>(n)] =
        p.run(state, own, std::vector<Tensor>{random_f32({n + 1, 12}, 40)})[0];
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Context c(p);
      for (int i = 0; i < 20; ++i) {
        Tensor x = random_f32({static_cast<int64_t>(t) + 1, 12}, 40);
        wrong += !same_bits(p.run(state, c, std::vector<Tensor>{x})[0], want[t]);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("a fusion whose body cannot be one kernel runs as its operators") {
  ir::Graph g = ir::parse(R"(etch.ir 1
fn @f "odd" {
  %0 = input "a" : f32[4, 6]
  %1 = sum(%0) {axes=[0], keepdims=true} : f32[1, 6]
  %2 = add(%0, %1) : f32[4, 6]
  %3 = sum(%2) {axes=[1], keepdims=false} : f32[4]
  result "r" = %3
  result "s" = %2
}
graph "main" {
  %0 = input "x" : f32[4, 6]
  %1, %2 = fusion @f(%0) : f32[4], f32[4, 6]
  result "y" = %1
  result "z" = %2
}
)");
  Program p = Program::build(g);
  Context c(p);
  std::vector<Tensor> x{random_f32({4, 6}, 5)};
  std::vector<Tensor> got = p.run(c, x), want = run_eagerly(g, x);
  CHECK(same_bits(got[0], want[0]));
  CHECK(same_bits(got[1], want[1]));
}

TEST_CASE("the evaluator computes constants within its budget") {
  ir::Graph g = graph(R"(
    %a = input "a" : f32[3, 4]
    %t = permute(%a) {axes=[1, 0]} : f32[4, 3]
    %e = exp(%t) : f32[4, 3]
    result "e" = %e
    result "t" = %t
)");
  Tensor a = random_f32({3, 4}, 9);
  auto data = std::make_shared<std::vector<float>>(a.to_vector<float>());
  const int64_t sizes[] = {3, 4};
  std::vector in{ir::make_constant(DType::F32, sizes, {data, data->data()})};
  ProgramEvaluator evaluator;
  auto got = evaluator.evaluate(g, in, 96);
  auto want = run_eagerly(g, std::vector<Tensor>{a});
  REQUIRE(got.size() == 2);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(same_bits(from_bytes(got[i]->data.get(), got[i]->sizes, got[i]->dtype), want[i]));
  }
  CHECK_THAT(error_of([&] { evaluator.evaluate(g, in, 95); }), Catch::Contains("budget is 95"));
}
