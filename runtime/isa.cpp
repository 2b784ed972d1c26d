#include "runtime/isa.h"

#include <atomic>
#include <cstdlib>

#include "ir/support/error.h"
#include "ir/support/text.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace etch::runtime {
namespace {

constexpr std::string_view kNames[kIsaCount] = {"generic", "avx2", "avx512"};
constexpr int8_t kNone = -1;

thread_local int8_t t_override = kNone;

#if defined(__x86_64__)
/// The state components that the operating system saves; 0 when XGETBV is missing.
uint64_t enabled_state(uint32_t leaf1_ecx) {
  if ((leaf1_ecx & bit_OSXSAVE) == 0) return 0;
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

Isa detect() {
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return Isa::Generic;
  const uint64_t state = enabled_state(c);
  const uint32_t need1 = bit_FMA | bit_F16C | bit_AVX;
  if ((c & need1) != need1 || (state & 0x6) != 0x6) return Isa::Generic;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b & bit_AVX2) == 0) return Isa::Generic;
  const uint32_t need7 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
  if ((b & need7) != need7 || (state & 0xe6) != 0xe6) return Isa::Avx2;
  return Isa::Avx512;
}
#else
Isa detect() { return Isa::Generic; }
#endif

void require_supported(Isa isa, std::string_view asked_by) {
  if (isa_supported(isa)) return;
  fail("isa",
       cat(asked_by, " asks for ", name(isa), ", but this machine supports up to ",
           name(best_isa())),
       cat("Use ", name(best_isa()), " or a lower tier: generic, avx2, avx512"));
}

Isa from_environment() {
  const char* text = std::getenv("ETCH_ISA");
  if (text == nullptr || *text == '\0') return best_isa();
  for (int i = 0; i < kIsaCount; ++i) {
    if (kNames[i] != text) continue;
    require_supported(static_cast<Isa>(i), "ETCH_ISA");
    return static_cast<Isa>(i);
  }
  fail("isa", cat("ETCH_ISA=", text, " names no instruction-set tier"),
       "Use one of generic, avx2, avx512, or unset it");
}

}  // namespace

std::string_view name(Isa isa) { return kNames[static_cast<int>(isa)]; }

Isa best_isa() {
  static const Isa best = detect();
  return best;
}

bool isa_supported(Isa isa) { return isa <= best_isa(); }

Isa active_isa() {
  if (t_override != kNone) return static_cast<Isa>(t_override);
  static std::atomic<int8_t> cached{kNone};
  int8_t value = cached.load(std::memory_order_relaxed);
  if (value == kNone) {
    value = static_cast<int8_t>(from_environment());
    cached.store(value, std::memory_order_relaxed);
  }
  return static_cast<Isa>(value);
}

IsaOverride::IsaOverride(Isa isa) : previous_(t_override) {
  require_supported(isa, "IsaOverride");
  t_override = static_cast<int8_t>(isa);
}

IsaOverride::~IsaOverride() { t_override = previous_; }

}  // namespace etch::runtime
