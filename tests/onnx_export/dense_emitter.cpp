#include "tests/onnx_export/dense_emitter.h"

namespace etch::test {

using namespace etch::ir;

Var DenseEmitter::value(TensorType type, Dense data) {
  values_.push_back({std::move(type), std::move(data)});
  return Var(this, values_.size() - 1);
}

Var DenseEmitter::constant(const std::shared_ptr<const Constant>& contents) {
  Dense data(contents->dtype, contents->sizes);
  std::copy_n(static_cast<const std::byte*>(contents->data.get()), contents->bytes,
              data.bytes.data());
  return value({contents->dtype, to_shape(contents->sizes)}, std::move(data));
}

/// Attributes as kernels see them: without symbols.
std::shared_ptr<void> DenseEmitter::numbers(const OpDef& op, const void* attrs) const {
  std::shared_ptr<void> out = op.schema->clone(attrs);
  for (int i = 0; i < op.schema->count; ++i) {
    AttrValue v = op.schema->get(attrs, i);
    Shape* shape = std::get_if<Shape>(&v);
    if (shape == nullptr) continue;
    for (Dim& d : *shape) d = Dim(dim_eval(d, bindings_));
    op.schema->set(out.get(), i, v);
  }
  return out;
}

Vars DenseEmitter::emit(const OpDef& op, std::span<const Var> operands, const void* attrs) {
  if (op.body != nullptr) return op.body(Call(op, attrs, operands));
  Types types;
  for (const Var& v : operands) types.push_back(v.type());
  Types results = infer_types(op, types, attrs);
  std::vector<Dense> in, out;
  for (const Var& v : operands) in.push_back(data(v));
  if (op.kernel != nullptr && !operands.empty()) {
    std::vector<TensorRef> in_refs, out_refs;
    for (const TensorType& t : results) out.emplace_back(t.dtype, shape_eval(t.shape, bindings_));
    for (Dense& d : in) in_refs.push_back({d.bytes.data(), d.dtype, d.sizes});
    for (Dense& d : out) out_refs.push_back({d.bytes.data(), d.dtype, d.sizes});
    op.kernel({op, in_refs, out_refs, numbers(op, attrs).get()});
  } else {
    Graph g;
    std::vector<ir::Value> inputs;
    for (const TensorType& t : types) inputs.push_back(g.add_input(cat("x", inputs.size()), t));
    NodeId node = g.add_node(op, inputs, AttrBox::copy(*op.schema, attrs), results);
    g.add_result({node, 0}, "y");
    out = run_graph_naive(g, in, bindings_);
  }
  Vars vars;
  for (size_t i = 0; i < out.size(); ++i) vars.push_back(value(results[i], std::move(out[i])));
  return vars;
}

}  // namespace etch::test
