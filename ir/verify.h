// What every graph must satisfy. Runs after each pass in tests, and on every graph that comes from
// a file.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace etch::ir {

/// One named invariant. `check` returns the first violation as text, or "". Rules run in table
/// order and may rely on those before them; each visits every node once.
struct VerifyRule {
  std::string_view name;
  std::string_view why;
  std::string (*check)(const Graph& g);
};
std::span<const VerifyRule> verify_rules();

/// Checks `g` and every fusion body inside it, without recursion. Raises InternalError with the
/// rule and the node: a graph made by Etch itself that breaks a rule is a bug in Etch.
void verify(const Graph& g);
/// The same for graphs from files: raises UserError of kind Unreadable naming `source_name`.
void verify_untrusted(const Graph& g, std::string_view source_name = "graph");

/// What is wrong with `t` as the type of a value, or "": an unsupported dtype, a rank above
/// kMaxRank, a negative size, or more bytes than a 63-bit number counts.
std::string type_problem(const TensorType& t);

/// What is wrong with guarding a value of type `t`, or "".
std::string guard_problem(const TensorType& t);

}  // namespace etch::ir
