// Any x86-64-v2 machine, and other processors.
#define ETCH_ISA_NAMESPACE generic
#define ETCH_VECTOR_BYTES 16
#include "runtime/interp/loops.inc"
#include "runtime/interp/loops_reduce.inc"
