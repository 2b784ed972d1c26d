// Etch nodes to ONNX nodes, one graph at a time.
#pragma once

#include "onnx_export/builder.h"

namespace etch::onnx {

/// The ONNX name of each value of one graph.
class Frame {
 public:
  explicit Frame(const ir::Graph& g) : graph(g) {}
  const ir::Graph& graph;
  /// The values that are needed; the others are not written.
  std::vector<bool> live;

  bool has(ir::Value v) const { return names_.contains(v); }
  const std::string& name(ir::Value v) const { return names_.at(v); }
  void set(ir::Value v, std::string name) { names_[v] = std::move(name); }
  /// The name that a value gets when it is computed: that of a graph result.
  std::unordered_map<ir::Value, std::string, ir::ValueHash> wanted;

 private:
  std::unordered_map<ir::Value, std::string, ir::ValueHash> names_;
};

/// Marks what `roots` need.
std::vector<bool> live_nodes(const ir::Graph& g, std::span<const ir::Value> roots);

/// Writes the live nodes of a graph whose inputs have names. `outer` is the origin of everything
/// when the graph is the body of one operator, else null.
void lower_nodes(Builder& b, Frame& frame, const Builder::Origin* outer, int depth);

}  // namespace etch::onnx
