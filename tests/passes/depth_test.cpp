#include <pthread.h>
#include <catch2/catch.hpp>
#include <exception>

#include "ir/ops/activation.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pipeline.h"

using namespace etch;
using namespace etch::ir;

namespace {

#ifdef NDEBUG
constexpr int kLength = 1'000'000;
#else
constexpr int kLength = 200'000;
#endif

constexpr int kWidth = 20'000;

/// Runs `f` on a thread with a 256 KiB stack; whatever walks a graph by recursion dies there.
template <class F>
void on_small_stack(F f) {
  struct Job {
    F* f;
    std::exception_ptr error;
  } job{&f, nullptr};
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 256 * 1024) == 0);
  pthread_t thread;
  auto run = [](void* p) -> void* {
    Job& j = *static_cast<Job*>(p);
    try {
      (*j.f)();
    } catch (...) {
      j.error = std::current_exception();
    }
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, run, &job) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  if (job.error) std::rethrow_exception(job.error);
}

/// x -> neg, sigmoid, silu, neg, ... : something for each pass on the way down.
Graph chain(int length) {
  Graph g;
  Value v = g.add_input("x", {DType::F32, {Dim(4)}});
  const OpDef* ops[] = {&op_def<Neg>(), &op_def<Neg>(), &op_def<Sigmoid>(), &op_def<Silu>()};
  for (int i = 0; i < length; ++i) {
    const Value in[] = {v};
    v = {g.add_node(*ops[i % 4], in, {}, {g.type(v)}), 0};
  }
  g.add_result(v, "y");
  return g;
}

/// One value with many readers, all of them equal.
Graph star(int width) {
  Graph g;
  Value x = g.add_input("x", {DType::F32, {Dim(4)}});
  Value total = x;
  for (int i = 0; i < width; ++i) {
    const Value in[] = {x};
    NodeId id = g.add_node(op_def<Silu>(), in, {}, {g.type(x)});
    total = {id, 0};
  }
  g.add_result(total, "y");
  return g;
}

/// All passes but fuse, which has tests of its own and hides node counts.
void optimize_unfused(Graph& g, std::span<const passes::Pass> rows = passes::pipeline()) {
  passes::PassOptions options;
  for (const passes::Pass& row : rows) {
    if (row.name == "fuse") options.skip = {"fuse"};
  }
  passes::run_passes(g, rows, options);
}

}  // namespace

TEST_CASE(
    "a chain of a million nodes builds, prints, parses, optimises and dies on a small stack") {
  on_small_stack([] {
    Graph g = chain(kLength);
    verify(g);
    std::string text = print(g);
    Graph parsed = parse(text);
    if (!same_graph(g, parsed)) throw InternalError("the chain does not round-trip");
    parsed = Graph();
    optimize_unfused(g);
    verify(g);
    if (summary(g).empty()) throw InternalError("no summary");
    Graph copy = g;
    // Every second pair is neg(neg(x)); silu(x) becomes x * sigmoid(x).
    size_t expected = 1 + static_cast<size_t>(kLength) / 4 * 3;
    if (g.size() != expected) throw InternalError(cat("nodes left: ", g.size()));
  });
}

TEST_CASE("a value with thousands of equal readers keeps one of them") {
  on_small_stack([] {
    Graph g = star(kWidth);
    optimize_unfused(g, passes::pipeline().subspan(1));
    if (g.size() != 3) throw InternalError(cat("nodes left: ", g.size()));
    Graph dead = star(kWidth);
    optimize_unfused(dead);
    if (dead.size() != 3) throw InternalError(cat("nodes left: ", dead.size()));
  });
}

TEST_CASE("fusion bodies inside fusion bodies print, parse and verify up to 64 levels") {
  on_small_stack([] {
    auto nest = [](int levels) {
      auto body = std::make_shared<Graph>(chain(2));
      for (int i = 0; i < levels; ++i) {
        auto outer = std::make_shared<Graph>();
        Value x = outer->add_input("x", {DType::F32, {Dim(4)}});
        const Value in[] = {x};
        outer->add_result({outer->add_fusion(body, in), 0}, "y");
        body = outer;
      }
      return body;
    };
    auto deep = nest(63);
    verify(*deep);
    if (!same_graph(*deep, parse(print(*deep)))) throw InternalError("no round trip");
    auto refused = [](auto&& f) {
      try {
        f();
      } catch (const std::exception&) {
        return true;
      }
      return false;
    };
    auto deeper = nest(65);
    if (!refused([&] { verify(*deeper); })) throw InternalError("65 levels were accepted");
  });
}
