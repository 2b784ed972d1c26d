// One kernel's function while it is emitted: arguments, loops, positions in the index space, and
// the values of scalar expressions at a position.
#pragma once

#include <functional>
#include <vector>

#include <llvm/ADT/DenseMap.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/Module.h>

#include "codegen/backend.h"
#include "codegen/llvm/prim.h"

namespace etch::codegen {

using llvm::Value;
using Values = llvm::SmallVector<Value*, 8>;

/// A position in the index space and what is known there. A child sees its parents' values, so it
/// must be emitted where its parents' code dominates.
struct Frame {
  const Frame* parent = nullptr;
  int axis = -1;  // the axis along which vectors run; -1: scalars only
  int lanes = 1;
  Value* mask = nullptr;      // lanes that exist; null: all
  std::vector<Value*> index;  // per axis, i64; of lane 0 along `axis`
  std::vector<Value*> base;   // per access: pointer to the element at index 0 of the open axes
  uint64_t open = 0;          // axes whose index is not yet part of base
  llvm::DenseMap<uint32_t, Value*> uniform;  // the same in all lanes: scalars
  llvm::DenseMap<uint32_t, Value*> splat;    // those, in a vector of `lanes`
  llvm::DenseMap<uint32_t, Value*> varying;
};

class Emitter {
 public:
  Emitter(llvm::Module& module, const KernelPlan& plan, const Target& target,
          const CompileOptions& options, EntryInfo& info);
  void run();

  /// A node that is computed from other nodes than its operands, in fewer steps (idioms.cpp).
  struct Idiom {
    enum Kind : uint8_t { Scale, Clamp } kind = Scale;
    uint32_t in[3] = {};
    int count = 0;
  };

 private:
  // Arguments, loaded once in the entry block.
  Value* field(unsigned i);
  Value* argument(unsigned table_field, uint64_t i);
  Value* size(int axis) { return argument(kSizes, static_cast<uint64_t>(axis)); }
  Value* stride(int access, int axis);
  Value* begin() { return field(kBegin); }
  Value* end() { return field(kEnd); }
  Value* scratch_at(int64_t bytes);
  Value* slots(DType t, int64_t count, const char* name);

  // Control flow. for (i = from; i < to; i += step).
  void loop(Value* from, Value* to, int64_t step, llvm::function_ref<void(Value* i)> body);
  Values loop(Value* from, Value* to, int64_t step, const Values& carried,
              llvm::function_ref<Values(Value* i, const Values&)> body);
  void when(Value* condition, llvm::function_ref<void()> then);
  /// Runs over the flat points [from, to) of axes first..first+count-1: body(frame, p, j0, j1) gets
  /// a stretch j0 <= j < j1 of the last axis that starts at flat point p; the last axis stays open.
  using Stretch = llvm::function_ref<void(Frame& f, Value* p, Value* j0, Value* j1)>;
  void walk(const Frame& parent, int first, int count, Value* from, Value* to, Stretch body);

  // Positions.
  Frame root();
  static Frame child(const Frame& parent);
  void set_index(Frame& f, int axis, Value* index);
  void fold(Frame& f, int axis);
  void vectorize(Frame& f, int axis, Value* index, int lanes, Value* mask);
  Value* address(const Frame& f, int access);
  Value* offset(const Frame& f, int access);

  // Values.
  bool varies(const Frame& f, uint32_t id) const {
    return f.axis >= 0 && ((plan_.axes[id] >> f.axis) & 1) != 0;
  }
  Value* find(const Frame& f, uint32_t id) const;
  /// The value, which evaluate() must have made, in f.lanes lanes.
  Value* get(Frame& f, uint32_t id);
  /// Emits what `roots` need and nobody has, if it depends on no axis outside `axes`; values used
  /// by others get a vector of `lanes` at once.
  void evaluate(Frame& f, llvm::ArrayRef<uint32_t> roots, uint64_t axes = ~uint64_t{0},
                int lanes = 1);
  Value* emit_node(Frame& f, uint32_t id);
  void find_idioms();
  const Idiom* idiom_at(const Frame& f, uint32_t id) const;
  Value* emit_idiom(const Idiom& i, llvm::ArrayRef<Value*> in);
  Value* emit_load(Frame& f, const ir::ExprNode& n);
  Value* emit_index(Frame& f, int axis);
  Value* lane_numbers(int lanes, unsigned width = 64);
  Value* splat(Value* scalar, int lanes) {
    return lanes == 1 ? scalar : b_.CreateVectorSplat(static_cast<unsigned>(lanes), scalar);
  }
  Value* tail_mask(Value* remaining, int lanes);
  void store(Frame& f, int store);
  Value* load_memory(DType t, Value* pointer, int lanes, Value* mask);
  void store_memory(DType t, Value* v, Value* pointer, Value* mask);
  Value* element(DType t, Value* pointer, Value* index);

  // Skeletons.
  void emit_pointwise();
  void emit_points(Frame& stretch, Value* j0, Value* j1);
  void emit_row();
  void emit_row_point(Frame& point);
  void emit_column();
  void emit_column_block(const Frame& stretch, Value* j, int unroll, Value* mask);
  std::vector<uint32_t> stage_roots(int stage) const;
  std::vector<uint32_t> inner_store_roots() const;
  int stage_count() const;
  void store_all(Frame& f, bool inner);

  // Reductions: one accumulator is a value, or for ArgMax and ArgMin a value and its index.
  struct Pair {
    Value* value = nullptr;
    Value* index = nullptr;
  };
  /// Places for pairs in memory, `width` elements from one entry to the next.
  struct Slots {
    Value* values = nullptr;
    Value* indices = nullptr;
    int64_t width = 1;
  };
  struct Acc {
    uint32_t node = 0;
    ir::ReduceKind kind = ir::ReduceKind::Sum;
    DType type = DType::F32;  // of the operand
    bool arg = false;
    Slots lanes;              // the 64 canonical lanes
    Slots stack;              // results of earlier chunks
    Value* buffer = nullptr;  // operand values of one chunk (rows with several inner axes)
  };
  Acc make_acc(uint32_t node);
  Pair identity(const Acc& a, int lanes);
  Pair combine(const Acc& a, Pair left, Pair right);
  Pair load_pair(const Acc& a, const Slots& s, Value* entry, int64_t skip, int lanes, Value* mask);
  void store_pair(const Acc& a, Pair v, const Slots& s, Value* entry, int64_t skip, Value* mask);
  Value* finish(const Acc& a, Pair v, Value* count);
  /// A pair in flight and where its chunks are stacked.
  struct Part {
    const Acc* acc = nullptr;
    int64_t skip = 0;  // elements into a stack entry
    Pair pair;
  };
  using Parts = std::vector<Part>;
  /// Chunk `number` gave the pairs: merges finished neighbours, then pushes.
  void push_chunk(Value* number, const Parts& parts, int lanes);
  /// Fills in the pairs of all chunks together.
  void merge_chunks(Value* chunks, Parts& parts, int lanes);
  /// while (steps--) pair = combine(stack[top--], pair), for all parts in one loop.
  void merge_down(Value* top, Value* steps, Parts& parts, int lanes);
  /// Reserves aligned bytes of scratch memory for every call; the number of the first.
  int64_t reserve(int64_t bytes);

  // Rows (row.cpp).
  using Operands = llvm::function_ref<std::vector<Pair>(Value* i, Value* mask)>;
  void prepare_row();
  std::vector<Pair> reduce_chunk(const std::vector<Acc>& accs, Value* length, bool short_body,
                                 Operands operands);
  size_t stage_size(int stage) const;
  Pair fold_lanes(const Acc& a);
  void row_stage(Frame& point, int stage);
  void reduce_row(Frame& point, int stage, std::vector<Acc> accs);
  std::vector<Pair> row_values(const Frame& stretch, int stage, Value* j, Value* flat, Value* mask,
                               const std::vector<Acc>& accs);
  using AtElements = llvm::function_ref<void(Value* j, Value* flat, Value* mask)>;
  void row_loop(Value* p, Value* j0, Value* j1, AtElements body);
  Value* kept_at(size_t i, Value* flat);

  // Columns (column.cpp).
  using Blocks = std::vector<Frame>;
  void column_stage(Blocks& blocks, int stage);
  void column_inner(Blocks& blocks, int stage, const std::vector<Acc>& accs, Value* from,
                    Value* to);
  void fold_columns(Parts& parts, Value* used);

  enum Field : unsigned { kBuffers, kSizes, kStrides, kOffsets, kParams, kBegin, kEnd, kScratch };

  const KernelPlan& plan_;
  const CompileOptions& options_;
  EntryInfo& info_;
  Builder b_;
  Builder entry_;
  llvm::Function* fn_ = nullptr;
  bool wide_masks_ = false;  // masked access to 8- and 16-bit elements (AVX-512)
  int vector_bits_ = 256;
  int lanes_ = 8;
  llvm::DenseMap<uint64_t, Value*> arguments_;
  llvm::DenseMap<uint32_t, Idiom> idioms_;  // per node that is one
  Value* inner_points_ = nullptr;
  std::vector<bool> kept_done_;             // kept values that an earlier stage has written
  llvm::DenseMap<uint32_t, Acc> row_accs_;  // per Reduce node: its memory, shared by all rows
};

}  // namespace etch::codegen
