#include "runtime/contract/kernels.h"
#include "runtime/contract/simd_avx2.h"

namespace etch::runtime::contract::avx2 {

// clang-format off: later files use earlier ones
#include "runtime/contract/tile.h"
#include "runtime/contract/pack.h"
#include "runtime/contract/plane.h"
#include "runtime/contract/table.h"
// clang-format on

}  // namespace etch::runtime::contract::avx2
