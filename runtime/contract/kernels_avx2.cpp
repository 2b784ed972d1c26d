#include "runtime/contract/kernels.h"
#include "runtime/contract/simd_avx2.h"

namespace etch::runtime::contract::avx2 {

#include "runtime/contract/tile.h"
#include "runtime/contract/pack.h"
#include "runtime/contract/plane.h"
#include "runtime/contract/table.h"

}  // namespace etch::runtime::contract::avx2
