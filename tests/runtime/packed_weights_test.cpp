// Weights that programs keep in the layout of their kernels: same bits, packed once, never stale.
#include "runtime/program/packed_weights.h"

#include <catch2/catch.hpp>
#include <thread>

#include "runtime/allocator.h"
#include "runtime/isa.h"
#include "runtime/threads.h"
#include "tests/runtime/program_support.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::test;

namespace {

/// A weight that is read transposed, one as it lies, a window, and two that have no packed form: a
/// single column, and one per batch.
const std::string kProducts = R"(
  symbol N in [0, 64]
  %x = input "x" : f32[N, 12]
  %w1 = state "w1" : f32[40, 12]
  %w2 = state "w2" : f32[40, 33]
  %w3 = state "w3" : f32[33, 1]
  %w4 = state "w4" : f32[2, 12, 5]
  %w1t = permute(%w1) {axes=[1, 0]} : f32[12, 40]
  %h = matmul(%x, %w1t) : f32[N, 40]
  %y = matmul(%h, %w2) : f32[N, 33]
  %z = matmul(%y, %w3) : f32[N, 1]
  %rows = slice(%w2) {axis=0, range=dims[3, 36], step=1} : f32[33, 33]
  %part = slice(%rows) {axis=1, range=dims[1, 21], step=1} : f32[33, 20]
  %v = matmul(%y, %part) : f32[N, 20]
  %b = matmul(%x, %w4) : f32[2, N, 5]
  result "y" = %y
  result "z" = %z
  result "v" = %v
  result "b" = %b
)";

State products_state(uint32_t seed) {
  State s;
  s.set("w1", random_f32({40, 12}, seed));
  s.set("w2", random_f32({40, 33}, seed + 1));
  s.set("w3", random_f32({33, 1}, seed + 2));
  s.set("w4", random_f32({2, 12, 5}, seed + 3));
  return s;
}

/// Convolutions whose weights are packed in panels, per group, and per channel; f64 as well.
const std::string kConvs = R"(
  %x = input "x" : f32[2, 6, 9, 9]
  %d = input "d" : f64[1, 2, 5, 5]
  %w1 = state "w1" : f32[20, 6, 3, 3]
  %w2 = state "w2" : f32[12, 10, 3, 3]
  %w3 = state "w3" : f32[12, 1, 3, 3]
  %w4 = state "w4" : f64[3, 2, 2, 2]
  %a = conv2d(%x, %w1) {stride=[1, 1], padding=[1, 1, 1, 1], dilation=[1, 1], groups=1} : f32[2, 20, 9, 9]
  %b = conv2d(%a, %w2) {stride=[2, 2], padding=[1, 1, 1, 1], dilation=[1, 1], groups=2} : f32[2, 12, 5, 5]
  %c = conv2d(%b, %w3) {stride=[1, 1], padding=[1, 1, 1, 1], dilation=[1, 1], groups=12} : f32[2, 12, 5, 5]
  %e = conv2d(%d, %w4) {stride=[1, 1], padding=[0, 0, 0, 0], dilation=[1, 1], groups=1} : f64[1, 3, 4, 4]
  result "c" = %c
  result "e" = %e
)";

std::vector<Tensor> values_of(const ir::Graph& g, const State& s, std::span<const Tensor> inputs) {
  std::vector<Tensor> out;
  size_t next = 0;
  for (const ir::GraphInput& in : g.inputs()) {
    out.push_back(in.kind == ir::InputKind::State ? s.get(in.name) : inputs[next++]);
  }
  return out;
}

/// Whether a run gives what eager operators give on the State's present values.
bool agrees(const ir::Graph& g, const Program& p, const State& s, Context& c,
            const std::vector<Tensor>& inputs, const SymbolBindings& sizes = {}) {
  std::vector<Tensor> got = p.run(s, c, inputs);
  std::vector<Tensor> want = run_eagerly(g, values_of(g, s, inputs), sizes);
  if (got.size() != want.size()) return false;
  for (size_t i = 0; i < got.size(); ++i) {
    if (!same_bits(got[i], want[i])) return false;
  }
  return true;
}

bool agrees(const ir::Graph& g, const Program& p, const State& s, Context& c, int64_t n) {
  return agrees(g, p, s, c, {random_f32({n, 12}, 99)}, {{Dim::symbol("N"), n}});
}

Tensor random_f64(std::vector<int64_t> sizes, uint32_t seed) {
  return random_f32(sizes, seed).to(DType::F64);
}

}  // namespace

TEST_CASE("packed weights give the bits of eager at every size and instruction set") {
  const ir::Graph g = graph(kProducts);
  const State state = products_state(1);
  for (int tier = 0; tier < kIsaCount; ++tier) {
    if (!isa_supported(static_cast<Isa>(tier))) continue;
    IsaOverride use(static_cast<Isa>(tier));
    const Program p = Program::build(g);
    Context c(p);
    for (int64_t n : {0, 1, 2, 8, 33, 1}) CHECK(agrees(g, p, state, c, n));
  }
  CHECK(state.packed_bytes() > 0);
}

TEST_CASE("one Context may change the instruction set between runs") {
  const ir::Graph g = graph(kProducts);
  const State state = products_state(1);
  const Program p = Program::build(g);
  Context c(p);
  for (int round = 0; round < 2; ++round) {
    for (Isa isa : {Isa::Generic, best_isa()}) {
      IsaOverride use(isa);
      CHECK(agrees(g, p, state, c, 5));
    }
  }
}

TEST_CASE("packed convolution weights give the bits of eager") {
  const ir::Graph g = graph(kConvs);
  State s;
  s.set("w1", random_f32({20, 6, 3, 3}, 1));
  s.set("w2", random_f32({12, 10, 3, 3}, 2));
  s.set("w3", random_f32({12, 1, 3, 3}, 3));
  s.set("w4", random_f64({3, 2, 2, 2}, 4));
  const std::vector<Tensor> in{random_f32({2, 6, 9, 9}, 5), random_f64({1, 2, 5, 5}, 6)};
  const Program p = Program::build(g);
  Context c(p);
  CHECK(agrees(g, p, s, c, in));
  const size_t packed = s.packed_bytes();
  CHECK(packed >= 4 * (20 * 6 + 12 * 10 + 12) * 9 + 8 * 3 * 2 * 4);
  CHECK(agrees(g, p, s, c, in));
  CHECK(s.packed_bytes() == packed);
  s.set("w2", random_f32({12, 10, 3, 3}, 7));
  s.set("w4", random_f64({3, 2, 2, 2}, 8));
  CHECK(agrees(g, p, s, c, in));
  CHECK(s.packed_bytes() == packed);
}

TEST_CASE("a weight is packed by the first run that reads it and again when it changes") {
  const ir::Graph g = graph(kProducts);
  State state = products_state(1);
  const Program p = Program::build(g);
  Context c(p), other(p);
  CHECK(state.packed_bytes() == 0);
  CHECK(agrees(g, p, state, c, 3));
  const size_t all = state.packed_bytes();
  // w1, and w2 as a whole and as a window; columns in whole panels of at least 8.
  CHECK(all >= 4 * (12 * 40 + 40 * 33 + 33 * 20));
  CHECK(agrees(g, p, state, c, 3));
  CHECK(agrees(g, p, state, other, 7));
  CHECK(state.packed_bytes() == all);

  const size_t live = memory_stats().live;
  const uint64_t contents = state.contents(0);
  state.set("w1", random_f32({40, 12}, 50));
  CHECK(state.contents(0) != contents);
  CHECK(state.packed_bytes() < all);
  CHECK(agrees(g, p, state, c, 3));
  CHECK(agrees(g, p, state, other, 7));
  CHECK(state.packed_bytes() == all);
  CHECK(memory_stats().live == live);
  state = State();
  CHECK(state.packed_bytes() == 0);
}

TEST_CASE("two States on one program keep their own packed weights") {
  const ir::Graph g = graph(kProducts);
  const State a = products_state(1), b = products_state(10);
  const Program p = Program::build(g);
  Context c(p);
  for (int round = 0; round < 3; ++round) {
    CHECK(agrees(g, p, a, c, 4));
    CHECK(agrees(g, p, b, c, 4));
  }
  CHECK(a.packed_bytes() == b.packed_bytes());
}

TEST_CASE("a clone shares what is packed until either changes") {
  const ir::Graph g = graph(kProducts);
  State a = products_state(1);
  const Program p = Program::build(g);
  Context c(p);
  CHECK(agrees(g, p, a, c, 4));
  State b = a.clone();
  CHECK(b.contents(0) == a.contents(0));
  CHECK(b.packed_bytes() == a.packed_bytes());
  b.set("w1", random_f32({40, 12}, 60));
  CHECK(agrees(g, p, b, c, 4));
  CHECK(agrees(g, p, a, c, 4));
  State moved = std::move(b);
  CHECK(agrees(g, p, moved, c, 4));
}

TEST_CASE("weights of a loaded and of a trained State are never stale") {
  const std::string path = "packed_weights_state.safetensors";
  const ir::Graph g = graph(kProducts);
  State state = products_state(1);
  const Program p = Program::build(g);
  Context c(p);
  CHECK(agrees(g, p, state, c, 4));
  products_state(70).save(path);
  state.load(path);
  std::remove(path.c_str());
  CHECK(agrees(g, p, state, c, 4));
  const Program step = Program::build(graph(R"(
    %w1 = state "w1" : f32[40, 12]
    %half = add(%w1, %w1) : f32[40, 12]
    result "w1" = %half -> state 0
)"));
  Context training(step);
  for (int i = 0; i < 3; ++i) {
    step.run(state, training, std::vector<Tensor>{});
    CHECK(agrees(g, p, state, c, 4));
  }
}

TEST_CASE("weights of an attached tensor follow what is noted about it") {
  const ir::Graph g = graph(kProducts);
  State state = products_state(1);
  Tensor live = random_f32({40, 12}, 80);
  state.attach("w1", live);
  const Program p = Program::build(g);
  Context c(p);
  CHECK(agrees(g, p, state, c, 4));
  live.copy_(random_f32({40, 12}, 81));
  State copy = state.clone();  // of the values as they are, noted or not
  state.touch(0);
  CHECK(agrees(g, p, state, c, 4));
  CHECK(agrees(g, p, copy, c, 4));
  const size_t all = copy.packed_bytes();
  auto* w1 = live.data<float>();
  for (int i = 0; i < 2; ++i) {  // writes that nobody notes
    w1[5] += 1;
    CHECK(state.contents(0) == 0);
    CHECK(agrees(g, p, state, c, 4));
  }
  CHECK(agrees(g, p, copy, c, 4));
  CHECK(copy.packed_bytes() == all);
}

TEST_CASE("weights that the run writes are not packed") {
  const ir::Graph g = graph(R"(
    %x = input "x" : f32[4, 8]
    %w = state "w" : f32[8, 8]
    %y = matmul(%x, %w) : f32[4, 8]
    %next = add(%w, %w) : f32[8, 8]
    result "y" = %y
    result "w" = %next -> state 1
)");
  State s;
  s.set("w", random_f32({8, 8}, 1));
  const Program p = Program::build(g);
  Context c(p);
  for (int i = 0; i < 3; ++i) {
    Tensor x = random_f32({4, 8}, 2);
    Tensor want = run_eagerly(g, std::vector<Tensor>{x, s.get("w")})[0];
    CHECK(same_bits(p.run(s, c, std::vector<Tensor>{x})[0], want));
    CHECK(s.packed_bytes() == 0);
  }
}

TEST_CASE("constants are packed once for all Contexts, or not at all when asked") {
  ir::Graph g = graph(R"(
    %x = input "x" : f32[3, 12]
    %w = input "w" : f32[40, 12]
    %wt = permute(%w) {axes=[1, 0]} : f32[12, 40]
    %y = matmul(%x, %wt) : f32[3, 40]
    result "y" = %y
)");
  Tensor w = random_f32({40, 12}, 3), x = random_f32({3, 12}, 4);
  auto data = std::make_shared<std::vector<float>>(w.to_vector<float>());
  const int64_t sizes[] = {40, 12};
  ir::Value input = g.inputs()[1].value;
  ir::Value constant = g.add_constant(ir::make_constant(DType::F32, sizes, {data, data->data()}),
                                      g.node(g.inputs()[1].value.node).next);
  g.replace_uses(input, constant);
  g.erase_input(1);
  const std::vector<Tensor> in{x};
  const Tensor want = run_eagerly(g, in)[0];
  const Program p = Program::build(g);
  Context a(p), b(p);
  CHECK(p.stats().packed_bytes == 0);
  CHECK(same_bits(p.run(a, in)[0], want));
  const size_t packed = p.stats().packed_bytes;
  CHECK(packed >= 4 * 12 * 40);
  CHECK(same_bits(p.run(b, in)[0], want));
  CHECK(same_bits(p.run(a, in)[0], want));
  CHECK(p.stats().packed_bytes == packed);

  const Program plain = Program::build(g, {.pack_weights = false});
  Context c(plain);
  CHECK(same_bits(plain.run(c, in)[0], want));
  CHECK(plain.stats().packed_bytes == 0);
}

TEST_CASE("a run without memory for packed weights goes on without them") {
  const ir::Graph g = graph(kProducts);
  const State first = products_state(1), second = products_state(5);
  const Program p = Program::build(g);
  Context c(p);
  std::vector<float> x(3 * 12, 0.5f), y(3 * 33), z(3), v(3 * 20), b(2 * 3 * 5);
  const int64_t sizes[] = {3, 12};
  const InputView in[] = {{x.data(), DType::F32, sizes, {}}};
  const OutputView out[] = {{y.data(), y.size() * 4},
                            {z.data(), z.size() * 4},
                            {v.data(), v.size() * 4},
                            {b.data(), b.size() * 4}};
  p.run(first, c, in, out);
  release_cached_memory();
  set_memory_budget(1);
  p.run(second, c, in, out);
  set_memory_budget(~size_t{0});
  CHECK(second.packed_bytes() == 0);
  const int64_t y_sizes[] = {3, 33}, v_sizes[] = {3, 20};
  const Tensor given = from_bytes(x.data(), sizes, DType::F32);
  const auto want = run_eagerly(g, values_of(g, second, std::vector<Tensor>{given}),
                                {{Dim::symbol("N"), int64_t{3}}});
  CHECK(same_bits(from_bytes(y.data(), y_sizes, DType::F32), want[0]));
  CHECK(same_bits(from_bytes(v.data(), v_sizes, DType::F32), want[2]));
}

TEST_CASE("threads that read one State share its packed weights between changes") {
  const ir::Graph g = graph(kProducts);
  const Program p = Program::build(g);
  State state = products_state(1);
  for (uint32_t round = 0; round < 4; ++round) {
    const State& shared = state;
    std::vector<Tensor> want;
    for (int64_t n = 1; n <= 4; ++n) {
      std::vector<Tensor> in{random_f32({n, 12}, 40)};
      want.push_back(run_eagerly(g, values_of(g, shared, in), {{Dim::symbol("N"), n}})[0]);
    }
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        Context c(p);
        Tensor x = random_f32({static_cast<int64_t>(t) + 1, 12}, 40);
        for (int i = 0; i < 5; ++i) {
          wrong += !same_bits(p.run(shared, c, std::vector<Tensor>{x})[0], want[t]);
        }
      });
    }
    for (std::thread& t : threads) t.join();
    CHECK(wrong == 0);
    state.set("w1", random_f32({40, 12}, 100 + round));
  }
}
