// Whole training steps as programs: a thousand compiled ones against a thousand eager ones, saved
// in the middle and continued by the runtime alone, bit for bit.
#include <catch2/catch.hpp>

#include <cstring>
#include <map>

#include "etch/autograd.h"
#include "etch/rt.hpp"
#include "runtime/program/artifact.h"
#include "runtime/program/plan.h"
#include "runtime/tensor_impl.h"
#include "tests/tools/command_support.h"
#include "tests/tracer/training_programs.h"

using namespace etch;
using namespace etch::test;

namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(const Tensor& t) {
  Tensor own = t.detach().clone();  // its pointer shows nothing of `t`
  Bytes out(static_cast<size_t>(own.numel().value()) * itemsize(own.dtype()));
  if (!out.empty()) std::memcpy(out.data(), own.raw_data(), out.size());
  return out;
}

/// What a training has come to: the losses of every step, then the state by name.
struct Course {
  std::vector<Bytes> losses;
  std::map<std::string, Bytes> state;

  void add(std::span<const Tensor> now) {
    for (const Tensor& l : now) losses.push_back(bytes_of(l));
  }
  void finish(const std::vector<NamedTensor>& at_the_end) {
    for (const NamedTensor& t : at_the_end) state[t.name] = bytes_of(t.tensor);
  }
};

void check_same(const Course& a, const Course& b) {
  REQUIRE(a.losses.size() == b.losses.size());
  for (size_t i = 0; i < a.losses.size(); ++i) {
    if (a.losses[i] == b.losses[i]) continue;
    FAIL("loss " << i << " of " << a.losses.size() << " differs");
  }
  REQUIRE(a.state.size() == b.state.size());
  for (const auto& [name, bytes] : a.state) {
    INFO(name);
    CHECK(b.state.at(name) == bytes);
  }
}

Course eager_course(Training t, int64_t steps) {
  Course out;
  for (int64_t i = 0; i < steps; ++i) out.add(t.step(t.batch(i)));
  out.finish(t.state);
  return out;
}

/// Compiles before the first result, and lets nothing fall back. Saves what it is at `save_at`.
/// With no names for the state, jit finds by itself what a step changes.
Course compiled_course(Training t, int64_t steps, bool named, int64_t save_at = -1,
                       const std::string& path = "") {
  TraceOptions options;
  if (named) options.state = t.state;
  options.dynamic = t.dynamic;
  Jit step = jit(t.step, t.names, options, {.strict = true});
  std::vector<const void*> homes;
  for (const NamedTensor& s : t.state) homes.push_back(runtime::impl(s.tensor).data);
  Course out;
  for (int64_t i = 0; i < steps; ++i) {
    if (i == save_at) step.program().save(path);
    out.add(step(t.batch(i)));
  }
  out.finish(t.state);
  JitStats s = step.stats();
  INFO(s.eager_because << step.explain_last_miss());
  CHECK(s.leaves == 1);
  CHECK(s.replays == static_cast<uint64_t>(steps) - s.recordings);
  CHECK(s.recordings <= 3);
  CHECK(s.fallbacks == 0);
  CHECK(s.interpreted_run == 0);
  CHECK(s.kernels_run > 0);
  // The live tensors are the program's State: nothing has moved.
  for (size_t i = 0; i < homes.size(); ++i) {
    CHECK(runtime::impl(t.state[i].tensor).data == homes[i]);
  }
  return out;
}

rt::View view(const Tensor& t) {
  rt::View v;
  v.data = runtime::impl(t).data;
  v.dtype = t.dtype() == DType::I64 ? ETCH_I64 : ETCH_F32;
  v.sizes.assign(t.sizes().begin(), t.sizes().end());
  return v;
}

/// Loads the saved step through the C interface and goes on with it. Results past the losses are
/// the gradients that a step leaves on its parameters.
Course resumed_course(const Training& t, int64_t from, int64_t to, size_t losses,
                      const std::string& path) {
  rt::Session session{rt::Program(path)};
  auto bytes = [](const rt::Array& a) {
    auto* data = reinterpret_cast<const std::byte*>(a.memory.data());
    return Bytes(data, data + a.bytes);
  };
  Course out;
  for (int64_t i = from; i < to; ++i) {
    std::vector<Tensor> batch = t.batch(i);
    std::vector<rt::View> views;
    for (const Tensor& b : batch) views.push_back(view(b));
    std::vector<rt::Array> results = session.run(views);
    REQUIRE(results.size() >= losses);
    for (size_t k = 0; k < losses; ++k) out.losses.push_back(bytes(results[k]));
  }
  for (const NamedTensor& s : t.state) out.state[s.name] = bytes(session.state.get(s.name));
  return out;
}

/// A step writes what it changes over what was there: matrices without exception, and of the rest
/// what no later kernel of the step reads.
void check_in_place(const std::string& path) {
  runtime::Artifact artifact = runtime::load_artifact(path);
  runtime::Program program = runtime::Program::build(std::move(artifact.graph));
  const runtime::Plan& plan = program.plan();
  size_t in_place = 0;
  for (size_t i = 0; i < plan.nexts.size(); ++i) {
    INFO(plan.nexts[i].name);
    CHECK((plan.nexts_in_place[i] || plan.nexts[i].type.rank() < 2));
    in_place += plan.nexts_in_place[i];
  }
  CHECK(4 * in_place >= 3 * plan.nexts.size());
}

/// Eager against compiled against resumed half-way; returns the first.
Course check_training(Training (*make)(), int64_t steps) {
  Folder folder;
  const std::string path = folder / "step.etch";
  const int64_t middle = steps / 2;
  Course eager = eager_course(make(), steps);
  Course compiled = compiled_course(make(), steps, true, middle, path);
  check_same(eager, compiled);

  const size_t per_step = eager.losses.size() / static_cast<size_t>(steps);
  Course resumed = resumed_course(make(), middle, steps, per_step, path);
  compiled.losses.erase(compiled.losses.begin(),
                        compiled.losses.begin() + static_cast<int64_t>(per_step) * middle);
  check_same(compiled, resumed);
  check_in_place(path);
  return eager;
}

/// The mean of the first loss over twenty steps from `from` on.
double mean_loss(const Course& c, size_t per_step, size_t from) {
  double sum = 0;
  for (size_t i = from; i < from + 20; ++i) {
    float loss = 0;
    std::memcpy(&loss, c.losses[i * per_step].data(), sizeof loss);
    sum += double{loss};
  }
  return sum / 20;
}

void check_thousand(Training (*make)(), double share) {
  Course c = check_training(make, 1000);
  const size_t per_step = c.losses.size() / 1000;
  CHECK(mean_loss(c, per_step, 980) < share * mean_loss(c, per_step, 0));
}

}  // namespace

TEST_CASE("compiled training steps equal eager ones and go on from a file", "[training]") {
  for (auto make : {&digits_training, &tagger_training, &transformer_training, &wgan_training}) {
    Course eager = check_training(make, 24);
    check_same(eager, compiled_course(make(), 24, false));
  }
}

TEST_CASE("sentences of two lengths keep courses of their own over one state", "[training]") {
  auto batch = [](const Training& t, int64_t i) {
    std::vector<Tensor> in = t.batch(i);
    if (i % 3 == 1) {
      for (Tensor& x : in) x = x.slice(1, 0, 5).clone();
    }
    return in;
  };
  Training a = tagger_training(), b = tagger_training();
  TraceOptions options;
  options.state = b.state;
  options.dynamic = b.dynamic;
  Jit step = jit(b.step, b.names, options, {.strict = true});
  Course eager, compiled;
  size_t leaves = 0;
  for (int64_t i = 0; i < 30; ++i) {
    if (i == 15) leaves = step.stats().leaves;
    eager.add(a.step(batch(a, i)));
    compiled.add(step(batch(b, i)));
  }
  eager.finish(a.state);
  compiled.finish(b.state);
  check_same(eager, compiled);
  JitStats s = step.stats();
  CHECK(leaves >= 2);
  CHECK(s.leaves == leaves);
  CHECK(s.replays >= 15);
  CHECK(s.eager_because.empty());
}

TEST_CASE("a thousand steps of a digits network keep their bits", "[training][slow]") {
  check_thousand(&digits_training, 0.3);
}
TEST_CASE("a thousand steps of an LSTM tagger keep their bits", "[training][slow]") {
  check_thousand(&tagger_training, 0.5);
}
TEST_CASE("a thousand steps of a transformer keep their bits", "[training][slow]") {
  check_thousand(&transformer_training, 0.8);
}
TEST_CASE("a thousand steps of a WGAN with gradient penalty keep their bits", "[training][slow]") {
  check_thousand(&wgan_training, 0.5);
}
