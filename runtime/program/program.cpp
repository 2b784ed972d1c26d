#include "runtime/program/program.h"

#include <algorithm>
#include <atomic>
#include <optional>

#include "runtime/allocator.h"
#include "runtime/copy.h"
#include "runtime/eager.h"
#include "runtime/program/binding.h"
#include "runtime/program/launch.h"
#include "runtime/recorder.h"
#include "runtime/tape.h"

namespace etch::runtime {

struct Context::Impl {
  explicit Impl(std::shared_ptr<const Plan> p);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  void resolve(const State& state);
  void bind(const State& state, std::span<const InputView> inputs);
  void stage_input(size_t i, const InputView& in);
  void reserve(size_t bytes);
  /// The first guard that does not hold; the State is then unchanged.
  std::optional<GuardMiss> run(const State& state, State* writable,
                               std::span<const InputView> inputs,
                               std::span<const OutputView> outputs);
  std::optional<GuardMiss> first_miss() const;
  void set_pointers(const State& state, State* writable, std::span<const InputView> inputs,
                    std::span<const OutputView> outputs);
  void run_kernel(const Step& s, BoundStep& b);
  void run_operator(const Step& s, BoundStep& b, const State& state);
  const PackedWeight* weight(const Step& s, BoundStep& b, const State& state);

  std::shared_ptr<const Plan> plan;
  Binding binding;
  std::atomic<bool> busy{false};
  void* arena = nullptr;
  size_t capacity = 0;
  struct Dense {  // row-major copies of strided inputs
    void* data = nullptr;
    size_t bytes = 0;
  };
  std::vector<Dense> staged;
  std::vector<PortValue> input_values, state_values;
  std::vector<uint32_t> state_index;  // positions in the State of layout `layout`
  uint64_t layout = 0;
  std::vector<uint32_t> output_buffers, next_buffers;
  std::vector<char> in_place;  // per new state value of this run
  std::vector<uint64_t> guard_values;
  std::vector<void*> pointers;  // per buffer
  std::vector<void*> operands;  // of the present step
  uint64_t native_runs = 0, interpreted_runs = 0;
  std::optional<LibraryUse> library;
};

namespace {

/// Marks a context as in use.
class Busy {
 public:
  explicit Busy(Context::Impl& c) : c_(c) {
    if (c.busy.exchange(true, std::memory_order_acquire)) {
      fail("run", "the Context is in use by another call", "Give each thread its own Context");
    }
  }
  ~Busy() { c_.busy.store(false, std::memory_order_release); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  Context::Impl& c_;
};

bool row_major(const InputView& in) {
  int64_t next = 1;
  bool dense = true, empty = false;
  for (size_t i = in.strides.size(); i-- > 0;) {
    if (in.sizes[i] != 1 && in.strides[i] != next) dense = false;
    empty |= in.sizes[i] == 0;
    next *= in.sizes[i];
  }
  return dense || empty;
}

void check_input(const Port& p, const InputView& in) {
  if (in.dtype != p.type.dtype || in.sizes.size() != p.type.shape.size()) {
    fail("run", cat("input '", p.name, "': expected ", p.type, ", got ", in.dtype, in.sizes));
  }
  if (!in.strides.empty() && in.strides.size() != in.sizes.size()) {
    fail("run", cat("input '", p.name, "': ", in.strides.size(), " strides for ", in.sizes.size(),
                    " axes"));
  }
  size_t align = itemsize(in.dtype);
  bool empty = std::find(in.sizes.begin(), in.sizes.end(), 0) != in.sizes.end();
  if ((in.data == nullptr && !empty) || reinterpret_cast<uintptr_t>(in.data) % align != 0) {
    fail("run", cat("input '", p.name, "': its address is ",
                    in.data == nullptr ? "null" : "no multiple of the element size ", align));
  }
}

/// The number in the low bytes of `bits`; u64 beyond the range of i64 counts as its largest value.
int64_t integer_of(DType t, uint64_t bits) {
  const int unused = 64 - etch::bits(t);
  if (is_bool(t)) return (bits & 0xff) != 0;
  if (is_signed_int(t)) return static_cast<int64_t>(bits << unused) >> unused;
  return static_cast<int64_t>(std::min<uint64_t>(bits << unused >> unused, INT64_MAX));
}

struct Range {
  const std::byte* begin;
  const std::byte* end;
  bool meets(const Range& o) const { return begin < o.end && o.begin < end; }
};

Range range_of(const InputView& in) {
  int64_t low = 0, high = 1;
  int64_t dense = 1;
  for (size_t i = in.sizes.size(); i-- > 0;) {
    if (in.sizes[i] == 0) return {nullptr, nullptr};
    int64_t stride = in.strides.empty() ? dense : in.strides[i];
    (stride < 0 ? low : high) += stride * (in.sizes[i] - 1);
    dense *= in.sizes[i];
  }
  auto* base = static_cast<const std::byte*>(in.data);
  auto item = static_cast<int64_t>(itemsize(in.dtype));
  return {base + low * item, base + high * item};
}

}  // namespace

Context::Impl::Impl(std::shared_ptr<const Plan> p) : plan(std::move(p)), binding(*plan) {
  if (plan->library != nullptr) library.emplace(*plan->library);
  staged.resize(plan->inputs.size());
  input_values.resize(plan->inputs.size());
  state_values.resize(plan->states.size());
  state_index.resize(plan->states.size());
  pointers.resize(plan->buffers.size());
  operands.resize(plan->max_operands);
  guard_values.resize(plan->guards.size());
  in_place.resize(plan->nexts.size());
  for (uint32_t b = 0; b < plan->buffers.size(); ++b) {
    if (plan->buffers[b].home == Home::Output) output_buffers.push_back(b);
    if (plan->buffers[b].home == Home::Next) next_buffers.push_back(b);
  }
}

Context::Impl::~Impl() {
  if (arena != nullptr) deallocate(arena, capacity);
  for (Dense& d : staged) {
    if (d.data != nullptr) deallocate(d.data, d.bytes);
  }
}

void Context::Impl::resolve(const State& state) {
  if (plan->states.empty() || layout == state.layout()) return;
  for (size_t i = 0; i < plan->states.size(); ++i) {
    int at = state.find(plan->states[i].name);
    if (at < 0) {
      fail("run",
           cat("the State has no tensor '", plan->states[i].name, "' of type ",
               plan->states[i].type),
           "Set it before the first run");
    }
    state_index[i] = static_cast<uint32_t>(at);
  }
  layout = state.layout();
}

void Context::Impl::bind(const State& state, std::span<const InputView> inputs) {
  if (inputs.size() != plan->inputs.size()) {
    fail("run", cat("expected ", plan->inputs.size(), " inputs, got ", inputs.size()));
  }
  resolve(state);
  for (size_t i = 0; i < inputs.size(); ++i) {
    check_input(plan->inputs[i], inputs[i]);
    input_values[i] = {inputs[i].dtype, inputs[i].sizes};
  }
  for (size_t i = 0; i < plan->states.size(); ++i) {
    const TensorImpl& t = runtime::impl(state.at(state_index[i]));
    const Port& p = plan->states[i];
    if (t.dtype != p.type.dtype || t.sizes.size() != p.type.shape.size()) {
      fail("run", cat("state '", p.name, "': expected ", p.type, ", got ", t.dtype, t.sizes));
    }
    state_values[i] = {t.dtype, t.sizes};
  }
  binding.bind(input_values, state_values);
}

void Context::Impl::reserve(size_t bytes) {
  if (bytes <= capacity) return;
  if (arena != nullptr) deallocate(arena, capacity);
  arena = nullptr;
  capacity = 0;
  arena = allocate(bytes);
  capacity = bytes;
}

void Context::Impl::stage_input(size_t i, const InputView& in) {
  TensorImpl from, to;
  from.dtype = to.dtype = in.dtype;
  from.sizes = to.sizes = Sizes(in.sizes);
  from.strides = Sizes(in.strides);
  to.strides.resize(in.sizes.size());
  for (size_t a = in.sizes.size(); a-- > 0;) {
    to.strides[a] = to.numel;
    to.numel *= in.sizes[a];
  }
  from.numel = to.numel;
  Dense& d = staged[i];
  size_t bytes = static_cast<size_t>(to.numel) * itemsize(in.dtype);
  if (bytes > d.bytes) {
    if (d.data != nullptr) deallocate(d.data, d.bytes);
    d = {};
    d.data = allocate(bytes);
    d.bytes = bytes;
  }
  from.data = const_cast<void*>(in.data);
  to.data = d.data;
  copy_strided(from, to);
}

void Context::Impl::set_pointers(const State& state, State* writable,
                                 std::span<const InputView> inputs,
                                 std::span<const OutputView> outputs) {
  for (uint32_t b = 0; b < pointers.size(); ++b) {
    const BufferInfo& info = plan->buffers[b];
    switch (info.home) {
      case Home::Input:
        pointers[b] = const_cast<void*>(row_major(inputs[info.index]) ? inputs[info.index].data
                                                                      : staged[info.index].data);
        break;
      case Home::State:
        pointers[b] = runtime::impl(state.at(state_index[info.index])).data;
        break;
      case Home::Constant:
        pointers[b] = const_cast<void*>(plan->constants[info.index]->data.get());
        break;
      case Home::Arena:
        pointers[b] = static_cast<std::byte*>(arena) + binding.offset(b);
        break;
      case Home::Output:
        pointers[b] = outputs[info.index].data;
        break;
      case Home::Guard:
        pointers[b] = &guard_values[info.index];
        break;
      case Home::Next: {
        const uint32_t entry = state_index[plan->next_of[info.index]];
        in_place[info.index] = plan->nexts_in_place[info.index] && writable->may_overwrite(entry);
        pointers[b] = in_place[info.index] ? runtime::impl(state.at(entry)).data
                                           : writable->stage(entry, info.dtype, binding.sizes(b));
        break;
      }
    }
  }
}

void Context::Impl::run_kernel(const Step& s, BoundStep& b) {
  size_t n = 0;
  for (const Place& p : s.in) operands[n++] = pointers[p.buffer];
  for (uint32_t out : s.out) operands[n++] = pointers[out];
  const NativeKernel* native = s.native ? s.native->get() : nullptr;
  if (native != nullptr) {
    run_native(*native, s.block->kernel(), b.kernel, operands.data(), s.cost);
    ++native_runs;
  } else {
    s.block->run_parallel(b.kernel, operands.data());
    ++interpreted_runs;
  }
}

/// The packed weights of a contraction, looked up when their value or its window has changed.
const PackedWeight* Context::Impl::weight(const Step& s, BoundStep& b, const State& state) {
  if (!s.weight_stays) return nullptr;
  const BufferInfo& info = plan->buffers[s.in[1].buffer];
  const bool constant = info.home == Home::Constant;
  const uint64_t contents = constant ? info.index : state.contents(state_index[info.index]);
  if (!constant && contents == 0) return nullptr;
  if (b.weight_of != contents || (b.weight != nullptr && b.weight->isa() != active_isa())) {
    const void* attrs = b.attrs ? b.attrs.get() : s.attrs.data();
    PackedWeights& packed = constant ? plan->packed : state.packed();
    b.weight = packed.get(contents, *s.op, b.operands, attrs, b.windows[1].offset);
    b.weight_of = contents;
  }
  return b.weight.get();
}

void Context::Impl::run_operator(const Step& s, BoundStep& b, const State& state) {
  for (size_t i = 0; i < s.in.size(); ++i) {
    auto item = static_cast<int64_t>(itemsize(b.in[i].dtype));
    auto* data = static_cast<std::byte*>(pointers[s.in[i].buffer]) + b.windows[i].offset * item;
    b.in[i].data = data;
    b.operands[i].data = data;
  }
  for (size_t i = 0; i < s.out.size(); ++i) b.out[i].data = pointers[s.out[i]];
  const void* attrs = b.attrs ? b.attrs.get() : s.attrs.data();
  if (s.kind == StepKind::Contraction &&
      run_contraction(*s.op, b.operands, attrs, b.out[0].data, b.out[0].sizes,
                      library ? &*library : nullptr, weight(s, b, state))) {
    return;
  }
  At at(s.loc);
  s.op->kernel({*s.op, b.in, b.out, attrs});
}

std::optional<GuardMiss> Context::Impl::first_miss() const {
  for (size_t i = 0; i < plan->guards.size(); ++i) {
    const GuardPort& g = plan->guards[i];
    const int64_t v = integer_of(g.dtype, guard_values[i]);
    if (v < g.range.low || v > g.range.high) return GuardMiss{i, v};
  }
  return std::nullopt;
}

std::optional<GuardMiss> Context::Impl::run(const State& state, State* writable,
                                            std::span<const InputView> inputs,
                                            std::span<const OutputView> outputs) {
  Busy guard(*this);
  State::Use use(state, writable != nullptr);
  if (outputs.size() != plan->outputs.size()) {
    fail("run", cat("expected ", plan->outputs.size(), " outputs, got ", outputs.size()));
  }
  bind(state, inputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    auto need = static_cast<size_t>(binding.bytes(output_buffers[i]));
    const Port& p = plan->outputs[i];
    if (outputs[i].bytes < need || (outputs[i].data == nullptr && need != 0) ||
        reinterpret_cast<uintptr_t>(outputs[i].data) % itemsize(p.type.dtype) != 0) {
      fail("run",
           cat("output '", p.name, "' takes ", need, " aligned bytes, got ", outputs[i].bytes));
    }
    auto* base = static_cast<const std::byte*>(outputs[i].data);
    Range mine{base, base + need};
    bool meets = false;
    for (const InputView& in : inputs) meets |= mine.meets(range_of(in));
    for (size_t j = 0; j < i; ++j) {
      auto* other = static_cast<const std::byte*>(outputs[j].data);
      meets |= mine.meets({other, other + binding.bytes(output_buffers[j])});
    }
    if (meets) {
      fail("run", cat("the memory of output '", p.name, "' overlaps an input or another output"),
           "Give each output memory of its own");
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!row_major(inputs[i])) stage_input(i, inputs[i]);
  }
  reserve(static_cast<size_t>(binding.arena_bytes()));
  set_pointers(state, writable, inputs, outputs);
  native_runs = interpreted_runs = 0;
  if (library) library->runs = 0;
  for (size_t i = 0; i < plan->steps.size(); ++i) {
    if (i == plan->point_of_no_return) {
      if (auto miss = first_miss()) return miss;
    }
    const Step& s = plan->steps[i];
    BoundStep& b = binding.steps()[i];
    s.kind == StepKind::Kernel ? run_kernel(s, b) : run_operator(s, b, state);
  }
  plan->native_runs.fetch_add(native_runs, std::memory_order_relaxed);
  plan->interpreted_runs.fetch_add(interpreted_runs, std::memory_order_relaxed);
  if (library) plan->library_runs.fetch_add(library->runs, std::memory_order_relaxed);
  if (auto miss = first_miss()) return miss;
  if (writable != nullptr) {
    for (size_t n = 0; n < in_place.size(); ++n) {
      const uint32_t entry = state_index[plan->next_of[n]];
      in_place[n] ? writable->touch(entry) : writable->commit(entry);
    }
  }
  return std::nullopt;
}

Context::Context(const Program& program) : impl_(std::make_unique<Impl>(program.plan_)) {}
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;
Context::~Context() = default;

std::span<const int64_t> Context::output_sizes(size_t i) const {
  if (!impl_->binding.bound()) fail("Context", "no sizes are known yet", "Call bind() or run()");
  return impl_->binding.sizes(impl_->output_buffers.at(i));
}
size_t Context::output_bytes(size_t i) const {
  if (!impl_->binding.bound()) fail("Context", "no sizes are known yet", "Call bind() or run()");
  return static_cast<size_t>(impl_->binding.bytes(impl_->output_buffers.at(i)));
}
int64_t Context::guard_value(size_t i) const {
  return integer_of(impl_->plan->guards.at(i).dtype, impl_->guard_values.at(i));
}
size_t Context::arena_bytes() const { return static_cast<size_t>(impl_->binding.arena_bytes()); }
size_t Context::arena_capacity() const { return impl_->capacity; }
size_t Context::live_bytes() const { return static_cast<size_t>(impl_->binding.live()); }

Program Program::build(ir::Graph graph, const BuildOptions& options) {
  const ContractionLibrary* library = nullptr;
  if (options.level == Level::Fast) {
    library = contraction_library();
    if (library == nullptr && !options.library_optional) {
      throw UserError(cat("[program] level fast needs oneDNN: ", why_no_contraction_library(),
                          "\n  install libdnnl and build with ETCH_ONEDNN, or take level exact"),
                      ErrorKind::Unavailable);
    }
  }
  auto plan = make_plan(std::make_shared<const ir::Graph>(std::move(graph)), options.kernels,
                        library, options.pack_weights);
  if (options.strict) {
    for (const Step& s : plan->steps) {
      if (s.kind != StepKind::Kernel || (s.native && s.native->get() != nullptr)) continue;
      std::string why = s.native ? s.native->refusal() : "";
      throw UserError(
          cat("[program] kernel '", s.name, "' has no machine code", why.empty() ? "" : ": ", why),
          ErrorKind::Unavailable);
    }
  }
  return Program(std::move(plan));
}

const ir::Graph& Program::graph() const { return *plan_->graph; }
std::span<const Port> Program::inputs() const { return plan_->inputs; }
std::span<const Port> Program::states() const { return plan_->states; }
std::span<const Port> Program::outputs() const { return plan_->outputs; }
std::span<const GuardPort> Program::guards() const { return plan_->guards; }
bool Program::writes_state() const { return !plan_->nexts.empty(); }

std::optional<SymbolBindings> Program::symbols_of(std::span<const Tensor> inputs) const {
  if (inputs.size() != plan_->inputs.size()) return std::nullopt;
  SymbolBindings symbols;
  auto known = [&](uint32_t s) {
    return std::find_if(symbols.begin(), symbols.end(), [&](const SymbolBinding& b) {
      return b.symbol.same_as(plan_->symbols[s].symbol);
    });
  };
  for (bool bound : {false, true}) {  // a size may name a symbol that a later input binds
    for (size_t i = 0; i < inputs.size(); ++i) {
      const TensorImpl& t = runtime::impl(inputs[i]);
      const std::vector<AxisRule>& rules = plan_->input_axes[i];
      if (t.dtype != plan_->inputs[i].type.dtype || t.sizes.size() != rules.size()) {
        return std::nullopt;
      }
      for (size_t axis = 0; axis < rules.size(); ++axis) {
        int64_t got = t.sizes[axis];
        uint32_t s = rules[axis].symbol;
        if (s == ~0u) {
          if (bound && dim_eval(rules[axis].expected, symbols) != got) return std::nullopt;
        } else if (auto at = known(s); at != symbols.end()) {
          if (at->value != got) return std::nullopt;
        } else {
          const ir::SymbolRange& r = plan_->symbols[s];
          if (got < r.low || got > r.high) return std::nullopt;
          symbols.push_back({r.symbol, got});
        }
      }
    }
  }
  return symbols;
}

int Program::check_constraints(std::span<const SymbolBinding> symbols) const {
  return ir::first_violated(plan_->graph->constraints, symbols);
}

ProgramStats Program::stats() const {
  ProgramStats out;
  out.steps = plan_->steps.size();
  out.kernels = plan_->kernels;
  for (const Step& s : plan_->steps) {
    if (!s.native) continue;
    out.native += s.native->get() != nullptr;
    out.refused += !s.native->refusal().empty();
  }
  out.native_runs = plan_->native_runs.load(std::memory_order_relaxed);
  out.interpreted_runs = plan_->interpreted_runs.load(std::memory_order_relaxed);
  out.library_runs = plan_->library_runs.load(std::memory_order_relaxed);
  out.packed_bytes = plan_->packed.bytes();
  return out;
}

namespace {

Context::Impl& checked(const Context& context, const std::shared_ptr<const Plan>& plan) {
  if (context.impl().plan != plan) {
    fail("run", "the Context was made for another program", "Make one with Context(program)");
  }
  return context.impl();
}

}  // namespace

void Program::bind(const State& state, Context& context, std::span<const InputView> inputs) const {
  Context::Impl& c = checked(context, plan_);
  Busy guard(c);
  State::Use use(state, false);
  c.bind(state, inputs);
}

void Program::run(State& state, Context& context, std::span<const InputView> inputs,
                  std::span<const OutputView> outputs) const {
  require(checked(context, plan_).run(state, writes_state() ? &state : nullptr, inputs, outputs));
}

void Program::run(const State& state, Context& context, std::span<const InputView> inputs,
                  std::span<const OutputView> outputs) const {
  if (writes_state()) fail("run", "the program writes its State, which is read-only here");
  require(checked(context, plan_).run(state, nullptr, inputs, outputs));
}

void Program::require(const std::optional<GuardMiss>& miss) const {
  if (!miss) return;
  const GuardPort& g = plan_->guards[miss->guard];
  std::string held =
      g.range.low == g.range.high ? cat(g.range.low) : cat(g.range.low, " to ", g.range.high);
  fail("run",
       cat("the program was recorded with ", g.name, " = ", held, ", now it is ", miss->value),
       "Record the other course too: jit() does, cond() keeps both in one graph",
       {g.loc.file.c_str(), g.loc.line});
}

std::optional<GuardMiss> Program::run_tensors(const State& state, State* writable, Context& context,
                                              std::span<const Tensor> inputs,
                                              std::vector<Tensor>& results) const {
  std::vector<InputView> in;
  for (const Tensor& t : inputs) {
    require_defined(t, "run");
    const TensorImpl& i = runtime::impl(t);
    in.push_back({i.data, i.dtype, i.sizes, i.strides});
  }
  bind(state, context, in);
  std::vector<Tensor> out;
  std::vector<OutputView> views;
  for (size_t i = 0; i < outputs().size(); ++i) {
    out.emplace_back(new_tensor(outputs()[i].type.dtype, context.output_sizes(i)));
    views.push_back({runtime::impl(out.back()).data, context.output_bytes(i)});
  }
  std::optional<GuardMiss> miss = context.impl().run(state, writable, in, views);
  if (!miss) results = std::move(out);
  return miss;
}

std::optional<GuardMiss> Program::try_run(State& state, Context& context,
                                          std::span<const Tensor> inputs,
                                          std::vector<Tensor>& results) const {
  return run_tensors(state, writes_state() ? &state : nullptr, context, inputs, results);
}

std::vector<Tensor> Program::run(State& state, Context& context,
                                 std::span<const Tensor> inputs) const {
  std::vector<Tensor> out;
  require(try_run(state, context, inputs, out));
  return out;
}

std::vector<Tensor> Program::run(const State& state, Context& context,
                                 std::span<const Tensor> inputs) const {
  if (writes_state()) fail("run", "the program writes its State, which is read-only here");
  std::vector<Tensor> out;
  require(run_tensors(state, nullptr, context, inputs, out));
  return out;
}

std::vector<Tensor> Program::run(Context& context, std::span<const Tensor> inputs) const {
  const State none;
  return run(none, context, inputs);
}

}  // namespace etch::runtime
