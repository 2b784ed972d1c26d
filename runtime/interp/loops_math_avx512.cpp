// Built with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512.
#define ETCH_ISA_NAMESPACE avx512
#define ETCH_VECTOR_BYTES 64
#include "runtime/interp/loops_math.inc"
