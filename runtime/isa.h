// Which instruction set the kernels of this process use, and how to force another one.
#pragma once

#include <cstdint>
#include <string_view>

namespace etch::runtime {

/// The three tiers of hand-written kernels, in ascending order.
enum class Isa : uint8_t {
  Generic,  // any machine; fma through the C library
  Avx2,     // AVX2 + FMA + F16C
  Avx512,   // AVX-512 F, BW, DQ, VL
};

inline constexpr int kIsaCount = 3;

/// "generic", "avx2" or "avx512", as in ETCH_ISA.
std::string_view name(Isa isa);

/// The highest tier that this processor and its operating system support.
Isa best_isa();

/// True when this machine can run `isa`.
bool isa_supported(Isa isa);

/// The tier to use on this thread: the innermost IsaOverride, else ETCH_ISA, else best_isa().
/// Throws UserError when ETCH_ISA names no tier or one that this machine lacks.
/// Results never depend on it; kernels read it once, on the calling thread.
Isa active_isa();

/// Forces a tier on this thread for a scope. Throws UserError when the machine lacks it.
class IsaOverride {
 public:
  explicit IsaOverride(Isa isa);
  ~IsaOverride();
  IsaOverride(const IsaOverride&) = delete;
  IsaOverride& operator=(const IsaOverride&) = delete;

 private:
  int8_t previous_;
};

}  // namespace etch::runtime
