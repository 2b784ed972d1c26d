// etch-tracefuzz: random host programs through jit and trace, bit for bit against plain eager.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "tools/tracefuzz/interpret.h"
#include "tools/tracefuzz/run.h"

using namespace etch;
using namespace etch::tracefuzz;

namespace {

struct Totals {
  uint64_t programs = 0, traced = 0, refused = 0, compiled = 0, wrong = 0;
  uint64_t value_guards = 0, size_guards = 0, mutations = 0, symbols = 0, random = 0, gradients = 0,
           inner = 0, control = 0, writes = 0;
  uint64_t calls = 0, replays = 0, misses = 0, errors = 0, guarded_refusals = 0, leaves = 0;
  uint64_t kernels_run = 0, interpreted_run = 0, fallbacks = 0, eager = 0;
  std::map<std::string, uint64_t> reasons;
};

/// The head of a message, without what differs from program to program.
std::string kind_of(const std::string& reason) {
  std::string out;
  for (char c : reason.substr(0, reason.find('\n'))) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) out += c;
  }
  return out.substr(0, 60);
}

void add(Totals& t, const Program& p, const Counts& c) {
  ++t.programs;
  t.traced += p.traced;
  t.refused += c.refused;
  t.compiled += c.compiled;
  t.value_guards += (c.features & kValueGuard) != 0;
  t.size_guards += (c.features & kSizeGuard) != 0;
  t.mutations += (c.features & kMutation) != 0;
  t.random += (c.features & kRandom) != 0;
  t.gradients += (c.features & kGradient) != 0;
  t.inner += (c.features & kInnerCall) != 0;
  t.control += (c.features & kControl) != 0;
  t.symbols += c.symbols;
  t.writes += c.writes;
  t.calls += c.calls;
  t.replays += c.replays;
  t.misses += c.misses;
  t.errors += c.errors;
  t.guarded_refusals += c.guarded_refusals;
  t.leaves += c.leaves;
  t.kernels_run += c.kernels_run;
  t.interpreted_run += c.interpreted_run;
  t.fallbacks += c.fallbacks;
  if (c.eager_because.empty()) return;
  t.eager += !c.refused;
  ++t.reasons[kind_of(c.eager_because)];
}

unsigned long long n(uint64_t v) { return v; }

void report(const Totals& t) {
  std::printf(
      "programs %llu (%llu through trace), compiled %llu, eager %llu, refused by trace %llu\n",
      n(t.programs), n(t.traced), n(t.compiled), n(t.eager), n(t.refused));
  std::printf(
      "with value guards %llu, size guards %llu, mutations %llu (of captured tensors %llu), "
      "dynamic sizes %llu, random draws %llu, gradients %llu, inner functions %llu, "
      "control flow in the graph %llu\n",
      n(t.value_guards), n(t.size_guards), n(t.mutations), n(t.writes), n(t.symbols), n(t.random),
      n(t.gradients), n(t.inner), n(t.control));
  std::printf(
      "calls %llu, replays %llu, misses %llu, raising %llu, refused by a traced program %llu, "
      "leaves %llu\n",
      n(t.calls), n(t.replays), n(t.misses), n(t.errors), n(t.guarded_refusals), n(t.leaves));
  std::printf("kernels run compiled %llu, interpreted %llu, fallbacks %llu\n", n(t.kernels_run),
              n(t.interpreted_run), n(t.fallbacks));
  std::vector<std::pair<uint64_t, std::string>> reasons;
  for (const auto& [text, count] : t.reasons) reasons.emplace_back(count, text);
  std::sort(reasons.rbegin(), reasons.rend());
  std::printf("why not compiled:\n");
  for (size_t i = 0; i < std::min<size_t>(12, reasons.size()); ++i) {
    std::printf("%8llu  %s\n", n(reasons[i].first), reasons[i].second.c_str());
  }
}

int fuzz(uint64_t count, uint64_t seed, int64_t only, uint64_t limit) {
  Totals t;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (only >= 0) i = static_cast<uint64_t>(only);
    Program p = generate(seed * 1000003 + i);
    if (only >= 0) std::printf("%s", to_text(p).c_str()), std::fflush(stdout);
    Counts c;
    std::optional<std::string> found = run(p, c);
    add(t, p, c);
    if (found) {
      ++t.wrong;
      std::fprintf(stderr, "program %llu (--seed %llu --only %llu): %s\n", n(i), n(seed), n(i),
                   found->c_str());
      Program small = shrink(p);
      Counts again;
      std::fprintf(stderr, "smaller: %s\n%s\n", run(small, again).value_or("").c_str(),
                   to_text(small).c_str());
    }
    if (terminal && i % 100 == 99) std::fprintf(stderr, "\r%llu of %llu ", n(i + 1), n(count));
    if (only >= 0 || t.wrong >= limit) break;
  }
  if (terminal) std::fprintf(stderr, "\r");
  report(t);
  std::printf("silently wrong: %llu\n", n(t.wrong));
  return t.wrong == 0 ? 0 : 1;
}

/// How many programs it takes to notice each planted bug; 0 when all are found.
int plant(uint64_t count, uint64_t seed) {
  const std::vector<PlantedBug> bugs = planted_bugs();
  size_t found = 0;
  for (const PlantedBug& bug : bugs) {
    bool seen = false;
    uint64_t i = 0;
    for (; i < count && !seen; ++i) {
      Program p = generate(seed * 1000003 + i);
      Counts c;
      tracer::set_plant(&bug.plant);
      seen = run(p, c).has_value();
      tracer::set_plant(nullptr);
      if (!seen) continue;
      if (std::optional<std::string> other = run(p, c)) {
        std::fprintf(stderr, "program %llu is wrong without a planted bug: %s\n", n(i),
                     other->c_str());
        return 1;
      }
    }
    found += seen;
    std::printf("%s after %4llu programs: %s\n", seen ? "found " : "MISSED", n(i),
                bug.name.c_str());
    std::fflush(stdout);
  }
  std::printf("planted bugs found: %zu of %zu\n", found, bugs.size());
  return found == bugs.size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Random host programs (branches, loops, views, writes, captured state, gradients) through "
      "jit "
      "and trace on fresh inputs, compared bit for bit with plain eager."};
  uint64_t count = 200, seed = 1, limit = 10;
  int64_t only = -1;
  bool planted = false;
  app.add_option("--n", count, "programs to run")->capture_default_str();
  app.add_option("--seed", seed, "where the random sequence starts")->capture_default_str();
  app.add_option("--only", only, "run and print this one program");
  app.add_option("--limit", limit, "stop after so many that are wrong")->capture_default_str();
  app.add_flag("--plant", planted,
               "run with mistakes planted in the tracer instead, one after the other, and tell "
               "which are noticed");
  CLI11_PARSE(app, argc, argv);
  try {
    return planted ? plant(count, seed) : fuzz(count, seed, only, limit);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 5;
  }
}
