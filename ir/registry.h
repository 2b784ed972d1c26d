// All operators, by name.
#pragma once

#include "ir/op.h"

namespace etch::ir {

/// Every operator, sorted by name.
std::span<const OpDef* const> all_ops();
/// Null when there is no operator of that name.
const OpDef* find_op(std::string_view name);

}  // namespace etch::ir
