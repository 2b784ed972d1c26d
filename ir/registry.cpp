#include "ir/registry.h"

#include <algorithm>

#include "ir/op_def.h"
#include "ir/ops/all.h"

namespace etch::ir {

std::span<const OpDef* const> all_ops() {
  static const std::vector<const OpDef*>* list = [] {
    auto* ops = new std::vector<const OpDef*>;  // lives as long as the process
    auto add = [&](const OpDef& def) { ops->push_back(&def); };
    ActivationOps::each(add);
    ContractOps::each(add);
    ControlOps::each(add);
    CreateOps::each(add);
    ElementwiseOps::each(add);
    IndexOps::each(add);
    MathOps::each(add);
    NnOps::each(add);
    PoolOps::each(add);
    RandomOps::each(add);
    ReduceOps::each(add);
    ViewOps::each(add);
    std::sort(ops->begin(), ops->end(), [](auto* a, auto* b) { return a->name() < b->name(); });
    return ops;
  }();
  return *list;
}

const OpDef* find_op(std::string_view name) {
  auto ops = all_ops();
  auto it = std::lower_bound(ops.begin(), ops.end(), name,
                             [](const OpDef* d, std::string_view n) { return d->name() < n; });
  return it != ops.end() && (*it)->name() == name ? *it : nullptr;
}

}  // namespace etch::ir
