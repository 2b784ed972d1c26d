// The end of a recording: results, what became of state and gradients.
#include <algorithm>
#include <atomic>

#include "ir/support/error_count.h"
#include "runtime/tape.h"
#include "tracer/plant.h"
#include "tracer/recorder.h"

namespace etch::tracer {

using ir::Value;
using runtime::impl;
using runtime::TensorImpl;

namespace {
std::atomic<const Plant*> planted = nullptr;
}  // namespace

void set_plant(const Plant* plant) { planted = plant; }
const Plant* plant() { return planted.load(std::memory_order_relaxed); }

TraceData GraphRecorder::finish(const std::vector<NamedTensor>& results) {
  attempt([&] {
    require_followed();
    add_results(results);
    if (mode_ == RecordMode::Jit) add_grads();
    add_state_writes();
  });
  if (const Plant* p = plant(); p != nullptr && p->recorded && !given_up()) p->recorded(data_);
  return std::move(data_);
}

/// What the run did beside the operators it told about must not have mattered.
void GraphRecorder::require_followed() const {
  for (const auto& [storage, b] : buffers_) {
    if (b.state >= 0 || b.input >= 0) require_seen_writes(*storage, b);
  }
  // An error that depends on sizes is a branch on them once it is caught.
  if (errors_raised() != errors_before_ && (mode_ == RecordMode::Jit || !data_.examples.empty())) {
    fail("trace", "an error was raised and caught in the function",
         "Compare sizes instead, so that the comparison is part of the recording");
  }
}

void GraphRecorder::add_results(const std::vector<NamedTensor>& results) {
  ir::Graph& g = data_.graph;
  for (size_t i = 0; i < results.size(); ++i) {
    const Tensor& t = results[i].tensor;
    runtime::require_defined(t, "trace");
    if (mode_ == RecordMode::Jit && t.requires_grad()) {
      fail("jit", cat("result ", i, " takes part in gradients, which a compiled program ends"),
           "Return it detached, call inside NoGrad, or run the backward pass in the function too");
    }
    Value v = value_of_tensor(t);  // first, since it captures what nothing else used
    data_.aliases.push_back(mode_ == RecordMode::Jit ? alias_of(t, i, v) : ResultAlias{});
    std::string name =
        results[i].name.empty() ? (results.size() == 1 ? "y" : cat("y", i)) : results[i].name;
    g.add_result(v, std::move(name));
    data_.results.push_back(t);
  }
}

/// Whether a result is an existing tensor. Raises UserError when it shares memory with one without
/// being it: a program's results are new tensors, and a later write would tell the difference.
ResultAlias GraphRecorder::alias_of(const Tensor& t, size_t result, Value v) const {
  const TensorImpl& i = impl(t);
  ResultAlias alias;
  const Tensor* same = nullptr;
  for (size_t r = 0; r < result && same == nullptr; ++r) {
    if (impl(data_.results[r]).storage != i.storage) continue;
    alias = {ResultAlias::Kind::Result, r};
    same = &data_.results[r];
  }
  if (auto it = buffers_.find(i.storage); same == nullptr && it != buffers_.end()) {
    const Buffer& b = it->second;
    require_any_layout(b);
    if (b.input >= 0) alias = {ResultAlias::Kind::Input, static_cast<size_t>(b.input)};
    if (b.state >= 0) alias = {ResultAlias::Kind::State, static_cast<size_t>(b.state)};
    if (alias.kind != ResultAlias::Kind::None) same = &b.holder;
    for (size_t k = 0; k < input_values_.size() && b.input >= 0; ++k) {
      if (input_values_[k] == v) alias.index = k, same = &data_.inputs[k].tensor;
    }
  }
  if (same == nullptr) return alias;
  alias.detached = t.impl() != same->impl();
  const TensorImpl& s = impl(*same);
  if (s.data != i.data || s.sizes != i.sizes || s.strides != i.strides || s.dtype != i.dtype) {
    fail("jit",
         cat("result ", result, " is a view of an input, a captured tensor or another result"),
         "Return a clone", current_loc());
  }
  return alias;
}

/// The gradients that the run left on tensors are results too, or a later look at grad() would find
/// those of the recorded run.
void GraphRecorder::add_grads() {
  int output = static_cast<int>(data_.results.size());
  for (TraceData::GradLeft& left : data_.grads) {
    Tensor g = left.leaf.grad();
    if (!g.defined()) continue;
    if (g.requires_grad()) {
      fail("jit", "a gradient that takes part in gradients stays on a tensor",
           "Call backward() without create_graph, or detach what it leaves", current_loc());
    }
    auto returned = std::any_of(data_.results.begin(), data_.results.end(), [&](const Tensor& r) {
      return impl(r).storage == impl(g).storage;
    });
    if (returned || impl(g).serial <= first_serial_) {
      fail("jit", "a gradient is also a result, or a tensor from outside", "Leave a clone behind",
           current_loc());
    }
    left.output = output++;
    data_.graph.add_result(value_of_tensor(g), cat("grad.", left.output));
  }
}

void GraphRecorder::add_state_writes() {
  ir::Graph& g = data_.graph;
  std::vector<NamedTensor> used;
  std::vector<int> place(data_.state.size(), -1);
  std::unordered_map<std::string_view, size_t> by_name;
  for (size_t k = 0; k < data_.state.size(); ++k) by_name.try_emplace(data_.state[k].name, k);
  std::unordered_map<size_t, Value> written;  // by state
  for (const auto& [storage, b] : buffers_) {
    if (b.state >= 0 && b.written) written[static_cast<size_t>(b.state)] = b.current;
  }
  for (size_t k = 0; k < g.inputs().size(); ++k) {
    const ir::GraphInput& in = g.inputs()[k];
    auto state = by_name.find(in.name);
    if (in.kind != ir::InputKind::State || state == by_name.end()) continue;
    place[state->second] = static_cast<int>(used.size());
    used.push_back(data_.state[state->second]);
    auto value = written.find(state->second);
    if (value != written.end()) g.add_result(value->second, in.name, static_cast<int>(k));
  }
  // States that were never used leave the list.
  for (ResultAlias& a : data_.aliases) {
    if (a.kind == ResultAlias::Kind::State) a.index = static_cast<size_t>(place[a.index]);
  }
  data_.state = std::move(used);
}

}  // namespace etch::tracer
