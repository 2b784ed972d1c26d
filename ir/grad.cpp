#include "ir/grad.h"

#include <algorithm>

#include "ir/emitters.h"
#include "ir/graph.h"
#include "ir/ops/create.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"

namespace etch::ir {

Var TypeEmitter::value(TensorType type) {
  types_.push_back(std::move(type));
  used_.push_back(false);
  return Var(this, types_.size() - 1);
}

Vars TypeEmitter::emit(const OpDef& op, std::span<const Var> operands, const void* attrs) {
  Types in, out;
  for (const Var& v : operands) {
    used_[v.payload()] = true;
    in.push_back(types_[v.payload()]);
  }
  op.infer(Infer{op, in, attrs}, out);
  Vars results;
  for (TensorType& t : out) results.push_back(value(std::move(t)));
  return results;
}

Var TypeEmitter::constant(const std::shared_ptr<const Constant>& contents) {
  return value({contents->dtype, to_shape(contents->sizes)});
}

Var TapeEmitter::wrap(Var inner) {
  values_.push_back(std::move(inner));
  return Var(this, values_.size() - 1);
}

Vars TapeEmitter::emit(const OpDef& op, std::span<const Var> operands, const void* attrs) {
  Entry entry{&op, attrs == nullptr ? AttrBox{} : AttrBox::copy(*op.schema, attrs), {}, {}};
  Vars inner;
  for (const Var& v : operands) {
    entry.in.push_back(v.payload());
    inner.push_back(values_[v.payload()]);
  }
  Vars results = inner_.emit(op, inner, attrs);
  for (Var& v : results) {
    v = wrap(std::move(v));
    entry.out.push_back(v.payload());
  }
  entries_.push_back(std::move(entry));
  return results;
}

Var sum_to_shape(const Var& g, const Shape& shape) {
  Shape from = g.shape();
  if (same_shape(from, shape)) return g;
  size_t extra = from.size() - shape.size();
  Axes axes;
  for (size_t i = 0; i < from.size(); ++i) {
    bool broadcast = i < extra || (shape[i - extra].is(1) && !from[i].is(1));
    if (broadcast) axes.push_back(static_cast<int64_t>(i));
  }
  Var summed = axes.empty() ? g : op<Sum>({axes, true}, g);
  return extra == 0 ? summed : op<Reshape>({shape}, summed);
}

Grads differentiate(const Call& c) {
  const OpDef& def = c.op();
  if (def.vjp == nullptr) {
    fail(def.name(), cat("has no gradient: ", def.no_gradient),
         "Detach the value, or do not ask for this gradient", current_loc());
  }
  Grads grads = def.vjp(c);
  grads.resize(static_cast<size_t>(c.count()));
  for (int i = 0; i < c.count(); ++i) {
    Var& g = grads[static_cast<size_t>(i)];
    if (!g) continue;
    TensorType t = c.in(i).type();
    if (!c.wants(i) || !is_float(t.dtype)) {
      g = Var();
      continue;
    }
    if (def.is_elementwise()) g = sum_to_shape(g, t.shape);
  }
  return grads;
}

VjpReads vjp_reads(const OpDef& op, std::span<const TensorType> in, std::span<const TensorType> out,
                   const void* attrs, uint32_t wants) {
  TypeEmitter types;
  Vars ins, outs, grads;
  for (const TensorType& t : in) ins.push_back(types.value(t));
  for (const TensorType& t : out) outs.push_back(types.value(t));
  for (const TensorType& t : out) grads.push_back(types.value(t));
  if (op.vjp != nullptr) differentiate(Call(op, attrs, ins, outs, grads, wants));
  VjpReads reads;
  for (size_t i = 0; i < std::min<size_t>(in.size(), 32); ++i) {
    reads.operands |= uint32_t{types.used(i)} << i;
  }
  for (size_t i = 0; i < std::min<size_t>(out.size(), 32); ++i) {
    reads.results |= uint32_t{types.used(in.size() + i)} << i;
  }
  return reads;
}

Grads backprop(Emitter& emitter, std::span<const Var> in, const std::vector<bool>& wants,
               std::span<const Var> out_grads,
               FunctionRef<Vars(Emitter&, std::span<const Var>)> run, bool as_tape) {
  TapeEmitter tape(emitter);
  Vars taped;
  std::vector<bool> needed;
  for (size_t i = 0; i < in.size(); ++i) {
    taped.push_back(in[i] ? tape.wrap(in[i]) : Var());
    needed.push_back(wants[i] && is_float(in[i].dtype()));
  }
  const Vars out = run(tape, taped);
  std::vector<Var> grads(tape.size());
  needed.resize(tape.size(), false);
  for (const auto& e : tape.entries()) {
    if (as_tape && e.op->vjp == nullptr) continue;
    for (uint64_t i : e.in) {
      if (!needed[i]) continue;
      for (uint64_t o : e.out) needed[o] = is_float(tape.inner(o).dtype());
    }
  }
  auto accumulate = [&](uint64_t i, Var g) { grads[i] = grads[i] ? grads[i] + g : std::move(g); };
  for (size_t i = 0; i < out.size(); ++i) {
    if (out_grads[i]) accumulate(out[i].payload(), out_grads[i]);
  }
  for (size_t k = tape.entries().size(); k-- > 0;) {
    const auto& e = tape.entries()[k];
    Vars ein, eout, egrad;
    uint32_t wanted = 0;
    bool any = false, any_wanted = false;
    for (size_t i = 0; i < e.in.size(); ++i) {
      ein.push_back(tape.inner(e.in[i]));
      any_wanted |= needed[e.in[i]];
      if (i < 32) wanted |= uint32_t{needed[e.in[i]]} << i;
    }
    for (uint64_t o : e.out) {
      eout.push_back(tape.inner(o));
      egrad.push_back(grads[o]);
      any |= static_cast<bool>(grads[o]);
    }
    if (!any || !any_wanted || (as_tape && e.op->vjp == nullptr)) continue;
    Grads g = differentiate(Call(*e.op, e.attrs.data(), ein, eout, egrad, wanted));
    for (size_t i = 0; i < g.size(); ++i) {
      if (g[i] && needed[e.in[i]]) accumulate(e.in[i], std::move(g[i]));
    }
  }
  Grads result(in.size());
  for (size_t i = 0; i < in.size(); ++i) result[i] = std::move(grads[i]);
  return result;
}

Grads vjp_composite(const Call& c) {
  Vars in;
  std::vector<bool> wants;
  for (int i = 0; i < c.count(); ++i) {
    in.push_back(c.in(i));
    wants.push_back(c.has(i) && c.wants(i));
  }
  return backprop(c.in(0).emitter(), in, wants, c.grads(),
                  [&](Emitter&, std::span<const Var> operands) {
                    return c.op().body(Call(c.op(), c.attrs(), operands));
                  });
}

}  // namespace etch::ir
