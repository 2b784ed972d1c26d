// Functions for what repeats.
#pragma once

#include "passes/pass.h"

namespace etch::passes {

/// Pieces of the graph that compute the same on other values (the layers of a network, their
/// backward passes, the optimizer's updates) become calls of one function each: same operators,
/// attributes, types, source lines and edges, at least kFewestCalls times one after another.
/// Scopes and how the host came by the repetition do not matter. Windows and small constants that a
/// piece reads move into it; a one-element constant that differs becomes an operand. Pieces are cut
/// where no fusion is lost and least passes over, and stay in line when one is too little work to
/// be worth a call. Functions are searched for further repetition. Linear in the graph's size.
/// Leaves out what nobody needs and merges what is computed twice. nullopt: nothing repeats.
std::optional<ir::Graph> outline(const ir::Graph& g, const PassContext& context);

/// Fewer repetitions than this stay in line.
inline constexpr size_t kFewestCalls = 3;

}  // namespace etch::passes
