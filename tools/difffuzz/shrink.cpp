#include <cstring>

#include "etch/autograd.h"
#include "passes/dce.h"
#include "runtime/eager.h"
#include "runtime/program/program.h"
#include "tools/difffuzz/run.h"

namespace etch::difffuzz {
namespace {

using ir::Value;

/// A copy with only result `keep` (all of them when negative), where the result of node `cut`
/// became an input holding `value`.
Sample rebuild(const Sample& s, int keep, ir::NodeId cut,
               const std::shared_ptr<const ir::Constant>& value) {
  Sample out;
  std::unordered_map<Value, Value, ir::ValueHash> map;
  std::vector<bool> needed(s.graph.capacity(), false);
  std::vector<ir::NodeId> stack;
  for (size_t i = 0; i < s.graph.results().size(); ++i) {
    if (keep < 0 || static_cast<int>(i) == keep) stack.push_back(s.graph.results()[i].value.node);
  }
  while (!stack.empty()) {
    ir::NodeId id = stack.back();
    stack.pop_back();
    if (needed[id]) continue;
    needed[id] = true;
    if (id == cut) continue;
    for (Value v : s.graph.node(id).inputs) stack.push_back(v.node);
  }
  auto add_input = [&](Value from, std::shared_ptr<const ir::Constant> data) {
    map[from] = out.graph.add_input(cat("x", out.inputs.size()), s.graph.type(from));
    out.inputs.push_back(std::move(data));
  };
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    Value v = s.graph.inputs()[i].value;
    if (needed[v.node]) add_input(v, s.inputs[i]);
  }
  for (ir::NodeId id : s.graph) {
    const ir::Node& n = s.graph.node(id);
    if (!needed[id] || ir::is_input(n)) continue;
    if (id == cut) {
      add_input({id, 0}, value);
      continue;
    }
    SmallVec<Value, 4> in;
    for (Value v : n.inputs) in.push_back(map.at(v));
    ir::NodeId copy = out.graph.add_node(*n.op, in, n.attrs, n.outputs);
    for (uint32_t i = 0; i < n.outputs.size(); ++i) map[{id, i}] = {copy, i};
  }
  for (size_t i = 0; i < s.graph.results().size(); ++i) {
    const ir::GraphResult& r = s.graph.results()[i];
    if (keep < 0 || static_cast<int>(i) == keep) out.graph.add_result(map.at(r.value), r.name);
  }
  return out;
}

/// Eager's value of every node, as a constant.
std::vector<std::shared_ptr<const ir::Constant>> all_values(const Sample& s) {
  Sample probe = s;
  std::vector<ir::NodeId> ids;
  for (ir::NodeId id : s.graph) {
    if (ir::is_input(s.graph.node(id))) continue;
    ids.push_back(id);
    probe.graph.add_result({id, 0}, cat("probe", id));
  }
  runtime::Program program = runtime::Program::build(probe.graph);
  runtime::Context context(program);
  std::vector<Tensor> in;
  for (const auto& c : s.inputs) in.push_back(from_bytes(c->data.get(), c->sizes, c->dtype));
  std::vector<Tensor> out = program.run(context, in);
  std::vector<std::shared_ptr<const ir::Constant>> values(s.graph.capacity());
  size_t first = s.graph.results().size();
  for (size_t i = 0; i < ids.size(); ++i) {
    auto keep = std::make_shared<Tensor>(out[first + i]);
    const runtime::TensorImpl& t = runtime::impl(*keep);
    values[ids[i]] = ir::make_constant(t.dtype, t.sizes, std::shared_ptr<const void>(keep, t.data));
  }
  return values;
}

bool fails(const Sample& s, const Engine& engine, const Plant& plant) {
  Counts counts;
  return run(s, engine, plant, counts).has_value();
}

}  // namespace

Sample shrink(const Sample& sample, const Engine& engine, const Plant& plant) {
  Sample best = sample;
  for (size_t i = 0; i < sample.graph.results().size(); ++i) {
    Sample one = rebuild(sample, static_cast<int>(i), ir::kNoNode, nullptr);
    if (fails(one, engine, plant)) {
      best = std::move(one);
      break;
    }
  }
  for (bool smaller = true; smaller;) {
    smaller = false;
    auto values = all_values(best);
    for (ir::NodeId id : best.graph) {
      const ir::Node& n = best.graph.node(id);
      if (ir::is_input(n) || best.graph.is_result({id, 0})) continue;
      Sample next = rebuild(best, -1, id, values[id]);
      if (next.graph.size() > best.graph.size() || !fails(next, engine, plant)) continue;
      bool progress =
          next.graph.size() < best.graph.size() || next.inputs.size() < best.inputs.size();
      if (!progress) continue;
      best = std::move(next);
      smaller = true;
      break;
    }
  }
  return best;
}

}  // namespace etch::difffuzz
