#include "runtime/direct.h"

#include <array>
#include <mutex>

#include "ir/registry.h"
#include "runtime/interp/loops.h"
#include "runtime/isa.h"
#include "runtime/stream.h"
#include "runtime/threads.h"

namespace etch::runtime {
namespace {

constexpr int64_t kGrain = 32768;  // elements per thread's share

/// The primitive that an operator is, per operand dtype; found from its definition.
struct DirectOp {
  const ir::OpDef* op = nullptr;
  std::array<ir::Prim, kDTypeCount> prim;  // Prim::Lit: not a single primitive
  std::array<DType, kDTypeCount> result;
  std::array<std::array<LoopFn, 3>, kDTypeCount> loops;  // by scalar mask
};

void fill(DirectOp& d, DType t, Isa isa) {
  size_t i = static_cast<size_t>(t);
  ir::ExprGraph g;
  std::vector<ir::Expr> args;
  for (int k = 0; k < d.op->min_operands; ++k) args.push_back(g.arg(t, static_cast<uint32_t>(k)));
  ir::Expr root = d.op->scalar(nullptr, args);
  const ir::ExprNode& n = root.node();
  if (g.size() != args.size() + 1 || ir::arity(n.op) != d.op->min_operands) return;
  for (size_t k = 0; k < args.size(); ++k) {
    if (n.in[k] != args[k].id) return;
  }
  d.prim[i] = n.op;
  d.result[i] = n.dtype;
  for (unsigned mask = 0; mask < 3; ++mask)
    d.loops[i][mask] = find_loop(n.op, t, n.dtype, mask, isa);
}

/// Immutable after construction: operators by address, open addressing.
class DirectTable {
 public:
  explicit DirectTable(Isa isa) {
    for (const ir::OpDef* op : ir::all_ops()) {
      if (!op->is_elementwise() || op->schema->count != 0 || op->min_operands > 2) continue;
      DirectOp& d = slot(op);
      d.op = op;
      d.prim.fill(ir::Prim::Lit);
      d.loops = {};
      for (int t = 0; t < kDTypeCount; ++t) {
        DType dtype = static_cast<DType>(t);
        if (contains(op->info.types, dtype) && contains(kSupported, dtype)) fill(d, dtype, isa);
      }
    }
  }
  const DirectOp* find(const ir::OpDef* op) const {
    const DirectOp& d = const_cast<DirectTable*>(this)->slot(op);
    return d.op == op ? &d : nullptr;
  }

 private:
  DirectOp& slot(const ir::OpDef* op) {
    size_t at = (reinterpret_cast<uintptr_t>(op) >> 5) * 0x9e3779b97f4a7c15u >> (64 - kLogSlots);
    while (slots_[at].op != nullptr && slots_[at].op != op) at = (at + 1) & (kSlots - 1);
    return slots_[at];
  }
  static constexpr size_t kLogSlots = 9, kSlots = size_t{1} << kLogSlots;
  std::vector<DirectOp> slots_ = std::vector<DirectOp>(kSlots);
};

const DirectTable& direct_table(Isa isa) {
  static const DirectTable* tables[kIsaCount] = {};
  static std::once_flag once[kIsaCount];
  size_t i = static_cast<size_t>(isa);
  std::call_once(once[i], [&] { tables[i] = new DirectTable(isa); });  // lives with the process
  return *tables[i];
}

bool same_sizes(const TensorImpl& a, const TensorImpl& b) { return a.sizes == b.sizes; }

}  // namespace

Tensor try_direct(const ir::OpDef& op, std::span<const Tensor> in, const void*) {
  if (in.empty() || in.size() > 2 || !in[0].defined() || !in.back().defined()) return {};
  const TensorImpl& a = impl(in[0]);
  const TensorImpl& b = impl(in.back());
  if (a.dtype != b.dtype || !a.contiguous || !b.contiguous) return {};
  unsigned mask = 0;
  const TensorImpl* shape = &a;
  if (in.size() == 2 && !same_sizes(a, b)) {
    if (b.sizes.empty()) {
      mask = 2;
    } else if (a.sizes.empty()) {
      mask = 1;
      shape = &b;
    } else {
      return {};
    }
  }
  const DirectOp* d = direct_table(active_isa()).find(&op);
  if (d == nullptr) return {};
  LoopFn loop = d->loops[static_cast<size_t>(a.dtype)][mask];
  if (loop == nullptr) return {};
  DType result = d->result[static_cast<size_t>(a.dtype)];
  Tensor out(new_tensor(result, shape->sizes));
  TensorImpl& o = impl(out);
  if (o.numel <= kGrain) {
    loop({o.numel, o.data, {a.data, b.data, nullptr}});
    return out;
  }
  int64_t in_size = static_cast<int64_t>(itemsize(a.dtype));
  int64_t out_size = static_cast<int64_t>(itemsize(result));
  const bool streaming =
      worth_streaming(o.numel * out_size, mask == 0 ? static_cast<int>(in.size()) : 1,
                      ir::is_func(d->prim[static_cast<size_t>(a.dtype)]) ? 8 : 1);
  parallel_for(o.numel, kGrain, [&](int64_t begin, int64_t end) {
    auto at = [&](const TensorImpl& t, unsigned bit, int64_t i) {
      auto* p = static_cast<const std::byte*>(t.data);
      return (mask & bit) != 0 ? p : p + i * in_size;
    };
    auto* to = static_cast<std::byte*>(o.data);
    if (!streaming) {
      loop({end - begin, to + begin * out_size, {at(a, 1, begin), at(b, 2, begin), nullptr}});
      return;
    }
    constexpr int64_t kPiece = 256;  // short: stores then overlap with the next loads
    alignas(64) std::byte piece[kPiece * sizeof(int64_t)];
    for (int64_t i = begin; i < end; i += kPiece) {
      int64_t n = std::min(kPiece, end - i);
      loop({n, piece, {at(a, 1, i), at(b, 2, i), nullptr}});
      stream_copy(to + i * out_size, piece, static_cast<size_t>(n * out_size));
    }
    stream_fence();
  });
  return out;
}

}  // namespace etch::runtime
