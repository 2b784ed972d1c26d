#include "ir/registry.h"
#include "tools/cli/text.h"
#include "tools/cli/verbs.h"

namespace etch::cli {

namespace {

using ir::OpDef;
using ir::OpKind;
using runtime::JsonValue;

std::string types_text(DTypeSet set) {
  if (set == kAll) return "all";
  if (set == kNumeric) return "numeric";
  if (set == kInts) return "integers";
  std::string out;
  for (int i = 0; i < kDTypeCount; ++i) {
    DType t = static_cast<DType>(i);
    if (contains(set, t)) out += cat(out.empty() ? "" : " ", t);
  }
  return out;
}

/// What fusion makes of the operator.
std::string_view fusion_text(const OpDef& op) {
  switch (op.kind) {
    case OpKind::Elementwise:
      return "pointwise";
    case OpKind::Reduction:
      return "reduction";
    case OpKind::View:
      return "index map";
    case OpKind::Composite:
      return "as its body";
    case OpKind::Control:
      return "inside its graphs";
    default:
      return "none: a kernel of its own";
  }
}

std::string onnx_text(const OpDef& op) {
  const ir::OnnxRule& r = op.info.onnx;
  if (!r.reason.empty()) return cat("none: ", r.reason);
  if (r.via_body) return "through its body";
  if (r.op.empty()) return cat("own form, opset ", r.since);
  return cat(r.op, ", opset ", r.since);
}

std::string gradient_text(const OpDef& op) {
  return op.vjp != nullptr ? std::string("yes") : cat("none: ", op.no_gradient);
}

JsonValue op_json(const OpDef& op) {
  JsonValue out;
  out.set("name", op.name());
  out.set("doc", op.info.doc);
  out.set("kind", ir::kind_name(op.kind));
  JsonValue::Array types;
  for (int i = 0; i < kDTypeCount; ++i) {
    if (contains(op.info.types, static_cast<DType>(i)))
      types.emplace_back(name(static_cast<DType>(i)));
  }
  out.set("dtypes", std::move(types));
  out.set("differentiable", op.vjp != nullptr);
  if (op.vjp == nullptr) out.set("no_gradient", op.no_gradient);
  out.set("fusion", fusion_text(op));
  out.set("onnx", onnx_text(op));
  out.set("version", op.info.version);
  return out;
}

std::string op_page(const OpDef& op) {
  Columns columns;
  columns.row({"kind", std::string(ir::kind_name(op.kind))});
  std::string operands = op.min_operands == op.max_operands
                             ? cat(op.min_operands)
                             : cat(op.min_operands, " to ", op.max_operands);
  columns.row({"operands", operands});
  columns.row({"dtypes", types_text(op.info.types)});
  columns.row({"gradient", gradient_text(op)});
  columns.row({"fusion", std::string(fusion_text(op))});
  columns.row({"ONNX", onnx_text(op)});
  columns.row({"version", cat(op.info.version)});
  return cat(op.name(), ": ", op.info.doc, "\n", columns.text());
}

}  // namespace

Answer ops_verb(const std::string& name, Console&) {
  Answer out;
  if (!name.empty()) {
    const OpDef* op = ir::find_op(name);
    if (op == nullptr) {
      std::vector<std::string> known;
      for (const OpDef* o : ir::all_ops()) known.emplace_back(o->name());
      std::string close = nearest(name, known);
      fail("ops", cat("there is no operator named ", name),
           close.empty() ? "etch ops lists them" : cat("Did you mean ", close, "?"));
    }
    out.text = op_page(*op);
    out.json = op_json(*op);
    return out;
  }
  Columns columns(0);
  columns.row({"operator", "kind", "dtypes", "gradient", "fusion", "ONNX"});
  JsonValue::Array list;
  size_t differentiable = 0, onnx = 0;
  for (const OpDef* op : ir::all_ops()) {
    columns.row({std::string(op->name()), std::string(ir::kind_name(op->kind)),
                 types_text(op->info.types), gradient_text(*op), std::string(fusion_text(*op)),
                 onnx_text(*op)});
    differentiable += op->vjp != nullptr;
    onnx += op->info.onnx.reason.empty();
    list.push_back(op_json(*op));
  }
  out.text = cat(columns.text(), ir::all_ops().size(), " operators, ", differentiable,
                 " differentiable, ", onnx, " with an ONNX form\n");
  out.json.set("operators", std::move(list));
  return out;
}

}  // namespace etch::cli
