// The registry's operators by how a statement can use them.
#pragma once

#include <algorithm>

#include "ir/registry.h"

namespace etch::tracefuzz {

/// Sorted by their definitions, so that a new one takes part by itself.
struct Operators {
  std::vector<const ir::OpDef*> unary, binary, reductions, along_axis, compare;
  Operators() {
    for (const ir::OpDef* op : ir::all_ops()) {
      if (op->max_operands > 2 || op->min_operands != op->max_operands || op->typed_from != 0)
        continue;
      if (!contains(op->info.types, DType::F32) || op->is_view()) continue;
      const int count = op->schema->count;
      const bool pure = op->is_elementwise() || op->kind == ir::OpKind::Composite;
      std::vector<std::string_view> names;
      for (int i = 0; i < count; ++i) names.push_back(op->schema->name(i));
      auto has = [&](std::string_view n) { return std::ranges::find(names, n) != names.end(); };
      if (op->min_operands == 1 && has("axes") && has("keepdims")) reductions.push_back(op);
      if (op->min_operands == 1 && pure && count == 1 && has("axis")) along_axis.push_back(op);
      if (op->min_operands == 1 && pure && count == 0) unary.push_back(op);
      if (op->min_operands == 2 && op->is_elementwise() && count == 0) {
        (op->result == ir::ResultType::Bool ? compare : binary).push_back(op);
      }
    }
  }
};
inline const Operators& operators() {
  static const Operators all;
  return all;
}

}  // namespace etch::tracefuzz
