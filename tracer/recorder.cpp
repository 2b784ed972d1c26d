#include "tracer/recorder.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "etch/autograd.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/index.h"
#include "ir/ops/view.h"
#include "ir/support/error_count.h"

namespace etch::tracer {

using ir::Value;
using runtime::impl;
using runtime::Storage;
using runtime::TensorImpl;

namespace {

std::atomic<uint64_t> next_epoch{1};
constexpr size_t kLargeConstant = size_t{64} << 10;

uint64_t newest_serial() { return impl(empty(SizeList(Shape{}))).serial; }

size_t bytes_of(const TensorImpl& t) { return static_cast<size_t>(t.numel) * itemsize(t.dtype); }

/// Dense and covering its whole buffer.
bool is_whole(const TensorImpl& t) {
  return t.contiguous && t.data == t.storage->data && bytes_of(t) == t.storage->bytes;
}

/// Of two tensors on one storage.
bool same_window(const TensorImpl& a, const TensorImpl& b) {
  return a.data == b.data && a.dtype == b.dtype && a.sizes == b.sizes && a.strides == b.strides;
}

}  // namespace

GraphRecorder::GraphRecorder(const TraceOptions& options, RecordMode mode)
    : options_(options),
      mode_(mode),
      epoch_(next_epoch.fetch_add(1)),
      first_serial_(newest_serial()),
      errors_before_(errors_raised()) {
  std::unordered_set<std::string_view> names;
  for (const NamedTensor& s : options.state) {
    runtime::require_defined(s.tensor, "trace");
    if (!is_whole(impl(s.tensor))) {
      fail("trace", cat("state ", s.name, " is a view of a larger buffer"),
           "Register the tensor that owns the buffer");
    }
    auto [it, fresh] = buffers_.try_emplace(impl(s.tensor).storage);
    if (!fresh) continue;  // shared parameters are one slot, under their first name
    if (!names.insert(s.name).second) {
      fail("trace", cat("two different states are named ", s.name),
           "Give each a name of its own, such as by a prefix", current_loc());
    }
    it->second.holder = s.tensor;
    it->second.version = impl(s.tensor).storage->version;
    it->second.state = static_cast<int>(data_.state.size());
    data_.state.push_back(s);
  }
}

void GraphRecorder::declare_symbols(const NamedTensor& input, ir::TensorType& type) {
  const TensorImpl& t = impl(input.tensor);
  for (const DynamicDim& d : options_.dynamic) {
    if (d.input != input.name) continue;
    auto axis =
        static_cast<size_t>(ir::normalize_axis("trace", d.axis, static_cast<int>(t.sizes.size())));
    Dim symbol = Dim::symbol(d.symbol);
    int64_t example = t.sizes[axis];
    for (const SymbolBinding& b : data_.examples) {
      if (b.symbol.same_as(symbol) && b.value != example) {
        fail("trace",
             cat("symbol ", d.symbol, " is ", b.value, " in one place and ", example, " in ",
                 input.name, " axis ", d.axis),
             "Use another name for a size of its own");
      }
    }
    if (example < 2) {
      fail("trace", cat("dynamic axis ", d.axis, " of ", input.name, " has example size ", example),
           "Trace with an example of at least 2");
    }
    if (example < d.low || example > d.high) {
      fail("trace",
           cat("example ", example, " of ", d.symbol, " is outside ", d.low, " to ", d.high));
    }
    bool known = false;
    for (const SymbolBinding& b : data_.examples) known |= b.symbol.same_as(symbol);
    if (!known) {
      data_.examples.push_back({symbol, example});
      data_.graph.symbols.push_back({symbol, d.low, d.high});
      facts_.add_range(symbol, d.low, d.high);
    }
    type.shape[axis] = symbol;
  }
}

void GraphRecorder::add_input(const NamedTensor& input) {
  const TensorImpl& t = impl(input.tensor);
  ir::TensorType type = runtime::type_of(t);
  declare_symbols(input, type);
  Value v = data_.graph.add_input(input.name, type);
  auto [it, fresh] = buffers_.try_emplace(t.storage);
  const bool taken = !fresh && (mode_ == RecordMode::Trace || it->second.input < 0);
  attempt([&] {
    if (!taken) return;
    data_.refused_once = true;
    fail("trace", cat("input ", input.name, " shares its buffer with another input or a state"),
         "Pass a clone", current_loc());
  });
  bind(input.tensor, v);
  data_.inputs.push_back(input);
  data_.input_sizes.push_back(t.sizes);
  input_values_.push_back(v);
  if (!fresh) return;  // nothing may be written to an input, so nothing can tell
  it->second.holder = input.tensor;
  it->second.current = v;
  it->second.version = t.storage->version;
  it->second.input = static_cast<int>(data_.graph.inputs().size()) - 1;
}

/// The handle itself, or else another one that looks at the same window.
const GraphRecorder::Older* GraphRecorder::find_older(const std::vector<Older>& windows,
                                                      const TensorImpl& t) {
  const Older* found = nullptr;
  for (const Older& o : windows) {
    if (o.holder.impl() == &t) return &o;
    if (found == nullptr && same_window(t, impl(o.holder))) found = &o;
  }
  return found;
}

std::optional<GraphRecorder::Note> GraphRecorder::note(const TensorImpl& t) const {
  if (t.trace == epoch_) return Note{ir::GraphEmitter::unpack(t.trace_value), t.trace_version};
  auto it = older_.find(t.storage);
  if (it == older_.end()) return std::nullopt;
  const Older* found = find_older(it->second, t);
  return found == nullptr ? std::nullopt : std::optional(found->note);
}

void GraphRecorder::set_note(const Tensor& t, Note note) {
  TensorImpl& i = impl(t);
  if (i.serial > first_serial_) {
    i.trace = epoch_;
    i.trace_value = ir::GraphEmitter::pack(note.value);
    i.trace_version = note.version;
    return;
  }
  std::vector<Older>& windows = older_[i.storage];
  if (const Older* found = find_older(windows, i)) {
    windows[static_cast<size_t>(found - windows.data())].note = note;
  } else {
    windows.push_back({t, note});
  }
}

void GraphRecorder::bind(const Tensor& t, Value v) { set_note(t, {v, impl(t).storage->version}); }

void GraphRecorder::stamp_origin() {
  ir::Graph& g = data_.graph;
  const SourceLoc& loc = current_loc();
  g.set_origin(g.intern_scope(current_scope()), g.intern_loc(loc.file, loc.line));
}

/// Sizes for which a call fails while it runs are no part of the course: the largest of nothing, in
/// the bodies of composites too.
void GraphRecorder::decide_inside(const ir::OpDef& op, const ir::Types& in, const void* attrs) {
  if (std::all_of(in.begin(), in.end(), [](const auto& t) { return is_static(t.shape); })) return;
  if (op.kind == ir::OpKind::Reduction && op.reduce != ir::ReduceKind::Sum &&
      op.reduce != ir::ReduceKind::Prod) {
    const Axes& axes = static_cast<const ir::ReduceAttrs*>(attrs)->axes;
    for (int64_t a : ir::normalize_axes(op.name(), axes, in[0].rank())) {
      decide(in[0].shape[static_cast<size_t>(a)], Relation::Equal, Dim(0), false);
    }
  }
  if (op.kind != ir::OpKind::Composite) return;
  ir::Graph body;  // its types ask about sizes on the way
  ir::GraphEmitter emitter(body);
  ir::Vars operands;
  for (const ir::TensorType& t : in) operands.push_back(emitter.var(body.add_input("", t)));
  op.body(ir::Call(op, attrs, operands));
  for (ir::NodeId id : body) {
    const ir::Node& n = body.node(id);
    if (ir::is_input(n)) continue;
    ir::Types types;
    for (Value v : n.inputs) types.push_back(body.type(v));
    const ir::NoAttrs none;
    decide_inside(*n.op, types, n.attrs.count() == 0 ? &none : n.attrs.data());
  }
}

Value GraphRecorder::append(const ir::OpDef& op, std::span<const Value> in, const void* attrs) {
  ir::Types types;
  for (Value v : in) types.push_back(data_.graph.type(v));
  ir::Types out = ir::infer_types(op, types, attrs);
  decide_inside(op, types, attrs);
  stamp_origin();
  ir::AttrBox box = op.schema->count == 0 ? ir::AttrBox{} : ir::AttrBox::copy(*op.schema, attrs);
  ++operators_;
  const ir::NodeId id = data_.graph.add_node(op, in, std::move(box), std::move(out));
  if (!carrying_.empty() && op.vjp != nullptr) carry(id);
  return {id, 0};
}

void GraphRecorder::record(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
                           std::span<const Tensor> out) {
  attempt([&] { add_operator(op, in, attrs, out); });
}

void GraphRecorder::add_operator(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
                                 std::span<const Tensor> out) {
  SmallVec<Value, 4> inputs;
  for (const Tensor& t : in) {
    if (is_float(impl(t).dtype)) seen(t);  // whether it gets a gradient is part of the course
    Value v = value_of_tensor(t);
    inputs.push_back(mode_ == RecordMode::Body ? gradient_value(t, v) : v);
  }
  Value v = append(op, inputs, attrs);
  for (size_t i = 0; i < out.size(); ++i) {
    TensorImpl& t = impl(out[i]);
    v.index = static_cast<uint32_t>(i);
    auto [it, fresh] = buffers_.try_emplace(t.storage);
    if (!fresh) {  // a view: its buffer is known
      bind(out[i], v);
      continue;
    }
    it->second.holder = out[i];
    it->second.current = it->second.origin = v;
    it->second.made_here = true;
    it->second.layout = op.is_view() && views_input(v);
    it->second.version = t.storage->version;
    bind(out[i], v);
  }
}

/// Raises UserError when the buffer was written by what does not tell the recorder.
void GraphRecorder::require_seen_writes(const Storage& s, const Buffer& b) const {
  if (s.version == b.version) return;
  fail("trace", "a tensor of the recording was changed by something that is not part of it",
       "Change it by operators of the recorded function, on its thread", current_loc());
}

/// Whether v is an input of the function, or views of one.
bool GraphRecorder::views_input(Value v) const {
  while (data_.graph.node(v.node).op->is_view()) v = data_.graph.node(v.node).inputs[0];
  return std::any_of(
      data_.graph.inputs().begin(), data_.graph.inputs().end(),
      [&](const ir::GraphInput& in) { return in.value == v && in.kind == ir::InputKind::Input; });
}

void GraphRecorder::require_any_layout(const Buffer& b) const {
  if (!b.layout) return;
  fail("trace", "a copy that a view operator made of an input is changed or returned",
       "With other strides it would be the input itself: clone() it", current_loc());
}

std::vector<ir::NodeId> GraphRecorder::view_chain(Value v, const Buffer& buffer) const {
  std::vector<ir::NodeId> chain;
  for (;;) {
    const ir::Node& n = data_.graph.node(v.node);
    // A view operator that had to copy starts a buffer of its own.
    if (!n.op->is_view() || buffer.origin == v) break;
    chain.insert(chain.begin(), v.node);
    v = n.inputs[0];
  }
  return chain;
}

Value GraphRecorder::own_buffer(Value v) {
  if (!data_.graph.node(v.node).op->is_view()) return v;
  const ir::Cast::Attrs attrs{data_.graph.type(v).dtype};
  return append(ir::op_def<ir::Cast>(), {&v, 1}, &attrs);
}

Value GraphRecorder::replay_views(std::span<const ir::NodeId> chain, Value base) {
  for (ir::NodeId id : chain) {
    ir::AttrBox attrs = data_.graph.node(id).attrs;
    base = append(*data_.graph.node(id).op, {&base, 1}, attrs.data());
  }
  return base;
}

Value GraphRecorder::value_of_tensor(const Tensor& t) {
  const TensorImpl& i = impl(t);
  if (auto it = buffers_.find(i.storage); it != buffers_.end()) {
    require_seen_writes(*i.storage, it->second);
  }
  std::optional<Note> known = note(i);
  if (!known) return capture(t);
  Value v = known->value;
  if (known->version == i.storage->version) return v;
  // Somebody wrote through another alias since: look at the buffer's current value instead.
  const Buffer& b = buffers_.at(i.storage);
  std::vector<ir::NodeId> chain = view_chain(v, b);
  v = replay_views(chain, b.current);
  bind(t, v);
  return v;
}

Value GraphRecorder::capture(const Tensor& t) {
  const TensorImpl& i = impl(t);
  auto it = buffers_.find(i.storage);
  if (it == buffers_.end()) {
    if (mode_ == RecordMode::Trace) return capture_constant(t);
    require_older(i);
    discover(t);
    it = buffers_.find(i.storage);
  }
  Buffer& b = it->second;
  if (mode_ == RecordMode::Jit && b.input >= 0) {
    data_.refused_once = true;
    fail("jit",
         cat("a captured tensor of shape ", i.sizes, " shares its buffer with input ",
             data_.graph.inputs()[static_cast<size_t>(b.input)].name),
         "Pass a clone", current_loc());
  }
  if (!b.current.valid()) {  // a slot's first use
    const NamedTensor& slot = data_.state[static_cast<size_t>(b.state)];
    b.current = data_.graph.add_input(
        slot.name, type_of(slot.tensor),
        mode_ == RecordMode::Body ? ir::InputKind::Input : ir::InputKind::State);
    data_.captures.push_back({slot.name, bytes_of(impl(slot.tensor)), current_loc()});
    bind(slot.tensor, b.current);
  }
  const TensorImpl& holder = impl(b.holder);
  const bool same_window =
      b.window && i.data == holder.data && i.sizes == holder.sizes && i.strides == holder.strides;
  if (same_window || (!b.window && is_whole(i) && i.dtype == holder.dtype)) {
    Value v = b.current;
    if (i.sizes != holder.sizes) {
      ir::Reshape::Attrs attrs{to_shape(i.sizes)};
      v = append(ir::op_def<ir::Reshape>(), {&v, 1}, &attrs);
    }
    bind(t, v);
    return v;
  }
  fail("trace",
       cat("a view of ",
           b.state >= 0 ? data_.state[static_cast<size_t>(b.state)].name
                        : std::string("a traced tensor"),
           " with shape ", i.sizes, " was made outside the trace"),
       "Make the view inside the traced function", current_loc());
}

void GraphRecorder::require_older(const TensorImpl& t) const {
  if (t.serial <= first_serial_) return;
  fail("trace",
       cat("a tensor of shape ", t.sizes,
           " was made during the trace from host data, by no recorded operator"),
       "Pass it as an input, or make it before the trace", current_loc());
}

/// In jit every captured tensor is state: its contents may change between calls. In a body it is an
/// input.
void GraphRecorder::discover(const Tensor& t) {
  Buffer b;
  b.holder = t;
  b.state = static_cast<int>(data_.state.size());
  b.window = !is_whole(impl(t));
  b.version = impl(t).storage->version;
  data_.state.push_back({cat("captured.", data_.state.size()), t});
  buffers_.emplace(impl(t).storage, std::move(b));
}

Value GraphRecorder::capture_constant(const Tensor& t) {
  const TensorImpl& i = impl(t);
  require_older(i);
  size_t bytes = bytes_of(i);
  if (bytes > kLargeConstant && !options_.allow_large_constants) {
    fail("trace", cat("an unnamed tensor of ", bytes, " bytes and shape ", i.sizes, " is captured"),
         "Name it in TraceOptions::state, pass it as an input, or allow_large_constants",
         current_loc());
  }
  runtime::PauseRecording pause;
  Tensor copy = t.clone();
  auto keep = std::make_shared<Tensor>(copy);
  std::shared_ptr<const void> data(keep, impl(copy).data);
  Value v = data_.graph.add_constant(ir::make_constant(i.dtype, i.sizes, std::move(data)));
  data_.captures.push_back({"", bytes, current_loc()});
  Buffer b;
  b.holder = t;
  b.current = v;
  b.version = i.storage->version;
  if (is_whole(i)) buffers_.emplace(i.storage, std::move(b));
  bind(t, v);
  return v;
}

/// The whole buffer after `value` was written where the chain of views looks.
Value GraphRecorder::write_through(std::span<const ir::NodeId> chain, Value base, Value value) {
  if (chain.empty()) return value;
  const ir::OpDef& op = *data_.graph.node(chain[0]).op;
  ir::AttrBox attrs = data_.graph.node(chain[0]).attrs;
  if (chain.size() > 1) {
    Value inner = replay_views(chain.first(1), base);
    value = write_through(chain.subspan(1), inner, value);
  }
  if (&op == &ir::op_def<ir::Slice>()) {
    const Value in[] = {base, value};
    return append(ir::op_def<ir::SliceScatter>(), in, attrs.data());
  }
  if (&op == &ir::op_def<ir::Expand>()) {
    fail("trace", "an expanded tensor cannot be written", "Clone it first", current_loc());
  }
  if (&op == &ir::op_def<ir::Permute>()) {
    const Axes& axes = attrs.as<ir::Permute::Attrs>().axes;
    ir::Permute::Attrs inverse{Axes(axes.size(), 0)};
    for (size_t i = 0; i < axes.size(); ++i) {
      int64_t a = axes[i] < 0 ? axes[i] + static_cast<int64_t>(axes.size()) : axes[i];
      inverse.axes[static_cast<size_t>(a)] = static_cast<int64_t>(i);
    }
    return append(ir::op_def<ir::Permute>(), {&value, 1}, &inverse);
  }
  // Reshape, squeeze, unsqueeze: the same elements in the same order.
  ir::Reshape::Attrs back{data_.graph.type(base).shape};
  return append(ir::op_def<ir::Reshape>(), {&value, 1}, &back);
}

void GraphRecorder::record_write(const Tensor& self, const Tensor& value) {
  attempt([&] { write(self, value); });
}

void GraphRecorder::write(const Tensor& self, const Tensor& value) {
  Value now = value_of_tensor(self);
  Value v = value_of_tensor(value);
  TensorImpl& t = impl(self);
  auto it = buffers_.find(t.storage);
  invariant(it != buffers_.end(), "a written tensor has no buffer in the trace");
  Buffer& b = it->second;
  if (b.window) {
    fail("trace", cat("a captured view of shape ", t.sizes, " is changed in place"),
         "Capture the tensor that owns the buffer, and make the view inside", current_loc());
  }
  if (b.state < 0 && !b.made_here) {
    fail("trace",
         b.input >= 0
             ? cat("input ", data_.graph.inputs()[static_cast<size_t>(b.input)].name,
                   " is changed in place")
             : cat("an unnamed captured tensor of shape ", t.sizes, " is changed in place"),
         b.input >= 0 ? "Return the new value instead, or clone the input first"
                      : "Name it in TraceOptions::state",
         current_loc());
  }
  if (mode_ != RecordMode::Trace && !made_here(self) && grad_enabled() && value.requires_grad()) {
    fail("jit", "a tensor from outside is changed to one that takes part in gradients",
         "Detach the value, or write inside NoGrad", current_loc());
  }
  require_any_layout(b);
  std::vector<ir::NodeId> chain = view_chain(now, b);
  if (mode_ == RecordMode::Body && b.state >= 0 && !b.written) keep_contents(b.holder);
  b.current = own_buffer(write_through(chain, b.current, v));
  b.written = true;
  b.version = t.storage->version + 1;
  Value seen = chain.empty() ? b.current : replay_views(chain, b.current);
  set_note(self, {seen, t.storage->version + 1});  // the runtime writes and counts right after this
}

Recording::Recording(GraphRecorder& recorder)
    : before_(runtime::exchange_recorder(&recorder)),
      resolver_before_(exchange_dim_resolver(&recorder)) {}
Recording::~Recording() {
  runtime::exchange_recorder(before_);
  exchange_dim_resolver(resolver_before_);
}

}  // namespace etch::tracer
