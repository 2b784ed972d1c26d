#include "tests/codegen/naive_kernel.h"

#include <cstring>
#include <map>

#include "ir/scalar/eval.h"
#include "ir/support/error.h"

namespace etch::test {

namespace {

using namespace ir;
using namespace ir::loop;

struct Walker {
  const Kernel& k;
  const KernelArgs& a;
  std::vector<int64_t> at;                  // index per axis
  std::map<uint32_t, uint64_t> reduced;     // results at this outer point
  std::map<uint32_t, uint64_t> memo;        // values at this point

  void locate(int first, int count, int64_t flat) {
    for (int i = count - 1; i >= 0; --i) {
      int64_t n = a.sizes[first + i];
      at[static_cast<size_t>(first + i)] = flat % n;
      flat /= n;
    }
    memo.clear();
  }

  std::byte* address(const Access& access, size_t number, DType t) const {
    int64_t element = a.offsets[number];
    for (size_t i = 0; i < at.size(); ++i) element += at[i] * a.strides[number * at.size() + i];
    return static_cast<std::byte*>(a.buffers[access.buffer]) + element * static_cast<int64_t>(itemsize(t));
  }

  uint64_t value(uint32_t id) {
    if (auto r = reduced.find(id); r != reduced.end()) return r->second;
    if (auto m = memo.find(id); m != memo.end()) return m->second;
    const ExprNode& n = k.exprs.node(id);
    uint64_t v = 0;
    if (n.op == Prim::Lit) v = n.bits;
    else if (n.op == Prim::Index) v = static_cast<uint64_t>(at[n.bits]);
    else if (n.op == Prim::Param) v = eval_cast(DType::I64, n.dtype, static_cast<uint64_t>(a.params[n.bits]));
    else if (n.op == Prim::Load) std::memcpy(&v, address(k.loads[n.bits], n.bits, n.dtype), itemsize(n.dtype));
    else {
      invariant(n.op != Prim::Reduce, "a reduction out of order");
      uint64_t in[4] = {};
      for (int i = 0; i < arity(n.op); ++i) in[i] = value(n.in[i]);
      v = eval_prim(n.op, k.exprs.node(n.in[n.op == Prim::Select ? 1 : 0]).dtype, n.dtype, in);
    }
    return memo[id] = v;
  }
};

struct Item {
  uint64_t value;
  int64_t index;
};

Item combine(ReduceKind kind, DType t, Item l, Item r) {
  auto prim = [&](Prim p, uint64_t x, uint64_t y) {
    uint64_t in[] = {x, y};
    return eval_prim(p, t, result_dtype(p, t, t), in);
  };
  switch (kind) {
    case ReduceKind::Sum: return {prim(Prim::Add, l.value, r.value), 0};
    case ReduceKind::Prod: return {prim(Prim::Mul, l.value, r.value), 0};
    case ReduceKind::Max: return {prim(Prim::Max, l.value, r.value), 0};
    case ReduceKind::Min: return {prim(Prim::Min, l.value, r.value), 0};
    default: break;
  }
  bool l_nan = prim(Prim::Ne, l.value, l.value) != 0, r_nan = prim(Prim::Ne, r.value, r.value) != 0;
  bool larger = kind == ReduceKind::ArgMax ? prim(Prim::Lt, l.value, r.value) : prim(Prim::Lt, r.value, l.value);
  bool equal = prim(Prim::Eq, l.value, r.value) != 0 || (l_nan && r_nan);
  bool right = larger || (r_nan && !l_nan) || (equal && r.index < l.index);
  return right ? r : l;
}

uint64_t reduce(ReduceKind kind, DType t, const std::vector<Item>& items) {
  std::vector<Item> chunks;
  for (size_t c = 0; c < items.size(); c += kReduceChunk) {
    size_t n = std::min<size_t>(kReduceChunk, items.size() - c);
    std::vector<Item> lanes;
    for (size_t i = 0; i < n; ++i) {
      if (i < kReduceLanes) lanes.push_back(items[c + i]);
      else lanes[i % kReduceLanes] = combine(kind, t, lanes[i % kReduceLanes], items[c + i]);
    }
    for (size_t half = kReduceLanes / 2; half > 0; half /= 2) {
      for (size_t i = 0; i + half < lanes.size() && i < half; ++i) lanes[i] = combine(kind, t, lanes[i], lanes[i + half]);
      if (lanes.size() > half) lanes.resize(half);
    }
    chunks.push_back(lanes[0]);
  }
  if (chunks.empty()) return kind == ReduceKind::Prod ? eval_cast(DType::I64, t, 1) : 0;
  while (chunks.size() > 1) {
    std::vector<Item> next;
    for (size_t i = 0; i < chunks.size(); i += 2) {
      next.push_back(i + 1 < chunks.size() ? combine(kind, t, chunks[i], chunks[i + 1]) : chunks[i]);
    }
    chunks = next;
  }
  bool arg = kind == ReduceKind::ArgMax || kind == ReduceKind::ArgMin;
  return arg ? static_cast<uint64_t>(chunks[0].index) : chunks[0].value;
}

}  // namespace

void run_naive(const Kernel& k, const KernelArgs& args) {
  Walker w{k, args, std::vector<int64_t>(static_cast<size_t>(k.axes())), {}, {}};
  int outer = static_cast<int>(k.outer.size()), inner = static_cast<int>(k.inner.size());
  int64_t inner_points = 1;
  for (int i = 0; i < inner; ++i) inner_points *= args.sizes[outer + i];
  auto write = [&](size_t s) {
    const Store& st = k.stores[s];
    DType t = k.exprs.node(st.value).dtype;
    uint64_t v = w.value(st.value);
    std::memcpy(w.address(st.access, k.loads.size() + s, t), &v, itemsize(t));
  };
  for (int64_t p = args.begin; p < args.end; ++p) {
    w.reduced.clear();
    w.locate(0, outer, p);
    for (uint32_t id = 0; id < k.exprs.size(); ++id) {
      const ExprNode& n = k.exprs.node(id);
      if (n.op != Prim::Reduce) continue;
      std::vector<Item> items;
      for (int64_t i = 0; i < inner_points; ++i) {
        w.locate(outer, inner, i);
        items.push_back({w.value(n.in[0]), i});
      }
      for (int i = 0; i < inner; ++i) w.at[static_cast<size_t>(outer + i)] = 0;
      w.memo.clear();
      w.reduced[id] = reduce(k.reductions[n.bits].kind, k.exprs.node(n.in[0]).dtype, items);
    }
    for (size_t s = 0; s < k.stores.size(); ++s) {
      for (int64_t i = 0; i < (k.stores[s].inner ? inner_points : 1); ++i) {
        if (k.stores[s].inner) w.locate(outer, inner, i);
        write(s);
      }
    }
  }
}

}  // namespace etch::test
