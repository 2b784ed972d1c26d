// Steps that run nested plans: calls, choices and loops.
#include "ir/ops/control.h"

#include <cstring>

#include "runtime/eager.h"
#include "runtime/program/frame.h"

namespace etch::runtime {
namespace {

void copy_bytes(void* to, const void* from, size_t bytes) {
  if (bytes != 0) std::memcpy(to, from, bytes);
}

}  // namespace

/// The frame of nested plan i, at this place: its temporary memory, its site, and what is known
/// about operands other than the first `moving`.
Frame& Frame::nested(const Step& s, const BoundStep& b, size_t i, size_t moving) {
  const Plan& body = *s.bodies[i];
  Frame& f = frames_.of(body).frame;
  auto* inside = static_cast<std::byte*>(pointers[s.inside]);
  if (f.inside_ != inside || f.inside_serial_ != f.binding.serial()) {
    for (uint32_t k = 0; k < body.buffers.size(); ++k) {
      if (body.buffers[k].home == Home::Arena) f.pointers[k] = inside + f.binding.offset(k);
    }
    f.inside_ = inside;
    f.inside_serial_ = f.binding.serial();
  }
  if (!body.reads_weights) return f;
  const size_t at = s.first_body + i;
  if (site_->inside.size() <= at) site_->inside.resize(at + 1);
  if (site_->inside[at] == nullptr) site_->inside[at] = std::make_unique<Site>();
  f.site_ = site_->inside[at].get();
  const size_t first = s.in.size() - body.inputs.size();
  for (uint32_t k : body.weight_inputs) {
    const bool moves = first + k < moving || b.windows[first + k].offset != 0;
    f.staying_[k] = moves ? Staying{} : staying(s.in[first + k].buffer);
  }
  return f;
}

void Frame::run_control(const Step& s, BoundStep& b) {
  At at(s.loc);
  const void* attrs = b.attrs ? b.attrs.get() : s.attrs.data();
  if (s.op == &ir::op_def<ir::Scan>()) return run_scan(s, b, attrs);
  if (s.op == &ir::op_def<ir::WhileLoop>()) return run_while(s, b, attrs);
  size_t which = 0;
  if (s.op == &ir::op_def<ir::Cond>()) {
    which = *static_cast<const bool*>(operand(s, b, 0)) ? 0 : 1;
  }
  run_call(s, b, nested(s, b, which));
}

/// The last operands are the body's inputs.
void Frame::run_call(const Step& s, const BoundStep& b, Frame& body) {
  const size_t first = s.in.size() - body.inputs_.size();
  for (size_t i = 0; i < body.inputs_.size(); ++i) {
    body.pointers[body.inputs_[i]] = operand(s, b, first + i);
  }
  for (size_t i = 0; i < s.out.size(); ++i) body.pointers[body.outputs_[i]] = pointers[s.out[i]];
  body.run(0, body.plan.steps.size());
}

void Frame::run_while(const Step& s, const BoundStep& b, const void* attrs) {
  const auto& a = *static_cast<const ir::WhileLoop::Attrs*>(attrs);
  const auto carried = static_cast<size_t>(a.carried);
  Frame &test = nested(s, b, 0, carried), &body = nested(s, b, 1, carried);
  bool* go_on = static_cast<bool*>(pointers[s.moving[carried]]);
  test.pointers[test.outputs_[0]] = go_on;
  for (size_t i = 0; i < s.in.size(); ++i) {
    void* value = operand(s, b, i);
    test.pointers[test.inputs_[i]] = body.pointers[body.inputs_[i]] = value;
  }
  // Values move to and fro between the results' memory and that of the step.
  auto place = [&](size_t i, int64_t trip) {
    return pointers[trip % 2 == 0 ? s.out[i] : s.moving[i]];
  };
  int64_t trip = 0;
  for (;; ++trip) {
    test.run(0, test.plan.steps.size());
    if (!*go_on) break;
    if (a.most != 0 && trip == a.most) {
      fail("while_loop", cat("the condition still gives true after ", a.most, " trips"),
           "Allow more trips, or let the condition stop earlier", current_loc());
    }
    for (size_t i = 0; i < carried; ++i) {
      const size_t size = bytes(s.out[i]);
      const void* before = body.pointers[body.inputs_[i]];
      if (a.keep) copy_bytes(element(pointers[s.out[carried + 1 + i]], trip, size), before, size);
      body.pointers[body.outputs_[i]] = place(i, trip);
    }
    body.run(0, body.plan.steps.size());
    for (size_t i = 0; i < carried; ++i) {
      test.pointers[test.inputs_[i]] = body.pointers[body.inputs_[i]] = place(i, trip);
    }
  }
  for (size_t i = 0; i < carried; ++i) {
    const size_t size = bytes(s.out[i]);
    const void* last = body.pointers[body.inputs_[i]];
    if (last != pointers[s.out[i]]) copy_bytes(pointers[s.out[i]], last, size);
    if (!a.keep || size == 0) continue;
    std::memset(element(pointers[s.out[carried + 1 + i]], trip, size), 0,
                static_cast<size_t>(a.most - trip) * size);
  }
  std::memcpy(pointers[s.out[carried]], &trip, sizeof trip);
}

void Frame::run_scan(const Step& s, const BoundStep& b, const void* attrs) {
  const auto& a = *static_cast<const ir::Scan::Attrs*>(attrs);
  const auto carried = static_cast<size_t>(a.carried);
  const size_t after = carried + static_cast<size_t>(a.sequences);
  const int64_t length = a.length[0].value();
  Frame& body = nested(s, b, 0, after);
  const size_t results = body.outputs_.size();
  for (size_t i = 0; i < s.in.size(); ++i) {
    body.pointers[body.inputs_[i]] = operand(s, b, i);
  }
  for (int64_t step = 0; step < length; ++step) {
    const int64_t at = a.reverse ? length - 1 - step : step;
    for (size_t i = carried; i < after; ++i) {
      const uint32_t in = body.inputs_[i];
      body.pointers[in] = element(operand(s, b, i), at, body.bytes(in));
    }
    for (size_t i = carried; i < results; ++i) {
      const uint32_t out = body.outputs_[i];
      body.pointers[out] = element(pointers[s.out[i]], at, body.bytes(out));
    }
    for (size_t i = 0; i < carried; ++i) {
      const size_t size = bytes(s.out[i]);
      const void* before = body.pointers[body.inputs_[i]];
      if (a.keep) copy_bytes(element(pointers[s.out[results + i]], at, size), before, size);
      // To and fro, so that the last step leaves its values in the results' memory.
      const bool last = (length - 1 - step) % 2 == 0;
      body.pointers[body.outputs_[i]] = pointers[last ? s.out[i] : s.moving[i]];
    }
    body.run(0, body.plan.steps.size());
    for (size_t i = 0; i < carried; ++i) {
      body.pointers[body.inputs_[i]] = body.pointers[body.outputs_[i]];
    }
  }
  for (size_t i = 0; length == 0 && i < carried; ++i) {
    copy_bytes(pointers[s.out[i]], operand(s, b, i), bytes(s.out[i]));
  }
}

}  // namespace etch::runtime
