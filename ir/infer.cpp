// Type rules that operators share: broadcasting, promotion, reductions, composites.
#include "ir/emitters.h"
#include "ir/op.h"
#include "ir/ops/elementwise.h"

namespace etch::ir {
namespace {

std::string list_types(DTypeSet set) {
  std::string out;
  for (int i = 0; i < kDTypeCount; ++i) {
    DType t = static_cast<DType>(i);
    if (contains(set, t)) out += cat(out.empty() ? "" : ", ", t);
  }
  return out;
}

std::string list_operands(std::span<const TensorType> in) {
  std::string out;
  for (const TensorType& t : in) {
    if (!out.empty()) out += " and ";
    append_text(out, t);
  }
  return out;
}

int float_rank(DType t) { return t == DType::F64 ? 2 : 1; }

/// PyTorch's table: bool < integers < floats; u8 mixes with signed types upwards, and wider
/// unsigned types take the next wider signed one.
DType promote(DType a, DType b) {
  if (a == b) return a;
  if (is_float(a) || is_float(b)) {
    if (!is_float(b)) return a;
    if (!is_float(a)) return b;
    return float_rank(a) > float_rank(b) ? a : b;
  }
  if (is_bool(a)) return b;
  if (is_bool(b)) return a;
  if (is_signed_int(a) == is_signed_int(b)) return bits(a) > bits(b) ? a : b;
  DType s = is_signed_int(a) ? a : b, u = is_signed_int(a) ? b : a;
  if (bits(s) > bits(u)) return s;
  if (bits(u) == 8) return DType::I16;
  return bits(u) == 16 ? DType::I32 : DType::I64;
}

/// Where a dtype that the operator does not take goes: integers to i64 where that is taken (sums),
/// else to f32.
DType widen(const Infer& c, DType t) {
  DTypeSet types = c.op.info.types;
  if (contains(types, t)) return t;
  if (!is_float(t) && contains(types, DType::I64)) return DType::I64;
  if (!is_float(t) && contains(types, DType::F32)) return DType::F32;
  c.fail(cat("expected operands of ", list_types(types), ", got ", list_operands(c.in)),
         "Cast the operand first");
}

DType result_dtype_of(const Infer& c, DType operand) {
  switch (c.op.result) {
    case ResultType::Bool:
      return DType::Bool;
    case ResultType::Index:
      return DType::I64;
    case ResultType::Attr:
      for (int i = 0; i < c.op.schema->count; ++i) {
        AttrValue v = c.op.schema->get(c.attrs, i);
        if (const DType* t = std::get_if<DType>(&v)) return *t;
      }
      fail_internal(cat(c.op.name(), " has no dtype attribute"));
    case ResultType::Same:
      return operand;
  }
  return operand;
}

bool takes_part(const OpDef& op, size_t i) {
  return static_cast<int>(i) >= op.typed_from && static_cast<int>(i) < op.typed_to;
}

}  // namespace

void Infer::fail(const std::string& what, std::string_view hint) const {
  etch::fail(op.name(), what, hint, current_loc());
}

// The result depends on the two sizes alone, not on what is known about them: types inferred again
// later, with more known, are the same.
Dim unify(const Infer& c, Dim a, Dim b, std::string_view what) {
  if (a.same_as(b)) return a;
  if (dim_equal(a, b) == Truth::No || !dim_decide_equal(a, b)) {
    c.fail(cat("expected equal ", what, ", got ", a, " and ", b, " in ", list_operands(c.in)));
  }
  return b.is_const() ? b : a;
}

void unify(const Infer& c, std::span<const Dim> a, std::span<const Dim> b, std::string_view what) {
  if (a.size() != b.size()) {
    c.fail(cat("expected ", what, " of rank ", a.size(), ", got ", list_operands(c.in)));
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i].same_as(b[i])) unify(c, a[i], b[i], cat(what, " on axis ", i));
  }
}

Shape broadcast_shapes(const Infer& c, std::span<const TensorType> types) {
  Shape out;
  for (const TensorType& t : types) {
    while (out.size() < t.shape.size()) out.insert(0, Dim(1));
    for (size_t i = 0; i < t.shape.size(); ++i) {
      Dim& o = out[out.size() - t.shape.size() + i];
      Dim d = t.shape[i];
      if (d.same_as(o) || d.is(1)) continue;
      if (o.is(1)) {
        o = d;
        continue;
      }
      if (dim_equal(o, d) == Truth::No || !dim_decide_equal(o, d)) {
        c.fail(cat("expected shapes that broadcast, got ", list_operands(types), " (", o, " and ",
                   d, " in one place)"),
               "Sizes must be equal or 1, counted from the last axis");
      }
      if (d.is_const()) o = d;
    }
  }
  return out;
}

int64_t normalize_axis(std::string_view op, int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    fail(op, cat("axis ", axis, " is out of range for rank ", rank),
         cat("Axes run from ", -rank, " to ", rank - 1), current_loc());
  }
  return axis < 0 ? axis + rank : axis;
}

Axes normalize_axes(std::string_view op, std::span<const int64_t> axes, int rank) {
  Axes out;
  if (axes.empty()) {
    for (int i = 0; i < rank; ++i) out.push_back(i);
    return out;
  }
  for (int64_t a : axes) out.push_back(normalize_axis(op, a, rank));
  std::sort(out.begin(), out.end());
  for (size_t i = 1; i < out.size(); ++i) {
    if (out[i] == out[i - 1]) {
      fail(op, cat("axis ", out[i], " is given twice"), "Give each axis once", current_loc());
    }
  }
  return out;
}

void infer_elementwise(const Infer& c, Types& out) {
  const TensorType* first = nullptr;
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (!takes_part(c.op, i)) {
      if (!is_bool(c.in[i].dtype)) {
        c.fail(cat("expected a bool condition, got ", list_operands(c.in)), "Compare first");
      }
      continue;
    }
    if (!contains(c.op.info.types, c.in[i].dtype) || (first && first->dtype != c.in[i].dtype)) {
      c.fail(cat("expected equal dtypes of ", list_types(c.op.info.types), ", got ",
                 list_operands(c.in)));
    }
    first = first != nullptr ? first : &c.in[i];
  }
  out.push_back({result_dtype_of(c, first->dtype), broadcast_shapes(c, c.in)});
}

void infer_reduction(const Infer& c, Types& out) {
  const auto& a = c.as<ReduceAttrs>();
  const TensorType& x = c.in[0];
  if (!contains(c.op.info.types, x.dtype)) {
    c.fail(cat("expected ", list_types(c.op.info.types), ", got ", list_operands(c.in)));
  }
  Axes axes = normalize_axes(c.op.name(), a.axes, x.rank());
  bool empty_is_error = c.op.reduce != ReduceKind::Sum && c.op.reduce != ReduceKind::Prod;
  TensorType t{result_dtype_of(c, x.dtype), {}};
  size_t next = 0;
  for (int i = 0; i < x.rank(); ++i) {
    Dim d = x.shape[static_cast<size_t>(i)];
    bool reduced = next < axes.size() && axes[next] == i;
    if (!reduced) {
      t.shape.push_back(d);
      continue;
    }
    ++next;
    if (empty_is_error && d.is(0)) {
      c.fail(cat("axis ", i, " of ", list_operands(c.in), " has no elements to choose from"));
    }
    if (a.keepdims) t.shape.push_back(Dim(1));
  }
  out.push_back(std::move(t));
}

void infer_composite(const Infer& c, Types& out) {
  TypeEmitter types;
  Vars in;
  for (const TensorType& t : c.in) in.push_back(types.value(t));
  for (const Var& v : c.op.body(Call(c.op, c.attrs, in))) out.push_back(v.type());
}

Vars call_op(const OpDef& op, std::span<const Var> operands, const void* attrs) {
  Emitter& e = operands[0].emitter();
  if (op.kind == OpKind::View || op.is_control()) return e.emit(op, operands, attrs);
  bool any = false, mixed = false;
  DType common = DType::Bool;
  Types types;
  for (size_t i = 0; i < operands.size(); ++i) {
    types.push_back(operands[i].type());
    if (!takes_part(op, i)) continue;
    mixed |= any && types[i].dtype != common;
    common = any ? promote(common, types[i].dtype) : types[i].dtype;
    any = true;
  }
  if (!any || (!mixed && contains(op.info.types, common))) return e.emit(op, operands, attrs);
  DType target = widen(Infer{op, types, attrs}, common);
  Vars cast(operands.begin(), operands.end());
  Cast::Attrs to{target};
  for (size_t i = 0; i < cast.size(); ++i) {
    if (!takes_part(op, i) || types[i].dtype == target) continue;
    const Var one[] = {cast[i]};
    cast[i] = std::move(e.emit(op_def<Cast>(), one, &to).front());
  }
  return e.emit(op, cast, attrs);
}

Var call_op1(const OpDef& op, std::span<const Var* const> operands, const void* attrs) {
  std::array<Var, 4> few;
  if (operands.size() <= few.size()) {
    for (size_t i = 0; i < operands.size(); ++i) few[i] = *operands[i];
    return std::move(call_op(op, std::span(few).first(operands.size()), attrs).front());
  }
  Vars all;
  for (const Var* v : operands) all.push_back(*v);
  return std::move(call_op(op, all, attrs).front());
}

}  // namespace etch::ir
