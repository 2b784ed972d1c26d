// Runs a program's function on real tensors, inside a recording or not.
#pragma once

#include <map>

#include "etch/jit.h"
#include "etch/random.h"
#include "tools/tracefuzz/program.h"

namespace etch::tracefuzz {

/// What programs contain, as far as runs got.
enum Feature : uint32_t {
  kValueGuard = 1,
  kSizeGuard = 2,
  kMutation = 4,
  kRandom = 8,
  kGradient = 16,
  kInnerCall = 32,
  kControl = 64,
};

/// The host's side of a program: everything that outlives a call.
struct World {
  World(const Program& p, bool jitted);
  std::vector<Tensor> states;
  std::vector<Tensor> holders;  // larger buffers that states are views of
  std::vector<void*> pointers;  // to states, taken once
  Generator rng;
  double rate = 1;
  int64_t steps = 0;
  double counter = 0;
  bool jitted = false;
  std::map<const Statement*, Jit> inner;
  uint32_t features = 0;
  size_t looked = 0;  // characters printed
};

/// One run of the function. Raises what the operators raise.
std::vector<NamedTensor> interpret(const Program& p, World& w, std::span<const Tensor> inputs);

/// Values that a seed stands for: small numbers, sometimes NaN, infinities or zeros.
Tensor draw_tensor(DType dtype, std::span<const int64_t> sizes, uint64_t seed, double scale);

}  // namespace etch::tracefuzz
