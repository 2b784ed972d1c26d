#include "runtime/program/binding.h"

#include <algorithm>

#include "ir/support/checked.h"
#include "runtime/program/frame.h"

namespace etch::runtime {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 58;

/// Whether every element of the window lies in a buffer of `numel` elements.
bool window_fits(int64_t offset, std::span<const int64_t> sizes, std::span<const int64_t> strides,
                 int64_t numel) {
  __int128 low = offset, high = offset;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] <= 0) return sizes[i] == 0;
    __int128 reach = static_cast<__int128>(sizes[i] - 1) * strides[i];
    (reach < 0 ? low : high) += reach;
  }
  return low >= 0 && high < numel;
}

std::string symbol_text(std::span<const SymbolBinding> symbols) {
  std::string out;
  for (const SymbolBinding& b : symbols) {
    out += cat(out.empty() ? " with " : ", ", b.symbol, " = ", b.value);
  }
  return out;
}

/// " with N = 3 (input 'x' axis 0), M = 4 (input 'y' axis 0)" for the symbols of the two sizes.
std::string symbol_sources(const Plan& plan, const ir::Constraint& c,
                           std::span<const SymbolBinding> symbols) {
  SmallVec<Dim, 4> used;
  dim_symbols(c.lhs, used);
  dim_symbols(c.rhs, used);
  std::string out;
  for (Dim d : used) {
    out += cat(out.empty() ? " with " : ", ", d, " = ", dim_eval(d, symbols));
    std::string where;
    auto find = [&](std::span<const Port> ports, std::string_view kind) {
      for (const Port& p : ports) {
        for (size_t axis = 0; where.empty() && axis < p.type.shape.size(); ++axis) {
          if (p.type.shape[axis].same_as(d)) where = cat(kind, " '", p.name, "' axis ", axis);
        }
      }
    };
    find(plan.inputs, "input");
    find(plan.states, "state");
    out += cat(" (", where, ")");
  }
  return out;
}

[[noreturn]] void fail_window(const Step& s, std::span<const SymbolBinding> symbols) {
  fail("run", cat("'", s.name, "' would read or write outside its operands", symbol_text(symbols)),
       "The program does not hold for these sizes", s.loc);
}

}  // namespace

Binding::Binding(const Plan& plan, Frames& frames) : plan_(plan), frames_(frames) {
  buffers_.resize(plan.buffers.size());
  steps_.resize(plan.steps.size());
  known_.resize(plan.symbols.size());
  for (const ir::SymbolRange& r : plan.symbols) symbols_.push_back({r.symbol, 0});
  for (uint32_t b = 0; b < plan.buffers.size(); ++b) {
    const BufferInfo& info = plan.buffers[b];
    if (info.home != Home::Arena || info.same_as != ~0u) continue;
    arena_.push_back(b);
    lifetimes_.push_back({info.first, info.last, 0});
  }
  offsets_.resize(arena_.size());
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& s = plan.steps[i];
    BoundStep& b = steps_[i];
    if (s.kind == StepKind::Kernel) continue;
    b.windows.resize(s.in.size());
    b.operands.resize(s.in.size());
    b.in.resize(s.in.size());
    b.out.resize(s.out.size());
  }
}

void Binding::bind(std::span<const PortValue> inputs, std::span<const PortValue> states,
                   std::span<const SymbolBinding> outer) {
  if (bound_ && same_sizes(inputs, states, outer)) return;
  bound_ = false;
  ++serial_;
  std::fill(known_.begin(), known_.end(), 0);
  for (size_t s = 0; s < plan_.given_symbols; ++s) {
    symbols_[s].value = dim_eval(symbols_[s].symbol, outer);
    known_[s] = 1;
  }
  bind_symbols(inputs, false);
  bind_symbols(states, true);
  check_ranges();
  check_sizes(inputs, false);
  check_sizes(states, true);
  check_constraints();
  check_requirements();
  size_buffers();
  bind_bodies();
  place_buffers();
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& s = plan_.steps[i];
    s.kind == StepKind::Kernel ? bind_kernel(s, steps_[i]) : bind_operator(s, steps_[i]);
  }
  key_.clear();
  for (size_t s = 0; s < plan_.given_symbols; ++s) key_.push_back(symbols_[s].value);
  for (const PortValue& v : inputs) key_.insert(key_.end(), v.sizes.begin(), v.sizes.end());
  for (const PortValue& v : states) key_.insert(key_.end(), v.sizes.begin(), v.sizes.end());
  bound_ = true;
}

/// Ranks and dtypes are checked before, so the sizes alone decide.
bool Binding::same_sizes(std::span<const PortValue> inputs, std::span<const PortValue> states,
                         std::span<const SymbolBinding> outer) const {
  size_t at = 0;
  for (; at < plan_.given_symbols; ++at) {
    if (key_[at] != dim_eval(symbols_[at].symbol, outer)) return false;
  }
  for (std::span<const PortValue> values : {inputs, states}) {
    for (const PortValue& v : values) {
      for (int64_t s : v.sizes) {
        if (at == key_.size() || key_[at++] != s) return false;
      }
    }
  }
  return at == key_.size();
}

void Binding::fail_axis(bool state, size_t port_index, size_t axis, int64_t got,
                        int64_t expected) const {
  const Port& p = port(state, port_index);
  Dim d = p.type.shape[axis];
  std::string why;
  if (!d.is_const()) why = cat(" (", d, symbol_text(symbols_), ")");
  fail("run",
       cat(state ? "state '" : "input '", p.name, "' axis ", axis, ": expected ", expected, why,
           ", got ", got),
       cat("Its type is ", p.type), current_loc());
}

void Binding::bind_symbols(std::span<const PortValue> values, bool state) {
  const auto& rules = state ? plan_.state_axes : plan_.input_axes;
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t axis = 0; axis < rules[i].size(); ++axis) {
      uint32_t s = rules[i][axis].symbol;
      if (s == ~0u) continue;
      int64_t got = values[i].sizes[axis];
      if (known_[s] && symbols_[s].value != got) {
        fail_axis(state, i, axis, got, symbols_[s].value);
      }
      known_[s] = 1;
      symbols_[s].value = got;
    }
  }
}

void Binding::check_ranges() const {
  for (size_t s = 0; s < symbols_.size(); ++s) {
    const ir::SymbolRange& r = plan_.symbols[s];
    int64_t v = symbols_[s].value;
    if (v >= r.low && v <= r.high) continue;
    fail("run", cat("size ", r.symbol, " = ", v, " is outside its range ", r.low, " to ", r.high),
         "The program was made for that range");
  }
}

void Binding::check_constraints() const {
  const ir::Graph& g = *plan_.graph;
  int at = ir::first_violated(g.constraints, symbols_);
  if (at < 0) return;
  const ir::Constraint& c = g.constraints[static_cast<size_t>(at)];
  const ir::GraphLoc& loc = g.loc(c.loc);
  fail("run",
       cat("expected ", c.lhs, " ", c.relation, " ", c.rhs, symbol_sources(plan_, c, symbols_)),
       "The program was recorded for sizes where that holds", {loc.file.c_str(), loc.line});
}

void Binding::check_requirements() const {
  for (const Requirement& r : plan_.requirements) {
    if (dim_eval(r.value, symbols_) >= r.least) continue;
    fail("run", cat(r.what, symbol_text(symbols_)), "The program does not hold for these sizes",
         r.loc);
  }
}

void Binding::check_sizes(std::span<const PortValue> values, bool state) const {
  const auto& rules = state ? plan_.state_axes : plan_.input_axes;
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t axis = 0; axis < rules[i].size(); ++axis) {
      if (rules[i][axis].symbol != ~0u) continue;
      int64_t expected = dim_eval(rules[i][axis].expected, symbols_);
      int64_t got = values[i].sizes[axis];
      if (got != expected) fail_axis(state, i, axis, got, expected);
    }
  }
}

void Binding::eval(std::span<const Dim> shape, Sizes& out) const {
  out.clear();
  for (Dim d : shape) out.push_back(dim_eval(d, symbols_));
}

void Binding::size_buffers() {
  for (uint32_t b = 0; b < buffers_.size(); ++b) {
    const BufferInfo& info = plan_.buffers[b];
    Buffer& buffer = buffers_[b];
    eval(info.shape, buffer.sizes);
    std::optional<int64_t> numel = checked_numel(buffer.sizes);
    if (!numel || *numel > kMostElements) {
      fail("run",
           cat("a value of shape ", info.shape, " would have the sizes ", buffer.sizes,
               symbol_text(symbols_)),
           "The program does not hold for these sizes");
    }
    buffer.numel = *numel;
    buffer.bytes = *numel * static_cast<int64_t>(itemsize(info.dtype));
  }
}

/// Nested plans see the elements of sequences, and all else as it is; what they hold for a while
/// lies in one buffer of this plan.
void Binding::bind_bodies() {
  for (const Step& s : plan_.steps) {
    if (s.kind != StepKind::Control) continue;
    int64_t most = 0;
    for (const std::shared_ptr<const Plan>& body : s.bodies) {
      const size_t first = s.in.size() - body->inputs.size();
      SmallVec<PortValue, 8> values;
      operand_sizes_.resize(std::max(operand_sizes_.size(), body->inputs.size()));
      for (size_t i = 0; i < body->inputs.size(); ++i) {
        const Place& place = s.in[first + i];
        eval(place.view.sizes, operand_sizes_[i]);
        std::span<const int64_t> sizes = operand_sizes_[i];
        const size_t rank = body->inputs[i].type.shape.size();
        values.push_back({plan_.buffers[place.buffer].dtype, sizes.subspan(sizes.size() - rank)});
      }
      Binding& inner = frames_.of(*body).binding;
      inner.bind(values, {}, symbols_);
      most = std::max(most, inner.arena_bytes());
    }
    buffers_[s.inside].bytes = most;
  }
}

void Binding::place_buffers() {
  for (size_t i = 0; i < arena_.size(); ++i) lifetimes_[i].bytes = buffers_[arena_[i]].bytes;
  arena_bytes_ = planner_.place(lifetimes_, offsets_);
  for (size_t i = 0; i < arena_.size(); ++i) buffers_[arena_[i]].offset = offsets_[i];
  for (uint32_t b = 0; b < buffers_.size(); ++b) {
    uint32_t root = b;
    while (plan_.buffers[root].same_as != ~0u) root = plan_.buffers[root].same_as;
    buffers_[b].offset = buffers_[root].offset;
  }
}

void Binding::bind_kernel(const Step& s, BoundStep& b) const {
  const ir::loop::Kernel& k = s.block->kernel();
  ir::loop::bind(k, symbols_, b.kernel);
  const size_t axes = b.kernel.sizes.size();
  auto check = [&](const ir::loop::Access& a, size_t at) {
    size_t n = static_cast<size_t>(a.buffer);
    uint32_t buffer = n < s.in.size() ? s.in[n].buffer : s.out[n - s.in.size()];
    std::span<const int64_t> strides(b.kernel.strides.data() + at * axes, axes);
    // What does not move along the inner axes is used even when these are empty.
    bool inner = std::any_of(strides.begin() + static_cast<std::ptrdiff_t>(k.outer.size()),
                             strides.end(), [](int64_t v) { return v != 0; });
    std::span<const int64_t> sizes(b.kernel.sizes.data(), inner ? axes : k.outer.size());
    if (!window_fits(b.kernel.offsets[at], sizes, strides, buffers_[buffer].numel)) {
      fail_window(s, symbols_);
    }
  };
  for (size_t i = 0; i < k.loads.size(); ++i) check(k.loads[i], i);
  for (size_t i = 0; i < k.stores.size(); ++i) check(k.stores[i].access, k.loads.size() + i);
}

void Binding::bind_operator(const Step& s, BoundStep& b) const {
  for (size_t i = 0; i < s.in.size(); ++i) {
    BoundStep::Window& w = b.windows[i];
    eval(s.in[i].view.sizes, w.sizes);
    eval(s.in[i].view.strides, w.strides);
    w.offset = dim_eval(s.in[i].view.offset, symbols_);
    const BufferInfo& info = plan_.buffers[s.in[i].buffer];
    bool known = checked_numel(w.sizes).has_value();
    if (!known || !window_fits(w.offset, w.sizes, w.strides, buffers_[s.in[i].buffer].numel)) {
      fail_window(s, symbols_);
    }
    b.operands[i] = {nullptr, info.dtype, w.sizes, w.strides};
    b.in[i] = {nullptr, info.dtype, w.sizes};
  }
  for (size_t i = 0; i < s.out.size(); ++i) {
    b.out[i] = {nullptr, plan_.buffers[s.out[i]].dtype, buffers_[s.out[i]].sizes};
  }
  if (s.symbolic_attrs) bind_attrs(s, b);
}

void Binding::bind_attrs(const Step& s, BoundStep& b) const {
  const ir::AttrSchema& schema = *s.op->schema;
  if (!b.attrs) b.attrs = schema.clone(s.attrs.data());
  for (int i = 0; i < schema.count; ++i) {
    ir::AttrValue v = schema.get(s.attrs.data(), i);
    Shape* shape = std::get_if<Shape>(&v);
    if (shape == nullptr) continue;
    for (Dim& d : *shape) d = Dim(dim_eval(d, symbols_));
    schema.set(b.attrs.get(), i, v);
  }
}

}  // namespace etch::runtime
