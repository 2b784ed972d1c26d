#include "runtime/tensor_impl.h"

#include <cstring>
#include <new>

#include "ir/ops/elementwise.h"
#include "ir/support/checked.h"
#include "runtime/allocator.h"
#include "runtime/eager.h"
#include "runtime/tape.h"

namespace etch::runtime {
namespace {

std::atomic<uint64_t> next_serial{1};

// Header and storage first, then the elements of small tensors, 64-byte aligned.
struct Block {
  Storage storage;
  TensorImpl tensor;
};
constexpr size_t kHeaderBytes = (sizeof(Block) + 63) / 64 * 64;
constexpr size_t kInlineBytes = 1024;

void row_major(TensorImpl& t) {
  int64_t next = 1;
  t.strides.resize(t.sizes.size());
  for (size_t i = t.sizes.size(); i-- > 0;) {
    t.strides[i] = next;
    next *= t.sizes[i];
  }
}

/// Product of sizes; raises UserError on negative sizes and overflow.
int64_t count_elements(std::span<const int64_t> sizes) {
  __int128 n = 1;
  bool zero = false;
  for (int64_t s : sizes) {
    if (s < 0) fail("size", cat("negative size ", s), "Sizes are 0 or more", current_loc());
    zero |= s == 0;
    if (s != 0) n *= s;
    if (n > (int64_t{1} << 56)) {
      fail("size", cat("shape ", sizes, " has too many elements"), "Check the sizes",
           current_loc());
    }
  }
  return zero ? 0 : static_cast<int64_t>(n);
}

void check_dense(TensorImpl& t) {
  int64_t next = 1;
  t.contiguous = true;
  t.numel = 1;
  for (int64_t s : t.sizes) t.numel *= s;
  for (size_t i = t.sizes.size(); i-- > 0;) {
    if (t.sizes[i] != 1 && t.strides[i] != next && t.numel != 0) t.contiguous = false;
    next *= t.sizes[i];
  }
}

}  // namespace

void retain(TensorImpl* t) { t->refs.fetch_add(1, std::memory_order_relaxed); }
void retain(Storage* s) { s->refs.fetch_add(1, std::memory_order_relaxed); }

void release(Storage* s) {
  if (s->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (s->own_data) deallocate(s->data, s->bytes);
  size_t bytes = s->block_bytes;
  s->~Storage();
  deallocate(s, bytes);
}

void release(TensorImpl* t) {
  if (t->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  Storage* storage = t->storage;
  bool in_block = t->in_storage_block;
  t->~TensorImpl();
  if (!in_block) deallocate(t, sizeof(TensorImpl));
  release(storage);
}

TensorImpl* new_tensor(DType dtype, std::span<const int64_t> sizes) {
  if (!contains(kSupported, dtype)) {
    fail("tensor", cat("dtype ", dtype, " cannot be computed with yet"),
         "Use bool, integers, f32 or f64", current_loc());
  }
  if (sizes.size() > kMaxRank) {
    fail("tensor", cat("rank ", sizes.size(), " is above the limit of ", kMaxRank), "",
         current_loc());
  }
  int64_t numel = count_elements(sizes);
  size_t bytes = static_cast<size_t>(numel) * itemsize(dtype);
  bool inline_data = bytes <= kInlineBytes;
  size_t block_bytes = kHeaderBytes + (inline_data ? bytes : 0);
  auto* block = new (allocate(block_bytes)) Block;
  Storage& s = block->storage;
  s.bytes = bytes;
  s.block_bytes = block_bytes;
  TensorImpl& t = block->tensor;
  t.in_storage_block = true;
  t.storage = &s;
  if (inline_data) {
    s.data = reinterpret_cast<std::byte*>(block) + kHeaderBytes;
  } else {
    try {
      s.data = allocate(bytes);
    } catch (...) {
      block->~Block();
      deallocate(block, block_bytes);
      throw;
    }
    s.own_data = true;
  }
  t.dtype = dtype;
  t.data = s.data;
  t.numel = numel;
  t.sizes = Sizes(sizes);
  row_major(t);
  t.born = t.serial = next_serial.fetch_add(1, std::memory_order_relaxed);
  return &t;
}

TensorImpl* new_view(const TensorImpl& base, std::span<const int64_t> sizes,
                     std::span<const int64_t> strides, void* data) {
  auto* t = new (allocate(sizeof(TensorImpl))) TensorImpl;
  t->dtype = base.dtype;
  t->storage = base.storage;
  retain(t->storage);
  t->data = data;
  t->sizes = Sizes(sizes);
  t->strides = Sizes(strides);
  check_dense(*t);
  t->born = t->serial = next_serial.fetch_add(1, std::memory_order_relaxed);
  return t;
}

Tensor tensor_on(std::shared_ptr<const void> keep_alive, const void* data, DType dtype,
                 std::span<const int64_t> sizes) {
  const int64_t none = 0;
  Tensor holder(new_tensor(dtype, {&none, 1}));
  Storage& s = *impl(holder).storage;
  s.data = const_cast<void*>(data);
  s.keep_alive = std::move(keep_alive);
  s.bytes = static_cast<size_t>(count_elements(sizes)) * itemsize(dtype);
  TensorImpl& t = impl(holder);
  t.data = s.data;
  t.sizes = Sizes(sizes);
  row_major(t);
  check_dense(t);
  return holder;
}

ir::TensorType type_of(const TensorImpl& t) { return {t.dtype, to_shape(t.sizes)}; }

StridedView view_of(const TensorImpl& t) {
  return {to_shape(t.sizes), to_shape(t.strides), Dim(0)};
}

void require_defined(const Tensor& t, std::string_view op) {
  if (!t.defined()) fail(op, "an operand is undefined", "Assign the Tensor first", current_loc());
}

}  // namespace etch::runtime
