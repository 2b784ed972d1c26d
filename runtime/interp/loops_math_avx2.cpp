// Built with -mavx2 -mfma -mf16c.
#define ETCH_ISA_NAMESPACE avx2
#define ETCH_VECTOR_BYTES 32
#include "runtime/interp/loops_math.inc"
