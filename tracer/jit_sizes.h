// Which sizes of a jit function's inputs change from call to call, and so become symbols.
#pragma once

#include <string>
#include <vector>

#include "etch/trace.h"

namespace etch::tracer {

/// The sizes that real runs have seen. An axis is dynamic once two runs have disagreed about it;
/// axes that always agreed with each other share a symbol.
class SizeHistory {
 public:
  /// Takes a real run's inputs into account and answers the axes to record as symbols. An axis of
  /// size 0 or 1 stays a number in this recording, since such an example decides too much.
  std::vector<DynamicDim> see(std::span<const Tensor> inputs, std::span<const std::string> names);

 private:
  /// Calls of one rank per input.
  struct Family {
    std::vector<size_t> ranks;
    std::vector<std::vector<int64_t>> runs;  // all sizes of all inputs, one list a run
  };
  static constexpr size_t kRemembered = 16;
  std::vector<Family> families_;
};

}  // namespace etch::tracer
