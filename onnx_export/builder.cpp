#include "onnx_export/builder.h"

#include <algorithm>
#include <cstring>

#include "onnx_export/op_table.h"

namespace etch::onnx {
namespace {

bool has_word(std::string_view words, std::string_view word) {
  std::string padded = cat(" ", word, " ");
  return words.find(padded) != words.npos;
}

constexpr std::string_view kAnyCast =
    " Abs ArgMax ArgMin Clip Concat Equal Expand Gather GatherElements Greater GreaterOrEqual"
    " Identity Less LessOrEqual Max Min Neg Pad ReduceMax ReduceMin Relu Reshape ScatterElements"
    " Sign Slice Squeeze TopK Transpose Trilu Unsqueeze Where ";
constexpr std::string_view kWidening =
    " Add BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CumSum Div MatMul Mod Mul ReduceProd ReduceSum"
    " Sub ";
/// Operators whose result has the same bits when u64 is read as i64.
constexpr std::string_view kSignless =
    " Add BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Concat CumSum Equal Expand Gather"
    " GatherElements Identity MatMul Mul Neg Pad ReduceSum Reshape Slice Squeeze Sub Transpose "
    "Trilu"
    " Unsqueeze Where ";

/// Types that hold every value of `t`, the cheapest first.
std::vector<DType> wider(DType t, CastSafety safety) {
  std::vector<DType> out;
  auto add = [&](DType w) { out.push_back(w); };
  for (DType w :
       {DType::U8, DType::I16, DType::U16, DType::I32, DType::U32, DType::I64, DType::U64}) {
    bool fits =
        is_bool(t) || (bits(w) > bits(t) && is_int(t) && (is_signed_int(w) || is_unsigned_int(t)));
    if (fits && w != t) add(w);
  }
  if (safety == CastSafety::Any) {
    if (bits(t) <= 16) add(DType::F32);
    if (bits(t) <= 32) add(DType::F64);
  }
  return out;
}

AttributeModel to_attribute(const ir::OnnxAttr& a) {
  AttributeModel out;
  out.name = a.name;
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, double>) {
          out.value = static_cast<float>(v);
        } else if constexpr (std::is_same_v<T, Axes>) {
          out.value = std::vector<int64_t>(v.begin(), v.end());
        } else if constexpr (std::is_same_v<T, std::vector<double>>) {
          out.value = std::vector<float>(v.begin(), v.end());
        } else if constexpr (std::is_same_v<T, DType>) {
          out.value = int64_t{onnx_dtype(v)};
        } else if constexpr (std::is_same_v<T, ir::Number>) {
          TensorModel t;
          t.dtype = onnx_dtype(v.dtype);
          t.dims = {1};
          t.bytes = itemsize(v.dtype);
          t.data = std::make_shared<uint64_t>(v.bits);
          out.value = std::move(t);
        } else {
          out.value = v;
        }
      },
      a.value);
  return out;
}

}  // namespace

CastSafety cast_safety(std::string_view onnx_op) {
  if (has_word(kAnyCast, onnx_op)) return CastSafety::Any;
  return has_word(kWidening, onnx_op) ? CastSafety::Widening : CastSafety::None;
}

TypeModel to_type_model(const ir::TensorType& t) {
  TypeModel out;
  out.kind = ValueKind::Tensor;
  out.dtype = onnx_dtype(t.dtype);
  out.has_shape = true;
  for (Dim d : t.shape) {
    DimModel m;
    if (d.is_const())
      m.value = d.value();
    else
      m.param = to_text(d);
    out.dims.push_back(std::move(m));
  }
  return out;
}

void Builder::block(std::string_view reason, int opset) {
  ++blocked_;
  Blocker b{origin_.op, origin_.scope, origin_.where, std::string(reason), opset};
  if (std::find(blockers_.begin(), blockers_.end(), b) == blockers_.end()) blockers_.push_back(b);
}

bool Builder::require_opset(int n, std::string_view why) {
  if (opset_ >= n) return true;
  needed_ = std::max(needed_, n);
  block(cat(why, " from opset ", n, " on"), n);
  return false;
}

bool Builder::prefer_opset(int n) {
  if (opset_ >= n) return true;
  preferred_ = std::max(preferred_, n);
  return false;
}

std::string Builder::number(const std::string& base, Names& used, Counters& next) {
  if (used.insert(base).second) return base;
  int& n = next[base];
  for (;;) {
    std::string name = cat(base, "_", ++n);
    if (used.insert(name).second) return name;
  }
}

std::string Builder::in_scope(std::string_view hint) const {
  return origin_.scope.empty() ? std::string(hint) : cat(origin_.scope, "/", hint);
}

std::string Builder::fresh(std::string_view hint) { return unique(in_scope(hint)); }

void Builder::append(std::string_view op, ir::OnnxNames inputs, ir::OnnxNames outputs,
                     const ir::OnnxAttrs& attrs) {
  if (profile_ != nullptr && !takes_op(*profile_, op)) {
    block(cat(profile_->engine, " does not take ", op));
  }
  while (!inputs.empty() && inputs.back().empty()) inputs.pop_back();
  NodeModel n;
  n.op = std::string(op);
  n.name = number(in_scope(op), used_nodes_, next_node_);
  n.inputs = std::move(inputs);
  n.outputs = std::move(outputs);
  for (const ir::OnnxAttr& a : attrs) n.attributes.push_back(to_attribute(a));
  graph_.nodes.push_back(std::move(n));
}

/// The type variables of one node.
struct Builder::NodeTypes {
  const OnnxTypes* row = nullptr;
  std::optional<DType> given[4], used[4];
};

DType Builder::plan_variable(std::string_view op, char letter, DType t, DTypeSet spec,
                             DTypeSet ort) {
  bool strict = profile_ != nullptr && profile_->ort_types;
  // A floating type is never replaced: that would change values.
  if (is_float(t)) {
    if (!contains(spec, t)) {
      int later = onnx_opset_taking(op, opset_, letter, t);
      if (later != 0)
        require_opset(later, cat(op, " takes ", t));
      else
        block(cat("ONNX has no ", op, " on ", t));
    } else if (strict && !contains(ort, t)) {
      block(cat(profile_->engine, " has no ", op, " on ", t));
    }
    return t;
  }
  if (contains(spec & ort, t)) return t;
  CastSafety safety = cast_safety(op);
  if (safety != CastSafety::None) {
    // What ONNX Runtime computes comes first, then the type itself, then what ONNX knows at all.
    for (DTypeSet set : {spec & ort, contains(spec, t) ? DTypeSet{0} : spec}) {
      for (DType w : wider(t, safety)) {
        if (contains(set, w)) return w;
      }
      if (t == DType::U64 && has_word(kSignless, op) && contains(set, DType::I64))
        return DType::I64;
    }
  }
  if (contains(spec, t)) {
    if (strict) block(cat(profile_->engine, " has no ", op, " on ", t));
    return t;
  }
  int later = onnx_opset_taking(op, opset_, letter, t);
  if (later != 0)
    require_opset(later, cat(op, " takes ", t));
  else
    block(cat("ONNX has no ", op, " on ", t));
  return t;
}

DType Builder::output_dtype(const NodeTypes& types, size_t i, const ir::OnnxAttrs& attrs) const {
  for (const ir::OnnxAttr& a : attrs) {
    if (const DType* t = std::get_if<DType>(&a.value)) return *t;
    if (const ir::Number* v = std::get_if<ir::Number>(&a.value)) return v->dtype;
  }
  char letter = types.row == nullptr ? '\0' : output_letter(*types.row, i);
  if (letter == '\0') return DType::F32;
  size_t v = static_cast<size_t>(letter - 'a');
  if (types.given[v]) return *types.given[v];
  for (int t = 0; t < kDTypeCount; ++t) {
    if (types.row->spec[v] == bit(static_cast<DType>(t))) return static_cast<DType>(t);
  }
  return DType::F32;
}

void Builder::node(std::string_view op, const ir::OnnxNames& inputs, const ir::OnnxNames& outputs,
                   const ir::OnnxAttrs& attrs) {
  NodeTypes types;
  types.row = onnx_types(op, opset_);
  const OnnxTypes* newest = onnx_types(op, kNewestOpset);
  if (types.row == nullptr && newest != nullptr) {
    int first = kNewestOpset;
    while (onnx_types(op, first - 1) != nullptr) --first;
    require_opset(first, cat(op, " is an ONNX operator"));
  }
  ir::OnnxNames in = inputs, out = outputs;
  auto variable = [&](char letter) { return static_cast<size_t>(letter - 'a'); };
  for (size_t i = 0; types.row != nullptr && i < in.size(); ++i) {
    char letter = input_letter(*types.row, i);
    auto known = dtypes_.find(in[i]);
    if (letter == '\0' || in[i].empty() || known == dtypes_.end()) continue;
    size_t v = variable(letter);
    if (!types.given[v]) {
      types.given[v] = known->second;
      types.used[v] =
          plan_variable(op, letter, known->second, types.row->spec[v], types.row->ort[v]);
    }
    if (known->second == *types.used[v]) continue;
    std::string wide = fresh("Cast");
    append("Cast", {in[i]}, {wide}, {{"to", *types.used[v]}});
    in[i] = wide;
  }
  std::vector<std::pair<std::string, std::string>> narrow;  // computed -> wanted
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].empty()) continue;
    DType t = output_dtype(types, i, attrs);
    dtypes_[out[i]] = t;
    char letter = types.row == nullptr ? '\0' : output_letter(*types.row, i);
    if (letter == '\0') continue;
    size_t v = variable(letter);
    if (!types.given[v] || *types.given[v] == *types.used[v]) continue;
    narrow.emplace_back(fresh(op), out[i]);
    out[i] = narrow.back().first;
  }
  append(op, std::move(in), std::move(out), attrs);
  for (const auto& [from, to] : narrow) append("Cast", {from}, {to}, {{"to", dtypes_[to]}});
}

void Builder::describe(const std::string& name, const ir::TensorType& type) {
  graph_.values.push_back({name, to_type_model(type)});
}

std::string Builder::add_tensor(TensorModel t, const Hash128& hash, bool named) {
  auto same = [&](const TensorModel& o) {
    return o.dtype == t.dtype && o.dims == t.dims && o.bytes == t.bytes &&
           (t.bytes == 0 || std::memcmp(o.data.get(), t.data.get(), t.bytes) == 0);
  };
  auto& bucket = tensors_[hash];
  for (size_t i : bucket) {
    if (!named && same(graph_.initializers[i])) return graph_.initializers[i].name;
  }
  if (t.name.empty()) t.name = unique("constant");
  bucket.push_back(graph_.initializers.size());
  dtypes_[t.name] = *dtype_of_onnx(t.dtype);
  graph_.initializers.push_back(std::move(t));
  return graph_.initializers.back().name;
}

std::string Builder::constant_bytes(DType t, std::span<const int64_t> sizes,
                                    std::span<const std::byte> bytes) {
  TensorModel m;
  m.dtype = onnx_dtype(t);
  m.dims.assign(sizes.begin(), sizes.end());
  auto copy = std::shared_ptr<std::byte[]>(new std::byte[bytes.size() + 1]);
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  m.data = std::shared_ptr<const void>(copy, copy.get());
  m.bytes = bytes.size();
  return add_tensor(std::move(m), hash128(bytes), false);
}

namespace {

TensorModel to_tensor(const ir::Constant& c) {
  TensorModel m;
  m.dtype = onnx_dtype(c.dtype);
  m.dims.assign(c.sizes.begin(), c.sizes.end());
  m.data = c.data;
  m.bytes = c.bytes;
  return m;
}

}  // namespace

std::string Builder::constant(const ir::Constant& c) {
  return add_tensor(to_tensor(c), c.hash, false);
}

void Builder::named_constant(const std::string& name, const ir::Constant& c) {
  TensorModel m = to_tensor(c);
  m.name = name;
  add_tensor(std::move(m), c.hash, true);
}

void Builder::prune() {
  Names read;
  for (const NodeModel& n : graph_.nodes) read.insert(n.inputs.begin(), n.inputs.end());
  std::erase_if(graph_.initializers, [&](const TensorModel& t) { return !read.contains(t.name); });
  tensors_.clear();
}

}  // namespace etch::onnx
