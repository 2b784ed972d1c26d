// Scalar primitives as LLVM instructions on scalars (lanes 1) or vectors, without poison or
// undefined behaviour for any operand.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include "ir/op.h"
#include "ir/scalar/prim.h"

namespace etch::codegen {

using Builder = llvm::IRBuilder<>;

/// Register type: bool is i1. One lane is a scalar.
llvm::Type* value_type(Builder& b, DType t, int lanes);
/// Type in memory: bool is i8.
llvm::Type* memory_type(Builder& b, DType t, int lanes);
/// Literal from its bit pattern, in every lane.
llvm::Constant* literal(Builder& b, DType t, int lanes, uint64_t bits);

/// Bool from memory: any non-zero byte is true.
llvm::Value* from_memory(Builder& b, DType t, llvm::Value* v);
llvm::Value* to_memory(Builder& b, DType t, llvm::Value* v);

/// `operand` is the type of operand 0 (Select: of the arms). Not for leaves and Reduce.
llvm::Value* emit_prim(Builder& b, ir::Prim op, DType operand, DType result,
                       llvm::ArrayRef<llvm::Value*> in);

/// The identity that absent elements hold in a reduction.
llvm::Constant* reduce_identity(Builder& b, ir::ReduceKind kind, DType t, int lanes);
/// combine(left, right) of Sum, Prod, Max, Min.
llvm::Value* reduce_combine(Builder& b, ir::ReduceKind kind, DType t, llvm::Value* left,
                            llvm::Value* right);

}  // namespace etch::codegen
