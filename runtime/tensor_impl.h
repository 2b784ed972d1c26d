// What a Tensor handle points to.
#pragma once

#include <atomic>
#include <memory>

#include "etch/tensor.h"
#include "ir/op.h"

namespace etch::runtime {

/// A reference-counted buffer. Small tensors keep theirs in the same block as header and storage.
struct Storage {
  std::atomic<uint32_t> refs{1};
  uint32_t version = 0;              // counts in-place writes
  std::atomic<bool> exposed{false};  // a data pointer was handed out: writes may go uncounted
  void* data = nullptr;
  size_t bytes = 0;
  size_t block_bytes = 0;                  // of the whole block this storage lies in
  std::shared_ptr<const void> keep_alive;  // foreign memory (mapped files); null for our own
  bool own_data = false;                   // `data` is a block of its own
};
void retain(Storage* s);
void release(Storage* s);

struct GradMeta;

struct TensorImpl {
  std::atomic<uint32_t> refs{1};
  DType dtype = DType::F32;
  bool contiguous = true;
  bool in_storage_block = false;  // lies in the block of its own storage
  void* data = nullptr;
  Storage* storage = nullptr;
  int64_t numel = 1;
  Sizes sizes;
  Sizes strides;                   // elements
  std::unique_ptr<GradMeta> grad;  // null: takes no part in gradients
  uint64_t trace = 0;              // id of the recording that `trace_value` belongs to
  uint64_t trace_value = 0;
  uint32_t trace_version = 0;  // storage->version when trace_value was right
  uint64_t serial = 0;         // creation order within the process
  uint64_t born = 0;           // the same of this handle; a detached one takes over the serial
};

/// A fresh dense tensor with unspecified contents.
TensorImpl* new_tensor(DType dtype, std::span<const int64_t> sizes);
/// Another window on t's storage.
TensorImpl* new_view(const TensorImpl& t, std::span<const int64_t> sizes,
                     std::span<const int64_t> strides, void* data);
/// Memory that somebody else keeps alive; read-only by convention.
Tensor tensor_on(std::shared_ptr<const void> keep_alive, const void* data, DType dtype,
                 std::span<const int64_t> sizes);

inline TensorImpl& impl(const Tensor& t) { return *t.impl(); }
ir::TensorType type_of(const TensorImpl& t);
StridedView view_of(const TensorImpl& t);
inline ir::TensorRef ref_of(const TensorImpl& t) { return {t.data, t.dtype, t.sizes}; }
/// t itself when dense, else a dense copy.
Tensor dense(const Tensor& t);
/// Raises UserError for an empty handle.
void require_defined(const Tensor& t, std::string_view op);

}  // namespace etch::runtime
