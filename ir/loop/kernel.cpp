#include "ir/loop/kernel.h"

namespace etch::ir::loop {

namespace {

char stride_class(Dim stride) { return stride.is(0) ? '0' : stride.is(1) ? '1' : 's'; }

void append_access(std::string& out, const Kernel& k, const Access& a) {
  bool input = a.buffer < static_cast<int>(k.inputs.size());
  size_t number = static_cast<size_t>(a.buffer) - (input ? 0 : k.inputs.size());
  out += cat(" ", input ? "in" : "out", number, ":", (input ? k.inputs : k.outputs)[number].dtype,
             "[");
  for (Dim s : a.strides) out += stride_class(s);
  out += "]\n";
}

std::string_view kind_name(ReduceKind k) {
  constexpr std::string_view kNames[] = {"sum", "prod", "max", "min", "argmax", "argmin"};
  return kNames[static_cast<size_t>(k)];
}

}  // namespace

std::string kernel_key(const Kernel& k) {
  std::string out =
      cat("kernel outer ", k.outer.size(), " inner ", k.inner.size(), " inputs ", k.inputs.size(),
          " outputs ", k.outputs.size(), " params ", k.params.size(), "\n");
  for (const Access& a : k.loads) append_access(out += "load", k, a);
  for (const Reduction& r : k.reductions) out += cat("reduce ", kind_name(r.kind), "\n");
  out += to_text(k.exprs);
  for (const Store& s : k.stores) {
    append_access(out += cat("store %", s.value, s.inner ? " inner" : " outer"), k, s.access);
  }
  return out;
}

std::vector<bool> inner_nodes(const Kernel& k) {
  auto walks_inner = [&](const Access& a) {
    return std::any_of(a.strides.begin() + k.outer.size(), a.strides.end(),
                       [](Dim s) { return !s.is(0); });
  };
  std::vector<bool> inner;
  for (const ExprNode& n : k.exprs.nodes()) {
    bool is_inner = false;
    if (n.op == Prim::Load) {
      is_inner = walks_inner(k.loads[n.bits]);
    } else if (n.op == Prim::Index) {
      is_inner = n.bits >= k.outer.size();
    } else if (n.op != Prim::Reduce) {
      for (int i = 0; i < arity(n.op); ++i) is_inner = is_inner || inner[n.in[i]];
    }
    inner.push_back(is_inner);
  }
  return inner;
}

void bind(const Kernel& k, std::span<const SymbolBinding> bindings, BoundKernel& out) {
  auto eval = [&](Dim d) { return dim_eval(d, bindings); };
  out.sizes.clear();
  out.strides.clear();
  out.offsets.clear();
  out.params.clear();
  out.outer_points = 1;
  out.inner_points = 1;
  for (Dim d : k.outer) {
    out.sizes.push_back(eval(d));
    out.outer_points *= out.sizes.back();
  }
  for (Dim d : k.inner) {
    out.sizes.push_back(eval(d));
    out.inner_points *= out.sizes.back();
  }
  auto add = [&](const Access& a) {
    for (Dim s : a.strides) out.strides.push_back(eval(s));
    out.offsets.push_back(eval(a.offset));
  };
  for (const Access& a : k.loads) add(a);
  for (const Store& s : k.stores) add(s.access);
  for (Dim p : k.params) out.params.push_back(eval(p));
}

}  // namespace etch::ir::loop
