// All operators, by name.
#pragma once

#include "ir/op.h"

namespace etch::ir {

/// Every operator, sorted by name.
std::span<const OpDef* const> all_ops();
/// Null when there is no operator of that name.
const OpDef* find_op(std::string_view name);

/// What people read for an operator's kind.
constexpr std::string_view kind_name(OpKind kind) {
  switch (kind) {
    case OpKind::Elementwise:
      return "elementwise";
    case OpKind::Reduction:
      return "reduction";
    case OpKind::View:
      return "view";
    case OpKind::Contraction:
      return "contraction";
    case OpKind::Opaque:
      return "opaque";
    case OpKind::Composite:
      return "composite";
    case OpKind::Control:
      return "control";
    case OpKind::Structural:
      break;
  }
  return "structural";
}

}  // namespace etch::ir
