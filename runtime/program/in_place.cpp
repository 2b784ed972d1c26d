#include "runtime/program/in_place.h"

#include <algorithm>

#include "ir/ops/control.h"

namespace etch::runtime {

using ir::loop::Access;
using ir::loop::Kernel;
using ir::loop::Store;

namespace {

/// Whether all that is computed from an operand's elements directly is computed once per outer
/// point and goes into what `store` writes there. Then the store comes last, in whatever order an
/// engine runs through reductions and stores.
bool feeds_only(const Kernel& k, int operand, const Store& store) {
  if (store.inner) return false;
  const std::vector<ir::ExprNode>& nodes = k.exprs.nodes();
  auto is_operand = [&](uint32_t id) {
    return nodes[id].op == ir::Prim::Load && k.loads[nodes[id].bits].buffer == operand;
  };
  for (const Store& other : k.stores) {
    if (&other != &store && is_operand(other.value)) return false;
  }
  const std::vector<bool> inner = inner_nodes(k);
  std::vector<bool> feeds(nodes.size(), false);
  feeds[store.value] = true;
  for (uint32_t id = static_cast<uint32_t>(nodes.size()); id-- > 0;) {
    for (int i = 0; i < ir::arity(nodes[id].op); ++i) {
      const uint32_t in = nodes[id].in[i];
      if (feeds[id]) feeds[in] = true;
      if (is_operand(in) && (!feeds[id] || inner[id])) return false;
    }
  }
  return true;
}

}  // namespace

bool may_overwrite(const Kernel& k, int operand, int output) {
  const auto inputs = static_cast<int>(k.inputs.size());
  const Store* store = nullptr;
  for (const Store& s : k.stores) {
    if (s.access.buffer != inputs + output) continue;
    if (store != nullptr) return false;
    store = &s;
  }
  if (store == nullptr || k.inputs[static_cast<size_t>(operand)].dtype !=
                              k.outputs[static_cast<size_t>(output)].dtype) {
    return false;
  }
  // The interpreter runs expressions in order and writes a store's value as soon as it is there.
  const bool alone = k.stores.size() == 1, reduces = !k.reductions.empty();
  if (!alone && reduces && !feeds_only(k, operand, *store)) return false;
  bool any = false;
  for (size_t l = 0; l < k.loads.size(); ++l) {
    const Access& a = k.loads[l];
    if (a.buffer != operand) continue;
    any = true;
    if (!same_shape(a.strides, store->access.strides) || !a.offset.same_as(store->access.offset)) {
      return false;
    }
    if (alone) continue;
    if (reduces) {
      // A scalar may be read again by each thread that helps with a reduction.
      if (std::all_of(a.strides.begin(), a.strides.end(), [](Dim d) { return d.is(0); })) {
        return false;
      }
      continue;
    }
    const std::vector<ir::ExprNode>& nodes = k.exprs.nodes();
    auto is_load = [&](uint32_t id) {
      return id != ir::kNoExpr && nodes[id].op == ir::Prim::Load && nodes[id].bits == l;
    };
    for (uint32_t id = store->value + 1; id < nodes.size(); ++id) {
      if (std::any_of(std::begin(nodes[id].in), std::end(nodes[id].in), is_load)) return false;
    }
    for (const Store& other : k.stores) {
      if (&other != store && is_load(other.value)) return false;
    }
  }
  return any;
}

namespace {

constexpr size_t kMostPairs = size_t{1} << 20;  // of results and inputs that are looked at

bool same_view(const StridedView& a, const StridedView& b) {
  return same_shape(a.sizes, b.sizes) && same_shape(a.strides, b.strides) &&
         a.offset.same_as(b.offset);
}

/// What an operator that looks things up has found to be indices into `size`.
struct Checked {
  Place indices;
  Dim size;
};

/// Whether a step's operator may raise, once what is in `checked` has been checked; adds to it.
bool may_raise(const Plan& plan, const Step& s, std::vector<Checked>& checked) {
  if (s.kind == StepKind::Control) {
    return s.op != &ir::op_def<ir::CallFunction>() || s.bodies[0]->may_fail;
  }
  if (s.kind != StepKind::Opaque || s.op->total) return false;
  if (s.op->index_size == nullptr) return true;
  const Place& indices = s.in[1];
  const Dim size =
      s.op->index_size(s.attrs.data(), s.in[0].view.sizes, plan.buffers[s.out[0]].shape);
  for (const Checked& c : checked) {
    bool same = c.indices.buffer == indices.buffer && same_view(c.indices.view, indices.view) &&
                c.size.same_as(size);
    if (same) return false;
  }
  checked.push_back({indices, size});
  return true;
}

/// The last step that may fail or that makes a guard's value; -1: none. The gradient of a look-up
/// finds its indices checked by the look-up.
int last_that_may_fail(const Plan& plan) {
  int last = -1;
  std::vector<Checked> checked;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& s = plan.steps[i];
    bool guard = std::any_of(s.out.begin(), s.out.end(),
                             [&](uint32_t b) { return plan.buffers[b].home == Home::Guard; });
    if (may_raise(plan, s, checked) || guard) last = static_cast<int>(i);
  }
  return last;
}

/// Which step makes a buffer, as which of its results, and which one reads it last.
struct Course {
  int maker = -1;
  size_t output = 0;
  int last_reader = -1;
};

std::vector<Course> courses(const Plan& plan) {
  std::vector<Course> out(plan.buffers.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& s = plan.steps[i];
    for (size_t o = 0; o < s.out.size(); ++o) {
      out[s.out[o]].maker = static_cast<int>(i);
      out[s.out[o]].output = o;
    }
    for (const Place& p : s.in) out[p.buffer].last_reader = static_cast<int>(i);
  }
  return out;
}

/// Whether result `output` of the step may lie on its operand `operand`.
bool may_replace(const Step& s, size_t operand, size_t output) {
  if (s.kind == StepKind::Kernel) {
    return may_overwrite(s.block->kernel(), static_cast<int>(operand), static_cast<int>(output));
  }
  const Plan& body = *s.bodies[0];
  if (body.may_replace.empty()) return false;
  return body.may_replace[output * body.inputs.size() + operand];
}

/// The step that may write new value `next` over the old one, or -1.
int in_place_step(const Plan& plan, const std::vector<Course>& courses, uint32_t old_buffer,
                  uint32_t next_buffer) {
  const Course& next = courses[next_buffer];
  if (next.maker < 0 || courses[old_buffer].last_reader > next.maker) return -1;
  const Step& s = plan.steps[static_cast<size_t>(next.maker)];
  const bool call = s.kind == StepKind::Control && s.op == &ir::op_def<ir::CallFunction>();
  if (s.kind != StepKind::Kernel && !call) return -1;
  for (size_t i = 0; i < s.in.size(); ++i) {
    if (s.in[i].buffer == old_buffer && !may_replace(s, i, next.output)) return -1;
  }
  return next.maker;
}

}  // namespace

void find_in_place_writes(Plan& plan) {
  std::vector<uint32_t> states(plan.states.size()), nexts(plan.nexts.size());
  for (uint32_t b = 0; b < plan.buffers.size(); ++b) {
    const BufferInfo& info = plan.buffers[b];
    if (info.home == Home::State) states[info.index] = b;
    if (info.home == Home::Next) nexts[info.index] = b;
  }
  const int safe = last_that_may_fail(plan) + 1;
  const std::vector<Course> all = courses(plan);
  plan.nexts_in_place.assign(nexts.size(), false);
  plan.point_of_no_return = plan.steps.size();
  for (size_t n = 0; n < nexts.size(); ++n) {
    const int at = in_place_step(plan, all, states[plan.next_of[n]], nexts[n]);
    if (at < safe) continue;
    plan.nexts_in_place[n] = true;
    plan.point_of_no_return = std::min(plan.point_of_no_return, static_cast<size_t>(at));
  }
}

void find_replaceable_inputs(Plan& plan) {
  std::vector<uint32_t> inputs(plan.inputs.size()), outputs(plan.outputs.size());
  for (uint32_t b = 0; b < plan.buffers.size(); ++b) {
    const BufferInfo& info = plan.buffers[b];
    if (info.home == Home::Input) inputs[info.index] = b;
    if (info.home == Home::Output) outputs[info.index] = b;
  }
  const std::vector<Course> all = courses(plan);
  plan.may_fail = last_that_may_fail(plan) >= 0;
  if (outputs.size() * inputs.size() > kMostPairs) return;
  plan.may_replace.resize(outputs.size() * inputs.size());
  for (size_t o = 0; o < outputs.size(); ++o) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Port &out = plan.outputs[o], &in = plan.inputs[i];
      plan.may_replace[o * inputs.size() + i] =
          same_type(out.type, in.type) && in_place_step(plan, all, inputs[i], outputs[o]) >= 0;
    }
  }
}

}  // namespace etch::runtime
