#include "runtime/contractions.h"

#include <algorithm>

#include "ir/ops/contract.h"
#include "runtime/allocator.h"
#include "runtime/contract/contract.h"

namespace etch::runtime {
namespace {

using contract::Scratch;

Scratch& thread_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

/// Whether the library, if it is to be used, ran `f(table)`.
template <class F>
bool by_library(LibraryUse* use, F&& f) {
  if (use == nullptr || !f(use->vendor)) return false;
  ++use->runs;
  return true;
}

/// Runs of batches whose offsets advance evenly become one call; others go one by one.
bool run_matmul(std::span<const Operand> in, const void*, void* out,
                std::span<const int64_t> out_sizes, LibraryUse* use, const PackedWeight* weight) {
  const Operand &a = in[0], &b = in[1];
  size_t ar = a.sizes.size(), br = b.sizes.size(), cr = out_sizes.size();
  contract::MatmulDesc d;
  d.dtype = a.dtype;
  d.m = out_sizes[cr - 2];
  d.n = out_sizes[cr - 1];
  d.k = a.sizes[ar - 1];
  d.a_row = a.strides[ar - 2];
  d.a_col = a.strides[ar - 1];
  d.b_row = b.strides[br - 2];
  d.b_col = b.strides[br - 1];
  d.c_row = d.n;
  d.c_batch = d.m * d.n;
  int64_t item = static_cast<int64_t>(itemsize(a.dtype));
  int64_t outer = 1, inner = 1;
  auto stride_at = [&](const Operand& x, size_t rank, size_t axis) {
    size_t skip = cr - rank;
    if (axis < skip || x.sizes[axis - skip] == 1) return int64_t{0};
    return x.strides[axis - skip];
  };
  if (cr > 2) {
    inner = out_sizes[cr - 3];
    d.a_batch = stride_at(a, ar, cr - 3);
    d.b_batch = stride_at(b, br, cr - 3);
  }
  for (size_t i = 0; i + 3 < cr; ++i) outer *= out_sizes[i];
  d.batch = inner;
  for (int64_t z = 0; z < outer; ++z) {
    int64_t rest = z, a_at = 0, b_at = 0;
    for (size_t i = cr > 3 ? cr - 3 : 0; i-- > 0;) {
      int64_t index = rest % out_sizes[i];
      rest /= out_sizes[i];
      a_at += index * stride_at(a, ar, i);
      b_at += index * stride_at(b, br, i);
    }
    d.a = static_cast<const std::byte*>(a.data) + a_at * item;
    d.b = static_cast<const std::byte*>(b.data) + b_at * item;
    d.c = static_cast<std::byte*>(out) + z * inner * d.c_batch * item;
    if (weight != nullptr) {
      const contract::PackedB packed{d.dtype, weight->isa(), d.k, d.n, weight->data()};
      contract::matmul_packed(d, packed, thread_scratch());
      continue;
    }
    bool done = by_library(use, [&](const ContractionLibrary& l) { return l.matmul(d); });
    if (!done) contract::matmul(d, thread_scratch());
  }
  return true;
}

bool is_dense(const Operand& x) {
  int64_t next = 1;
  for (size_t i = x.sizes.size(); i-- > 0;) {
    if (x.sizes[i] != 1 && x.strides[i] != next) return false;
    next *= x.sizes[i];
  }
  return true;
}

ir::TensorRef ref(const Operand& x) { return {const_cast<void*>(x.data), x.dtype, x.sizes}; }

contract::Conv2dDesc conv_desc(std::span<const Operand> in, const void* attrs) {
  const auto& a = *static_cast<const ir::Conv2d::Attrs*>(attrs);
  return ir::conv_geometry(ref(in[0]), ref(in[1]), a.stride, a.padding, a.dilation, a.groups);
}

bool run_conv(std::span<const Operand> in, const void* attrs, void* out, std::span<const int64_t>,
              LibraryUse* use, const PackedWeight* weight) {
  if (!is_dense(in[0]) || !is_dense(in[1])) return false;
  const contract::Conv2dDesc d = conv_desc(in, attrs);
  if (weight != nullptr) {
    const contract::PackedConvWeight packed{d.dtype, weight->isa(), weight->data()};
    contract::conv2d_forward_packed(d, in[0].data, packed, out, thread_scratch());
    return true;
  }
  bool done = by_library(use, [&](const ContractionLibrary& l) {
    return l.conv2d_forward(d, in[0].data, in[1].data, out);
  });
  if (!done) contract::conv2d_forward(d, in[0].data, in[1].data, out, thread_scratch());
  return true;
}

int64_t conv_groups(const void* attrs) {
  return static_cast<const ir::Conv2d::Attrs*>(attrs)->groups;
}

/// Bytes of the packed weights; 0 when they have no packed form.
size_t conv_weight_bytes(std::span<const Operand> in, const void* attrs, Isa isa) {
  if (!is_dense(in[0]) || !is_dense(in[1])) return 0;
  return contract::packed_conv_weight_bytes(conv_desc(in, attrs), isa);
}

void pack_conv_weight(std::span<const Operand> in, const void* attrs, Isa isa, void* out) {
  contract::pack_conv_weight(conv_desc(in, attrs), in[1].data, isa, out);
}

/// One right-hand side for all batches. A single column is faster as the row of a product that is
/// turned around, which reads it in place.
size_t matmul_weight_bytes(std::span<const Operand> in, const void*, Isa isa) {
  const Operand& b = in[1];
  const size_t rank = b.sizes.size();
  for (size_t i = 0; i + 2 < rank; ++i) {
    if (b.sizes[i] != 1 && b.strides[i] != 0) return 0;
  }
  if (b.sizes[rank - 1] == 1) return 0;
  return contract::packed_b_bytes(b.dtype, b.sizes[rank - 2], b.sizes[rank - 1], isa);
}

void pack_matmul_weight(std::span<const Operand> in, const void*, Isa isa, void* out) {
  const Operand& b = in[1];
  const size_t rank = b.sizes.size();
  contract::pack_b(b.dtype, b.sizes[rank - 2], b.sizes[rank - 1], b.data, b.strides[rank - 2],
                   b.strides[rank - 1], isa, out);
}

bool run_conv_input_grad(std::span<const Operand> in, const void* attrs, void* out,
                         std::span<const int64_t> out_sizes, LibraryUse* use, const PackedWeight*) {
  const auto& a = *static_cast<const ir::Conv2dInputGrad::Attrs*>(attrs);
  if (!is_dense(in[0]) || !is_dense(in[1])) return false;
  ir::TensorRef x{out, in[0].dtype, out_sizes};
  auto d = ir::conv_geometry(x, ref(in[1]), a.stride, a.padding, a.dilation, a.groups);
  bool done = by_library(use, [&](const ContractionLibrary& l) {
    return l.conv2d_backward_data(d, in[0].data, in[1].data, out);
  });
  if (!done) contract::conv2d_backward_data(d, in[0].data, in[1].data, out, thread_scratch());
  return true;
}

bool run_conv_weight_grad(std::span<const Operand> in, const void* attrs, void* out,
                          std::span<const int64_t> out_sizes, LibraryUse* use,
                          const PackedWeight*) {
  const auto& a = *static_cast<const ir::Conv2dWeightGrad::Attrs*>(attrs);
  if (!is_dense(in[0]) || !is_dense(in[1])) return false;
  ir::TensorRef w{out, in[0].dtype, out_sizes};
  auto d = ir::conv_geometry(ref(in[0]), w, a.stride, a.padding, a.dilation, a.groups);
  bool done = by_library(use, [&](const ContractionLibrary& l) {
    return l.conv2d_backward_weights(d, in[0].data, in[1].data, out);
  });
  if (!done) contract::conv2d_backward_weights(d, in[0].data, in[1].data, out, thread_scratch());
  return true;
}

using Run = bool (*)(std::span<const Operand>, const void*, void*, std::span<const int64_t>,
                     LibraryUse*, const PackedWeight*);
struct Packed {
  const ir::OpDef* op;
  Run run;
  // Of operators whose weights have a packed form; f32 and f64 only.
  size_t (*weight_bytes)(std::span<const Operand>, const void*, Isa) = nullptr;
  void (*pack_weight)(std::span<const Operand>, const void*, Isa, void*) = nullptr;
  int64_t (*groups)(const void*) = nullptr;
};

// The declared list of operators with packed kernels.
std::span<const Packed> packed_list() {
  static const Packed list[] = {
      {&ir::op_def<ir::Conv2d>(), &run_conv, &conv_weight_bytes, &pack_conv_weight, &conv_groups},
      {&ir::op_def<ir::Conv2dInputGrad>(), &run_conv_input_grad},
      {&ir::op_def<ir::Conv2dWeightGrad>(), &run_conv_weight_grad},
      {&ir::op_def<ir::MatMul>(), &run_matmul, &matmul_weight_bytes, &pack_matmul_weight},
  };
  return list;
}

const Packed* find_packed(const ir::OpDef& op) {
  for (const Packed& p : packed_list()) {
    if (p.op == &op) return &p;
  }
  return nullptr;
}

int64_t groups_of(const Packed& p, const void* attrs) {
  return p.groups == nullptr ? 1 : p.groups(attrs);
}

bool same(std::span<const int64_t> a, std::span<const int64_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

std::shared_ptr<const PackedWeight> PackedWeight::make(const ir::OpDef& op,
                                                       std::span<const Operand> in,
                                                       const void* attrs, int64_t offset) {
  const Packed* p = find_packed(op);
  if (p == nullptr || p->pack_weight == nullptr) return nullptr;
  const Operand& w = in[1];
  if (w.dtype != DType::F32 && w.dtype != DType::F64) return nullptr;
  const Isa isa = active_isa();
  const size_t bytes = p->weight_bytes(in, attrs, isa);
  if (bytes == 0) return nullptr;
  std::shared_ptr<PackedWeight> out(new PackedWeight);
  try {
    out->data_ = allocate(bytes);
  } catch (const UserError&) {  // the run goes on without
    return nullptr;
  }
  out->bytes_ = bytes;
  out->op_ = &op;
  out->isa_ = isa;
  out->dtype_ = w.dtype;
  out->groups_ = groups_of(*p, attrs);
  out->offset_ = offset;
  out->sizes_ = Sizes(w.sizes);
  out->strides_ = Sizes(w.strides);
  p->pack_weight(in, attrs, isa, out->data_);
  return out;
}

bool PackedWeight::fits(const ir::OpDef& op, const Operand& weight, const void* attrs,
                        int64_t offset) const {
  return op_ == &op && isa_ == active_isa() && dtype_ == weight.dtype && offset_ == offset &&
         groups_ == groups_of(*find_packed(op), attrs) && same(sizes_, weight.sizes) &&
         same(strides_, weight.strides);
}

PackedWeight::~PackedWeight() {
  if (data_ != nullptr) deallocate(data_, bytes_);
}

bool run_contraction(const ir::OpDef& op, std::span<const Operand> in, const void* attrs, void* out,
                     std::span<const int64_t> out_sizes, LibraryUse* use,
                     const PackedWeight* weight) {
  const Packed* p = find_packed(op);
  return p != nullptr && p->run(in, attrs, out, out_sizes, use, weight);
}

bool run_contraction(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
                     std::span<const Tensor> out) {
  SmallVec<Operand, 4> operands;
  for (const Tensor& t : in) {
    const TensorImpl& i = impl(t);
    operands.push_back({i.data, i.dtype, i.sizes, i.strides});
  }
  return run_contraction(op, operands, attrs, impl(out[0]).data, impl(out[0]).sizes);
}

}  // namespace etch::runtime
