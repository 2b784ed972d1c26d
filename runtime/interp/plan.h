// A kernel compiled for one way of walking it. Private to the interpreter.
//
// A tile is some points of the `tile` axes (rows, or columns) with all points of the `inner` axes;
// it is computed in blocks. Values are uniform (one scalar), tile-level (one per tile point) or
// inner-level. Work goes in stages: stage s computes what needs s reductions one after the other.
#pragma once

#include <vector>

#include "ir/loop/kernel.h"
#include "runtime/interp/loops.h"

namespace etch::runtime {

inline constexpr int64_t kBlock = 512;   // elements of a block at least
inline constexpr int64_t kColumns = 96;  // tile points of a column plan: 64 lanes fit L1

/// How a kernel is walked.
struct Shape2 {
  int tile_axes = 0;     // of the kernel's axes, the first so many
  bool columns = false;  // a block is inner points x tile points; else tile points x inner points
  bool single = false;   // one tile point per tile
  bool keep = false;     // values that later stages need are kept, else computed again
  bool bare = false;     // reductions of contiguous rows as they lie in memory, nothing else inside
  bool operator==(const Shape2&) const = default;
};

enum class SlotKind : uint8_t {
  Uniform,   // one element
  Tile,      // one per tile point
  Repeat,    // a uniform or tile value repeated to a block
  Stream,    // a load's elements of this block
  Register,  // of this block
  Kept,      // of the whole tile
  Out,       // a store's elements of this block
};
struct Slot {
  SlotKind kind;
  uint8_t itemsize;
  int ref = -1;  // Stream: window; Out: store; Repeat: the slot that is repeated
};

struct Instr {
  LoopFn fn = nullptr;
  int out = -1;
  int in[3] = {-1, -1, -1};
};

struct ReduceStep {
  int reduction = 0;
  ir::ReduceKind kind{};
  DType dtype{};     // of the operand
  int operand = -1;  // slot, a block
  int result = -1;   // slot, Tile
  const LaneLoops* lanes = nullptr;
  const ArgLoops* args = nullptr;
  LoopFn combine = nullptr;  // elementwise
  uint64_t empty = 0;        // bits of the result over no elements
  uint64_t identity = 0;
};

struct StoreStep {
  int store = 0;
  int from = -1;  // slot; -1 when the value is computed in place (slot Out)
  int out = -1;   // its Out slot, or -1
};

struct BlockStep {
  enum Kind : uint8_t { Compute, Reduce, Store } kind;
  int index;  // into the stage's lists
};

struct Stage {
  std::vector<std::pair<int, int>> tile_repeats;  // Tile slot filled with a Uniform one
  std::vector<Instr> tile;                        // one element per tile point
  std::vector<StoreStep> tile_stores;
  std::vector<int> repeats;  // Repeat slots to fill before the blocks
  std::vector<int> streams;  // Stream slots that the blocks read
  std::vector<int> outs;     // Out slots that the blocks write
  std::vector<BlockStep> steps;
  std::vector<Instr> compute;
  std::vector<ReduceStep> reduces;
  std::vector<StoreStep> stores;
  bool has_blocks() const { return !steps.empty(); }
  /// Reads operands only to reduce them.
  bool only_reduces() const { return compute.empty() && stores.empty(); }
};

/// Something read through strides: a load, or the position along an axis.
struct Source {
  int load = -1;
  int axis = -1;
  bool inner = false;
  uint8_t itemsize = 8;
};

struct BlockPlan {
  Shape2 shape;
  Isa isa;
  std::vector<Slot> slots;
  std::vector<std::pair<int, uint64_t>> literals;  // slot, bits
  std::vector<std::pair<int, int>> params;         // slot, number
  std::vector<Instr> uniform;
  std::vector<Source> sources;
  std::vector<std::pair<int, int>> uniform_reads;  // slot, source
  std::vector<std::pair<int, int>> tile_reads;     // slot, source
  std::vector<Stage> stages;
  int reductions = 0;
  int64_t block = kBlock;  // elements: all live values of a block fit L1
  double cost = 0;         // of one inner point, in vector operations
};

BlockPlan make_block_plan(const ir::loop::Kernel& k, Shape2 shape, Isa isa);

}  // namespace etch::runtime
