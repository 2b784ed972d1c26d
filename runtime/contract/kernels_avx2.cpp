#include "runtime/contract/kernels.h"
#include "runtime/contract/simd_avx2.h"

#define ETCH_UNROLL(n) ETCH_PRAGMA(GCC unroll n)
#define ETCH_PRAGMA(text) _Pragma(#text)

namespace etch::runtime::contract::avx2 {

// clang-format off: later files use earlier ones
#include "runtime/contract/tile.h"
#include "runtime/contract/pack.h"
#include "runtime/contract/plane.h"
#include "runtime/contract/table.h"
// clang-format on

}  // namespace etch::runtime::contract::avx2
