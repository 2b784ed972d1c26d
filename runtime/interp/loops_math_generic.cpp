// Any x86-64-v2 machine, and other processors.
#define ETCH_ISA_NAMESPACE generic
#include "runtime/interp/loops_math.inc"
