// etch-difffuzz: random graphs through every engine, bit for bit.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <set>

#include "ir/text.h"
#include "tools/difffuzz/run.h"

using namespace etch;
using namespace etch::difffuzz;

namespace {

struct Totals {
  uint64_t rejected = 0, graphs = 0, nodes = 0, kernels = 0, runs = 0, special = 0, reductions = 0,
           fallbacks = 0, batched = 0, calling = 0;
  std::set<std::string_view> operators;
};

uint64_t sample_seed(uint64_t seed, uint64_t i) { return seed * 1000003 + i; }

void count(Totals& t, const Sample& s, const Counts& c) {
  ++t.graphs;
  for (ir::NodeId id : s.graph) {
    const ir::Node& n = s.graph.node(id);
    if (ir::is_input(n)) continue;
    ++t.nodes;
    t.operators.insert(n.op->name());
  }
  t.kernels += c.fused_kernels;
  t.runs += c.native_runs;
  t.special += c.special;
  t.reductions += c.fused_reduction;
  t.batched += c.batched;
  t.fallbacks += c.fallbacks;
  t.calling += c.calls != 0;
}

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void report(const Sample& s, const Engine& e, const Mismatch& m, uint64_t seed) {
  std::fprintf(stderr, "mismatch, sample seed %llu: %s, result %s, element %lld\n",
               static_cast<unsigned long long>(seed), m.engine.c_str(), m.result.c_str(),
               static_cast<long long>(m.element));
  Sample small = shrink(s, e, {});
  std::fprintf(stderr, "%s\n", ir::print(small.graph).c_str());
}

/// Runs samples until a mismatch or the end; returns the number of mismatches.
int fuzz(uint64_t n, uint64_t seed, Totals& totals) {
  int mismatches = 0;
  for (uint64_t i = 0; i < n; ++i) {
    uint64_t own = sample_seed(seed, i);
    Sample s = generate(own);
    Random r(own ^ 0x5bd1e995);
    Engine e = draw_engine(r);
    Counts c;
    std::optional<Mismatch> m;
    try {
      m = run(s, e, {}, c);
    } catch (const UserError&) {
      ++totals.rejected;  // eager refused a value, such as an index out of range
      continue;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "sample seed %llu threw: %s\n%s\n", static_cast<unsigned long long>(own),
                   error.what(), ir::print(s.graph).c_str());
      ++mismatches;
      continue;
    }
    count(totals, s, c);
    if (!m) continue;
    ++mismatches;
    report(s, e, *m, own);
    if (mismatches >= 10) break;
  }
  return mismatches;
}

int plant(uint64_t n, uint64_t seed) {
  size_t found = 0;
  std::vector<PlantedBug> bugs = planted_bugs();
  for (const PlantedBug& bug : bugs) {
    uint64_t at = 0;
    bool seen = false;
    for (; at < n && !seen; ++at) {
      uint64_t own = sample_seed(seed, at);
      Sample s = generate(own);
      Random r(own ^ 0x5bd1e995);
      Engine e = draw_engine(r);
      Counts c;
      try {
        seen = run(s, e, bug.plant, c).has_value();
      } catch (const UserError&) {
        continue;
      }
      if (!seen) continue;
      Sample small = shrink(s, e, bug.plant);
      std::printf("found    after %4llu graphs, %zu nodes left: %s\n",
                  static_cast<unsigned long long>(at) + 1, small.graph.size(), bug.name.c_str());
    }
    if (!seen)
      std::printf("MISSED   after %4llu graphs: %s\n", static_cast<unsigned long long>(at),
                  bug.name.c_str());
    found += seen;
  }
  std::printf("planted bugs found: %zu of %zu\n", found, bugs.size());
  return found + 1 >= bugs.size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Random graphs through eager, interpreter and compiled code, compared bit for bit."};
  uint64_t n = 200, seed = 1;
  bool planted = false;
  auto whole = CLI::Range(int64_t{0}, int64_t{1} << 40);
  app.add_option("--n", n, "graphs to run")->check(whole)->capture_default_str();
  app.add_option("--seed", seed, "where the random sequence starts")
      ->check(whole)
      ->capture_default_str();
  app.add_flag("--plant", planted, "run against ten planted bugs instead and count those found");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  try {
    if (planted) return plant(n, seed);
    Totals t;
    int mismatches = fuzz(n, seed, t);
    double graphs = static_cast<double>(std::max<uint64_t>(1, t.graphs));
    std::printf(
        "graphs %llu, distinct operators %zu, mean nodes %.1f, fused kernels %llu, "
        "kernels run compiled %llu\n",
        static_cast<unsigned long long>(t.graphs), t.operators.size(),
        static_cast<double>(t.nodes) / graphs, static_cast<unsigned long long>(t.kernels),
        static_cast<unsigned long long>(t.runs));
    std::printf(
        "graphs with NaN or Inf %.1f %%, with a fused reduction %.1f %%, with batched nodes %.1f "
        "%%, with functions %.1f %%, fallbacks %llu\n",
        share(t.special, t.graphs), share(t.reductions, t.graphs), share(t.batched, t.graphs),
        share(t.calling, t.graphs), static_cast<unsigned long long>(t.fallbacks));
    std::printf("samples rejected by eager %llu\nmismatches: %d\n",
                static_cast<unsigned long long>(t.rejected), mismatches);
    return mismatches == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 5;
  }
}
