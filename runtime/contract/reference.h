// The naive loops of ir/contraction.h under this namespace: the definition that all kernels
// reproduce bit for bit, and the oracle of their tests.
#pragma once

#include "ir/contraction.h"
#include "runtime/contract/contract.h"

namespace etch::runtime::contract {

using namespace ir::contract;  // NOLINT: CanonicalSum, kChunk, multiply_add and reference_*

}  // namespace etch::runtime::contract
