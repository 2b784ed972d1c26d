// What a code generator reads: a loop kernel with its functions expanded into primitives and every
// size and stride reduced to what may decide code. Plain data, so that back ends in modules of
// their own need no symbol of the rest of Etch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/loop/kernel.h"

namespace etch::codegen {

/// What is known of a stride when code is generated; Any may turn out to be 0 or 1.
enum class Step : uint8_t { Zero, One, Any };

struct PlanAccess {
  int buffer = 0;
  DType dtype = DType::F32;
  std::vector<Step> steps;  // outer axes, then inner axes
};

struct PlanStore {
  PlanAccess access;
  uint32_t value = 0;
  bool inner = false;
};

/// Kernel shapes that have a code skeleton each.
enum class Skeleton : uint8_t {
  Pointwise,  // no inner axes; vectors along the last outer axis
  Row,        // vectors along the last inner axis, one outer point after another
  Column,     // vectors along the last outer axis, inner axes walked in order
};

struct KernelPlan {
  std::string name;
  int outer = 0;
  int inner = 0;
  std::vector<ir::ExprNode> nodes;  // primitives, operands first, nothing unused
  std::vector<PlanAccess> loads;
  std::vector<PlanStore> stores;
  std::vector<ir::ReduceKind> reductions;
  int params = 0;

  // Derived by make_plan().
  Skeleton skeleton = Skeleton::Pointwise;
  std::vector<uint64_t> axes;                 // per node: bit per axis on which its value depends
  std::vector<int> depth;                     // per node: reductions that must be done before it
  std::vector<std::vector<uint32_t>> stages;  // Reduce nodes by the depth of their operand
  int store_stage = 0;                        // the stage whose loop also does the inner stores
  std::vector<uint32_t> kept;  // inner values kept in a row buffer between stages (Row)
  int lane_bits = 32;          // element width that decides the vector length

  uint64_t outer_mask() const { return (uint64_t{1} << outer) - 1; }
  uint64_t inner_mask() const { return ((uint64_t{1} << inner) - 1) << outer; }
  bool is_inner(uint32_t node) const { return (axes[node] & inner_mask()) != 0; }
  bool has_inner_stores() const {
    for (const PlanStore& s : stores) {
      if (s.inner) return true;
    }
    return false;
  }
  /// Index of an access in the strides and offsets of KernelArgs.
  int store_index(int store) const { return static_cast<int>(loads.size()) + store; }
  const PlanAccess& access(int i) const {
    int n = static_cast<int>(loads.size());
    return i < n ? loads[static_cast<size_t>(i)] : stores[static_cast<size_t>(i - n)].access;
  }
};

struct PlanResult {
  std::optional<KernelPlan> plan;
  std::string reason;  // why there is none
};

/// Never throws on a kernel that the lowering made.
PlanResult make_plan(const ir::loop::Kernel& kernel);

}  // namespace etch::codegen
