// Hand-built kernels, memory that faults on any access outside it, and comparison with the naive
// evaluation.
#pragma once

#include <string>
#include <vector>

#include "codegen/backend.h"
#include "ir/loop/kernel.h"

namespace etch::test {

/// Bytes that end at an inaccessible page (and begin close behind one).
class GuardedBytes {
 public:
  explicit GuardedBytes(size_t bytes);
  GuardedBytes(GuardedBytes&& o) noexcept
      : map_(o.map_), map_size_(o.map_size_), data_(o.data_), size_(o.size_) {
    o.map_ = nullptr;
  }
  GuardedBytes(const GuardedBytes&) = delete;
  ~GuardedBytes();
  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* map_ = nullptr;
  size_t map_size_ = 0;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Fills with values of the type: ordinary ones, and every special one now and then.
void fill_values(DType t, std::byte* data, size_t count, uint64_t seed);

/// A kernel under construction. Shapes are numbers; operands are row-major over all axes unless
/// strides are given.
struct HandKernel {
  ir::loop::Kernel k;
  std::vector<int64_t> counts;  // elements per buffer

  HandKernel(std::vector<int64_t> outer, std::vector<int64_t> inner);
  ir::Expr load(DType t);  // dense over outer and inner
  ir::Expr load(DType t, std::vector<int64_t> strides, int64_t offset = 0);
  void store(ir::Expr v, bool inner_store);  // dense
  void store(ir::Expr v, bool inner_store, std::vector<int64_t> strides);
  ir::Expr reduce(ir::ReduceKind kind, ir::Expr operand);
  std::vector<int64_t> dense(bool with_inner) const;
  int64_t count_of(const std::vector<int64_t>& strides, int64_t offset) const;
};

/// Compiles and runs over the outer points, in two uneven parts, and compares every output bit with
/// the naive evaluation (all NaNs equal). Returns "" or what differs.
std::string check_one(const HandKernel& c, runtime::Isa isa, int tier, uint64_t seed = 1);
/// All tiers and both instruction sets where the machine has them.
std::string check_everywhere(const HandKernel& c, uint64_t seed = 1);

}  // namespace etch::test
