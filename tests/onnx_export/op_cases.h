// Sample calls of every operator, for tests that loop over the registry.
#pragma once

#include "tests/support/naive.h"

namespace etch::test {

/// One call: operand types (sizes N and M are symbolic) and attributes.
struct OpCase {
  const ir::OpDef* op = nullptr;
  std::string name;
  ir::Types in;
  ir::AttrBox attrs;
  int64_t index_limit = 3;  // integer operands outside promotion draw indices below this

  const void* attr_data() const;
};

/// N = 4, M = 3.
SymbolBindings case_bindings();
/// Samples for one operator on one dtype; none when it has no operand of that dtype.
std::vector<OpCase> op_cases(const ir::OpDef& op, DType t);
/// The same for operators that run graphs.
std::vector<OpCase> control_cases(const ir::OpDef& op, DType t);
/// Operand values drawn from the operator's domain; the same seed gives the same values.
std::vector<Dense> draw_operands(const OpCase& c, uint64_t seed);

}  // namespace etch::test
