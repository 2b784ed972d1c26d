#include "tests/support/naive.h"

#include <cstring>
#include <limits>
#include <map>
#include <optional>

#include "ir/ops/create.h"
#include "ir/scalar/eval.h"

namespace etch::test {

using namespace etch::ir;

namespace {

int64_t count(std::span<const int64_t> sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

uint64_t read(DType t, const void* base, int64_t i) {
  uint64_t bits = 0;
  std::memcpy(&bits, static_cast<const std::byte*>(base) + static_cast<size_t>(i) * itemsize(t),
              itemsize(t));
  return bits;
}

void write(DType t, void* base, int64_t i, uint64_t bits) {
  std::memcpy(static_cast<std::byte*>(base) + static_cast<size_t>(i) * itemsize(t), &bits,
              itemsize(t));
}

bool is_nan(DType t, uint64_t bits) {
  uint64_t ne = 0, in[] = {bits, bits};
  if (is_float(t)) ne = eval_prim(Prim::Ne, t, DType::Bool, in);
  return ne != 0;
}

/// Next point of an odometer; false after the last.
bool step_index(std::vector<int64_t>& index, std::span<const int64_t> sizes) {
  for (size_t d = index.size(); d-- > 0;) {
    if (++index[d] < sizes[d]) return true;
    index[d] = 0;
  }
  return false;
}

int64_t dot(std::span<const int64_t> strides, const std::vector<int64_t>& index) {
  int64_t at = 0;
  for (size_t d = 0; d < index.size(); ++d) at += strides[d] * index[d];
  return at;
}

using Maybe = std::optional<uint64_t>;

Maybe fold_pair(Prim op, DType t, Maybe a, Maybe b) {
  if (!a || !b) return a ? a : b;
  uint64_t in[] = {*a, *b};
  return eval_prim(op, t, t, in);
}

Prim combiner(ReduceKind k) {
  switch (k) {
    case ReduceKind::Sum:
      return Prim::Add;
    case ReduceKind::Prod:
      return Prim::Mul;
    case ReduceKind::Max:
      return Prim::Max;
    default:
      return Prim::Min;
  }
}

/// Of nothing.
uint64_t empty_value(ReduceKind k, DType t) {
  ExprGraph g;
  double inf = std::numeric_limits<double>::infinity();
  switch (k) {
    case ReduceKind::Sum:
      return 0;
    case ReduceKind::Prod:
      return g.lit(t, 1).node().bits;
    case ReduceKind::Max:
      return g.lit(t, -inf).node().bits;
    default:
      return g.lit(t, inf).node().bits;
  }
}

uint64_t first_best(ReduceKind kind, DType t, std::span<const uint64_t> values) {
  size_t best = 0;
  for (size_t i = 1; i < values.size(); ++i) {
    if (is_nan(t, values[best])) break;
    uint64_t in[] = {values[i], values[best]};
    if (kind == ReduceKind::ArgMax) std::swap(in[0], in[1]);
    if (is_nan(t, values[i]) || eval_prim(Prim::Lt, t, DType::Bool, in) != 0) best = i;
  }
  return best;
}

}  // namespace

Dense::Dense(DType t, Sizes s) : dtype(t), sizes(std::move(s)) {
  bytes.resize(static_cast<size_t>(numel()) * itemsize(dtype));
}
int64_t Dense::numel() const { return count(sizes); }
uint64_t Dense::at(int64_t i) const { return read(dtype, bytes.data(), i); }
void Dense::set(int64_t i, uint64_t bits) { write(dtype, bytes.data(), i, bits); }

bool same_bits(const Dense& a, const Dense& b) { return first_difference(a, b).empty(); }

std::string first_difference(const Dense& a, const Dense& b) {
  if (a.dtype != b.dtype || !(a.sizes == b.sizes)) {
    return cat(a.dtype, a.sizes, " against ", b.dtype, b.sizes);
  }
  for (int64_t i = 0; i < a.numel(); ++i) {
    if (canonical_value(a.dtype, a.at(i)) != canonical_value(b.dtype, b.at(i))) {
      return cat("element ", i, " of ", a.sizes, ": bits ", a.at(i), " against ", b.at(i));
    }
  }
  return "";
}

uint64_t reduce_naive(ReduceKind kind, DType t, std::span<const uint64_t> values) {
  if (kind == ReduceKind::ArgMax || kind == ReduceKind::ArgMin) return first_best(kind, t, values);
  Prim op = combiner(kind);
  std::vector<Maybe> chunks;
  for (size_t begin = 0; begin < values.size(); begin += loop::kReduceChunk) {
    std::vector<Maybe> lanes(loop::kReduceLanes);
    size_t end = std::min<size_t>(values.size(), begin + loop::kReduceChunk);
    for (size_t i = begin; i < end; ++i) {
      Maybe& lane = lanes[(i - begin) % loop::kReduceLanes];
      lane = fold_pair(op, t, lane, values[i]);
    }
    for (size_t half = loop::kReduceLanes / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) lanes[i] = fold_pair(op, t, lanes[i], lanes[i + half]);
    }
    chunks.push_back(lanes[0]);
  }
  while (chunks.size() > 1) {
    std::vector<Maybe> next;
    for (size_t i = 0; i < chunks.size(); i += 2) {
      next.push_back(i + 1 < chunks.size() ? fold_pair(op, t, chunks[i], chunks[i + 1])
                                           : chunks[i]);
    }
    chunks = std::move(next);
  }
  return chunks.empty() ? empty_value(kind, t) : *chunks[0];
}

namespace {

class GraphRunner {
 public:
  GraphRunner(const Graph& g, std::span<const SymbolBinding> bindings) : g_(g), bind_(bindings) {}

  std::vector<Dense> run(const std::vector<Dense>& inputs) {
    for (size_t i = 0; i < inputs.size(); ++i) values_[g_.inputs()[i].value.node] = inputs[i];
    for (NodeId id : g_) {
      const Node& n = g_.node(id);
      if (is_input(n)) continue;
      Dense out(n.outputs[0].dtype, shape_eval(n.outputs[0].shape, bind_));
      if (is_constant(n)) {
        std::memcpy(out.bytes.data(), n.constant->data.get(), out.bytes.size());
      } else if (n.op->is_elementwise()) {
        elementwise(n, out);
      } else if (n.op->is_view()) {
        view(n, out);
      } else if (n.op->kind == OpKind::Reduction) {
        reduction(n, out);
      } else {
        create(n, out);
      }
      values_[id] = std::move(out);
    }
    std::vector<Dense> results;
    for (const GraphResult& r : g_.results()) results.push_back(values_.at(r.value.node));
    return results;
  }

 private:
  const Dense& in(const Node& n, size_t i) { return values_.at(n.inputs[i].node); }
  Shape numbers(const Shape& s) { return to_shape(shape_eval(s, bind_)); }

  void elementwise(const Node& n, Dense& out) {
    ExprGraph scalar;
    std::vector<Expr> args;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      args.push_back(scalar.arg(in(n, i).dtype, static_cast<uint32_t>(i)));
    }
    uint32_t root = n.op->scalar(n.attrs.data(), args).id;
    std::vector<int64_t> index(out.sizes.size());
    for (int64_t at = 0; at < out.numel(); ++at) {
      std::vector<uint64_t> values;
      for (size_t i = 0; i < n.inputs.size(); ++i) {
        const Dense& x = in(n, i);
        int64_t offset = 0;
        size_t extra = out.sizes.size() - x.sizes.size();
        for (size_t d = 0; d < x.sizes.size(); ++d) {
          offset = offset * x.sizes[d] + (x.sizes[d] == 1 ? 0 : index[extra + d]);
        }
        values.push_back(x.at(offset));
      }
      out.set(at, eval_graph(scalar, {&root, 1}, values)[0]);
      step_index(index, out.sizes);
    }
  }

  void view(const Node& n, Dense& out) {
    const Dense& x = in(n, 0);
    StridedView v = contiguous_view(to_shape(x.sizes));
    invariant(n.op->view(n.attrs.data(), to_shape(out.sizes), v) || x.numel() == 0,
              "view of dense");
    Sizes strides = shape_eval(v.strides, bind_);
    int64_t offset = dim_eval(v.offset, bind_);
    std::vector<int64_t> index(out.sizes.size());
    for (int64_t at = 0; at < out.numel(); ++at) {
      out.set(at, x.at(offset + dot(strides, index)));
      step_index(index, out.sizes);
    }
  }

  void reduction(const Node& n, Dense& out) {
    const Dense& x = in(n, 0);
    const auto& a = n.attrs.as<ReduceAttrs>();
    Axes axes = normalize_axes("test", a.axes, static_cast<int>(x.sizes.size()));
    std::map<int64_t, std::vector<uint64_t>> groups;
    for (int64_t i = 0; i < out.numel(); ++i) groups[i];
    std::vector<int64_t> index(x.sizes.size());
    bool position = n.op->reduce == ReduceKind::ArgMax || n.op->reduce == ReduceKind::ArgMin;
    DType t = position ? x.dtype : out.dtype;
    for (int64_t at = 0; at < x.numel(); ++at) {
      int64_t group = 0;
      for (size_t d = 0; d < index.size(); ++d) {
        bool reduced = std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) != axes.end();
        if (!reduced) group = group * x.sizes[d] + index[d];
      }
      groups[group].push_back(eval_cast(x.dtype, t, x.at(at)));
      step_index(index, x.sizes);
    }
    for (auto& [i, values] : groups) out.set(i, reduce_naive(n.op->reduce, t, values));
  }

  void create(const Node& n, Dense& out) {
    auto number = [&](DType t, int64_t v) {
      return eval_cast(DType::I64, t, static_cast<uint64_t>(v));
    };
    if (n.op == &op_def<Full>()) {
      for (int64_t i = 0; i < out.numel(); ++i) out.set(i, n.attrs.as<Full::Attrs>().value.bits);
    } else if (n.op == &op_def<Arange>()) {
      const auto& a = n.attrs.as<Arange::Attrs>();
      for (int64_t i = 0; i < out.numel(); ++i) out.set(i, number(a.dtype, a.start + a.step * i));
    } else if (n.op == &op_def<DimValue>()) {
      const auto& a = n.attrs.as<DimValue::Attrs>();
      out.set(0, number(a.dtype, dim_eval(a.dim[0], bind_)));
    } else {
      fail_internal(cat("the naive evaluator does not know '", n.op->name(), "'"));
    }
  }

  const Graph& g_;
  std::span<const SymbolBinding> bind_;
  std::map<NodeId, Dense> values_;
};

/// Evaluates a kernel's expressions at one point after the other.
class KernelRunner {
 public:
  KernelRunner(const loop::Kernel& k, const loop::BoundKernel& b, void* const* buffers)
      : k_(k), b_(b), buffers_(buffers), values_(k.exprs.size()) {}

  void run() {
    size_t outer = k_.outer.size();
    std::span<const int64_t> sizes(b_.sizes);
    std::vector<int64_t> index(sizes.size());
    std::vector<int64_t> outer_index(outer);
    for (int64_t o = 0; o < b_.outer_points; ++o, step_index(outer_index, sizes.first(outer))) {
      std::copy(outer_index.begin(), outer_index.end(), index.begin());
      reduced_.assign(k_.reductions.size(), 0);
      for (uint32_t id = 0; id < k_.exprs.size(); ++id) {
        const ExprNode& n = k_.exprs.node(id);
        if (n.op != Prim::Reduce) continue;
        std::vector<uint64_t> values;
        each_inner(index, [&] { values.push_back(eval(n.in[0], index)); });
        DType t = k_.exprs.node(n.in[0]).dtype;
        reduced_[n.bits] = reduce_naive(k_.reductions[n.bits].kind, t, values);
      }
      for (size_t s = 0; s < k_.stores.size(); ++s) {
        const loop::Store& store = k_.stores[s];
        auto put = [&] {
          DType t = k_.exprs.node(store.value).dtype;
          write(t, buffers_[store.access.buffer], offset(k_.loads.size() + s, index),
                eval(store.value, index));
        };
        std::fill(index.begin() + static_cast<std::ptrdiff_t>(outer), index.end(), 0);
        if (store.inner)
          each_inner(index, put);
        else
          put();
      }
    }
  }

 private:
  template <class F>
  void each_inner(std::vector<int64_t>& index, F&& f) {
    size_t outer = k_.outer.size();
    std::vector<int64_t> inner(k_.inner.size());
    for (int64_t i = 0; i < b_.inner_points; ++i) {
      std::copy(inner.begin(), inner.end(), index.begin() + static_cast<std::ptrdiff_t>(outer));
      f();
      step_index(inner, std::span<const int64_t>(b_.sizes).subspan(outer));
    }
  }
  int64_t offset(size_t access, const std::vector<int64_t>& index) {
    std::span<const int64_t> strides(b_.strides);
    return b_.offsets[access] + dot(strides.subspan(access * index.size(), index.size()), index);
  }
  /// What `root` needs at a point, operands first; what is below a reduction has its own points.
  const std::vector<uint32_t>& order(uint32_t root) {
    auto [it, fresh] = orders_.try_emplace(root);
    if (!fresh) return it->second;
    std::vector<bool> need(root + 1);
    need[root] = true;
    for (uint32_t id = root + 1; id-- > 0;) {
      const ExprNode& n = k_.exprs.node(id);
      if (!need[id]) continue;
      it->second.push_back(id);
      for (int i = 0; n.op != Prim::Reduce && i < arity(n.op); ++i) need[n.in[i]] = true;
    }
    std::reverse(it->second.begin(), it->second.end());
    return it->second;
  }
  uint64_t eval(uint32_t root, const std::vector<int64_t>& index) {
    for (uint32_t id : order(root)) {
      const ExprNode& n = k_.exprs.node(id);
      uint64_t in[4] = {};
      for (int i = 0; i < arity(n.op); ++i) in[i] = values_[n.in[i]];
      switch (n.op) {
        case Prim::Lit:
          values_[id] = n.bits;
          break;
        case Prim::Load: {
          const void* base = buffers_[k_.loads[n.bits].buffer];
          values_[id] = read(n.dtype, base, offset(n.bits, index));
          break;
        }
        case Prim::Index:
          values_[id] = static_cast<uint64_t>(index[n.bits]);
          break;
        case Prim::Param:
          values_[id] = static_cast<uint64_t>(b_.params[n.bits]);
          break;
        case Prim::Reduce:
          values_[id] = reduced_[n.bits];
          break;
        case Prim::Cast:
          values_[id] = eval_cast(k_.exprs.node(n.in[0]).dtype, n.dtype, in[0]);
          break;
        default: {
          DType t = k_.exprs.node(n.in[n.op == Prim::Select ? 1 : 0]).dtype;
          values_[id] = eval_prim(n.op, t, n.dtype, in);
        }
      }
    }
    return values_[root];
  }

  const loop::Kernel& k_;
  const loop::BoundKernel& b_;
  void* const* buffers_;
  std::vector<uint64_t> values_, reduced_;
  std::map<uint32_t, std::vector<uint32_t>> orders_;
};

}  // namespace

std::vector<Dense> run_graph_naive(const Graph& g, const std::vector<Dense>& inputs,
                                   std::span<const SymbolBinding> bindings) {
  return GraphRunner(g, bindings).run(inputs);
}

void run_kernel_naive(const loop::Kernel& k, const loop::BoundKernel& b, void* const* buffers) {
  KernelRunner(k, b, buffers).run();
}

}  // namespace etch::test
