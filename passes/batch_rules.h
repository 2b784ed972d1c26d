// What many nodes of one kind look like as one node. Part of batch.
#pragma once

#include "ir/graph.h"

namespace etch::passes {

/// Whether some operators like `n` can become one, by its kind, attributes and static sizes.
bool has_batch_rule(const ir::Graph& g, const ir::Node& n);

/// Whether it is worth while: an operator that keeps the machine busy by itself is left alone.
bool is_small(const ir::Graph& g, const ir::Node& n);

/// Whether nodes like `n` become one when the operands marked in `stacked` differ between them and
/// the others are the same value.
bool can_batch(const ir::Graph& g, const ir::Node& n, const std::vector<bool>& stacked);

/// Adds the node that does the work of `count` nodes like `n` and gives [count, ...]. Operands
/// marked in `stacked` are [count, ...], the others those of `n`. Only when can_batch().
ir::Value emit_batched(ir::Graph& g, const ir::Node& n, std::span<const ir::Value> operands,
                       const std::vector<bool>& stacked, int64_t count);

/// Adds `op` with the types that follow.
ir::Value emit_node(ir::Graph& g, const ir::OpDef& op, std::span<const ir::Value> operands,
                    ir::AttrBox attrs);
/// v with another shape.
ir::Value emit_reshape(ir::Graph& g, ir::Value v, const Shape& shape);
/// Rows [begin, end) of v's first axis.
ir::Value emit_rows(ir::Graph& g, ir::Value v, int64_t begin, int64_t end);
/// [count, shape...]
Shape stacked_shape(int64_t count, const Shape& shape);

}  // namespace etch::passes
