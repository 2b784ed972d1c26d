// The text form of graphs: what tests are written in, bug reports carry and artifacts store.
//
//   etch.ir 1
//   fn @f0 "fused" {                                        // bodies of fusions, callees first
//     %0 = input "a" : f32[N, 4]
//     %1 = relu(%0) : f32[N, 4]
//     result "r" = %1
//   }
//   graph "main" {
//     symbol N in [1, 1024]
//     symbol M
//     require [N == M] at "net.cpp":7                       // relations: == != < <=
//     %0 = input "x" : f32[N, 4] in "encoder" at "net.cpp":12
//     %1 = state "w" : f32[4]
//     %2 = constant #<32 hex digits> [0x3f800000] : f32[]   // elements as bits, up to 16 of them
//     %3 = mul(%0, %2) : f32[N, 4]
//     %4 = fusion @f0(%3) : f32[N, 4]
//     %5 = sum(%1) {axes=[0], keepdims=false} : f32[]
//     result "y" = %4
//     result "w.next" = %1 -> state 1                       // written back to input number 1
//     result "x > 0" = %7 guard [1, 1] at "net.cpp":12      // the graph holds for 1 only
//   }
//
// Operators above semantic version 1 carry it: "softmax.v2(...)". Numbers of values are free names.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace etch::ir {

/// The grammar that print() writes; older ones are upgraded while parsing.
inline constexpr int kTextVersion = 1;
/// Constants of up to this many elements are written in full.
inline constexpr int64_t kInlineElements = 16;

/// How print() writes. Every combination parses; only the default loses nothing.
struct PrintOptions {
  bool origins = true;   // scope paths and source lines
  bool hashes = true;    // of constants that are written in full
  bool defaults = true;  // attributes that hold their default
};
/// For people and golden tests.
inline constexpr PrintOptions kCompact{.origins = false, .hashes = false, .defaults = false};

std::string print(const Graph& g, PrintOptions options = {});

/// One node on one line without a line end. Values are named by node id ("%7", "%7.1"), so that
/// lines from before and after a rewrite compare.
std::string print_node(const Graph& g, NodeId id);

/// A table for people: operator, result type, scope and source line of each node, and what each
/// fusion computes.
std::string summary(const Graph& g);

/// Finds contents that the text names by hash only; null when unknown.
using ConstantLookup = std::function<std::shared_ptr<const Constant>(const Hash128&)>;

/// What the parser accepts, each tested at the limit and one beyond.
struct TextLimits {
  size_t text_bytes = size_t{1} << 30;
  size_t nodes = size_t{1} << 24;       // in all graphs of the text
  size_t graphs = size_t{1} << 16;      // fusion bodies
  size_t depth = 64;                    // of fusion bodies inside fusion bodies
  size_t flat_nodes = size_t{1} << 26;  // once every fusion is replaced by its body
  size_t operands = size_t{1} << 12;    // of one node; results alike
  size_t rank = kMaxRank;
  size_t list_items = 4096;  // of one attribute
  size_t name_bytes = 4096;  // of a name, scope path, file or string attribute
  size_t dim_bytes = 16384;  // of one symbolic size
  size_t symbols = 4096;
  size_t constraints = 1024;
  size_t dims = 4096;  // different symbolic sizes
};

/// Reads what print() writes. Treats the text as hostile: never crashes, stays inside `limits`,
/// infers every type again. Raises UserError of kind Unreadable with `source_name`, line and
/// column, what was expected and what was found.
Graph parse(std::string_view text, const ConstantLookup& lookup = {},
            std::string_view source_name = "text", const TextLimits& limits = {});

/// Same nodes in the same order with the same names, attributes, types, constants, bodies, scopes
/// and source lines. Node ids may differ.
bool same_graph(const Graph& a, const Graph& b);

/// The bodies of fusion nodes inside `g`, each once, callees before callers; `g` itself is not
/// among them. Raises InternalError when they nest deeper than 64.
std::vector<const Graph*> nested_graphs(const Graph& g);

}  // namespace etch::ir
