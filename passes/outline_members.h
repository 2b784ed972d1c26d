// What of a graph may be part of a piece that repeats.
#pragma once

#include "ir/graph.h"

namespace etch::passes {

/// What a node is to the pieces.
enum class Role : uint8_t {
  Given,   // inputs, large constants, and what follows from numbers alone: stays outside
  Leaf,    // an operator without operands or a small constant: goes where it is read
  Window,  // a view: goes where it is read
  Member,  // may be part of a piece
};

/// Results that a member has at most.
inline constexpr uint32_t kMostResults = 32;

/// A graph without what nobody needs and what is computed twice, seen as a sequence of members.
class Members {
 public:
  explicit Members(const ir::Graph& g);

  std::vector<ir::NodeId> sequence;  // members in order
  // Per member: equal for those that may take each other's place; says nothing about edges.
  std::vector<uint64_t> signatures;

  /// Whether the node is needed, and the first that computes what it does.
  bool counts(ir::NodeId id) const { return needed_[id] && first_[id] == id; }
  ir::Value first(ir::Value v) const { return {first_[v.node], v.index}; }
  Role role(ir::NodeId id) const { return role_[id]; }
  /// The place of a member in the sequence.
  size_t position(ir::NodeId id) const { return position_[id]; }
  /// The value that v is a window on.
  ir::Value base(ir::Value v) const {
    v = first(v);
    return role_[v.node] == Role::Window ? base_[v.node] : v;
  }

  uint64_t leaf_hash(ir::NodeId id) const;
  bool same_leaf(ir::NodeId a, ir::NodeId b) const;
  /// Whether both are the same window on values of the same type.
  bool same_window(ir::Value a, ir::Value b) const;
  /// Whether two members are the same but for what they read.
  bool same_member(const ir::Node& m, const ir::Node& n) const;

 private:
  void mark_needed();
  void number();
  bool same_node(ir::NodeId a, ir::NodeId b) const;
  void classify();
  Role role_of(const ir::Node& n) const;
  uint64_t signature(ir::NodeId id, const ir::Node& n) const;

  const ir::Graph& g_;
  std::vector<bool> needed_;
  std::vector<ir::NodeId> first_;
  std::vector<uint64_t> attr_hash_;
  std::vector<Role> role_;
  std::vector<ir::Value> base_;       // of windows
  std::vector<uint32_t> chain_;       // windows on windows
  std::vector<uint64_t> chain_hash_;  // what they are
  std::vector<size_t> position_;
};

uint64_t mix(uint64_t h, uint64_t v);
/// Whether a value is known to be one element.
bool one_element(const ir::TensorType& t);

}  // namespace etch::passes
