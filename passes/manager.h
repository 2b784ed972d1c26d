// Runs passes, with the switches that debugging needs.
#pragma once

#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "passes/pass.h"

namespace etch::passes {

struct PassOptions {
  Level level = Level::Exact;
  PassContext context;
  bool verify_each = false;                                // ir::verify() after every pass
  std::function<void(std::string_view)> changes;           // receives a readable diff per pass
  size_t stop_after = std::numeric_limits<size_t>::max();  // run the first N rows only
  std::vector<std::string> skip;                           // names of passes that are switched off
};

/// What one pass did.
struct PassReport {
  std::string_view name;
  bool changed = false;
  size_t nodes_before = 0;
  size_t nodes_after = 0;
  double seconds = 0;
};

/// Runs the rows that `options` admits, in order. With verify_each, raises InternalError naming the
/// pass that left a broken graph. A name in `skip` that no row has raises UserError.
std::vector<PassReport> run_passes(ir::Graph& g, std::span<const Pass> rows,
                                   const PassOptions& options = {});

/// The same on a copy of `g`, which is not made when the first row makes the graph anew.
ir::Graph run_passes_on(const ir::Graph& g, std::span<const Pass> rows,
                        const PassOptions& options = {});

/// "cse         120 -> 97 nodes    0.042 ms", one line per pass.
std::string to_text(std::span<const PassReport> reports);

}  // namespace etch::passes
