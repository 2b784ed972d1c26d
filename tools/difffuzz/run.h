// One sample through every engine, compared bit for bit.
#pragma once

#include <functional>
#include <optional>

#include "codegen/compiler.h"
#include "passes/pipeline.h"
#include "runtime/program/kernel_source.h"
#include "tools/difffuzz/generate.h"

namespace etch::difffuzz {

/// How the compiled run of one sample is made.
struct Engine {
  runtime::Isa isa = runtime::Isa::Avx2;
  int tier = 1;
  int threads = 1;
  bool batch_all = false;  // batches whatever can be, not only what pays
};
/// Draws an engine that this machine supports.
Engine draw_engine(Random& r);
std::string to_text(const Engine& e);

/// Hooks through which a planted bug takes part; empty for the real thing.
struct Plant {
  std::function<void(ir::Graph&)> graph;          // after the passes
  std::function<void(ir::loop::Kernel&)> kernel;  // before code generation
};

struct Counts {
  size_t fused_kernels = 0;  // in the optimised graph
  uint64_t native_runs = 0;
  size_t fallbacks = 0;  // kernels without machine code
  size_t calls = 0;      // of functions, in the optimised graph
  bool fused_reduction = false;
  bool batched = false;  // nodes became one
  bool special = false;  // a NaN or infinity in some result
};

struct Mismatch {
  std::string engine;  // "interpreter", "compiled avx2 tier 0 threads 2", ...
  std::string result;
  int64_t element = 0;
};

/// Eager against the interpreted raw graph, the interpreted and the compiled optimised graph.
std::optional<Mismatch> run(const Sample& sample, const Engine& engine, const Plant& plant,
                            Counts& counts);

/// The smallest sample found, by dropping results and cutting operands, that still has a mismatch.
Sample shrink(const Sample& sample, const Engine& engine, const Plant& plant);

/// The ten planted bugs of --plant.
struct PlantedBug {
  std::string name;
  Plant plant;
};
std::vector<PlantedBug> planted_bugs();

}  // namespace etch::difffuzz
