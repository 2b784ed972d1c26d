#include "runtime/contract/kernels.h"
#include "runtime/contract/simd_generic.h"

// Loops stay loops: this tier is only there to be right.
#define ETCH_UNROLL(n)

namespace etch::runtime::contract::generic {

// clang-format off: later files use earlier ones
#include "runtime/contract/tile.h"
#include "runtime/contract/pack.h"
#include "runtime/contract/plane.h"
#include "runtime/contract/table.h"
// clang-format on

}  // namespace etch::runtime::contract::generic
