// Random numbers: a pure function of (seed, stream ordinal, element index), the same on every
// engine.
#pragma once

#include "etch/tensor.h"

namespace etch {

/// A seed and the ordinal of the next draw, kept in one tensor u64[2], so that a trace treats the
/// position like any other state and a saved program resumes where it stopped.
class Generator {
 public:
  explicit Generator(uint64_t seed = 0);
  void seed(uint64_t value);
  /// u64[2]: seed, next ordinal. Pass it in TraceOptions::state when a traced function draws.
  const Tensor& state() const { return state_; }

 private:
  Tensor state_;
};

/// Uniform in [0, 1): multiples of 2^-24 (f32) or 2^-53 (f64).
Tensor rand(SizeArgs sizes, Generator& rng, DType dtype = DType::F32,
            std::source_location loc = std::source_location::current());
/// Standard normal (Box-Muller on ir/math.h).
Tensor randn(SizeArgs sizes, Generator& rng, DType dtype = DType::F32,
             std::source_location loc = std::source_location::current());

}  // namespace etch
