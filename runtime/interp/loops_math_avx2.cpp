// Built with -mavx2 -mfma -mf16c.
#define ETCH_ISA_NAMESPACE avx2
#include "runtime/interp/loops_math.inc"
