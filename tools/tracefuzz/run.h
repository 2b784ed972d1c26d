// One program, called through etch::jit or etch::trace, beside plain eager.
#pragma once

#include <map>
#include <optional>

#include "tools/tracefuzz/program.h"
#include "tracer/plant.h"

namespace etch::tracefuzz {

/// What a program's calls came to.
struct Counts {
  uint32_t features = 0;
  bool refused = false;  // trace() did not take it
  bool compiled = false;
  bool value_guards = false, size_guards = false, symbols = false, writes = false;  // in programs
  uint64_t calls = 0, replays = 0, misses = 0, errors = 0, guarded_refusals = 0;
  size_t leaves = 0;
  uint64_t kernels_run = 0, interpreted_run = 0;
  size_t fallbacks = 0;
  std::string eager_because;
};

/// Runs all calls in both worlds; the first difference, or nothing.
std::optional<std::string> run(const Program& p, Counts& counts);

/// The smallest program found that still differs.
Program shrink(const Program& p);

/// The mistakes of --plant.
struct PlantedBug {
  std::string name;
  tracer::Plant plant;
};
std::vector<PlantedBug> planted_bugs();

}  // namespace etch::tracefuzz
