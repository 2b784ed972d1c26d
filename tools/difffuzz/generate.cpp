#include "tools/difffuzz/generate.h"

#include <cmath>
#include <cstring>
#include <tuple>
#include <unordered_map>

#include "ir/registry.h"

namespace etch::difffuzz {
namespace {

using namespace ir;

int64_t below(Random& r, int64_t n) { return static_cast<int64_t>(r() % static_cast<uint64_t>(n)); }
bool chance(Random& r, int percent) { return below(r, 100) < percent; }
template <class T>
const T& pick(Random& r, const std::vector<T>& items) {
  return items[static_cast<size_t>(below(r, static_cast<int64_t>(items.size())))];
}

constexpr int64_t kMaxElements = 20000;

double draw_real(Random& r, bool specials) {
  static const double kSpecial[] = {0.0,       -0.0, 1.0,   -1.0, INFINITY,
                                    -INFINITY, NAN,  1e-40, 3e38, -1e-310};
  if (specials && chance(r, 2)) return kSpecial[below(r, 10)];
  return (static_cast<double>(r() >> 11) * 0x1p-53 - 0.5) * (chance(r, 20) ? 200 : 6);
}

std::shared_ptr<const Constant> draw_values(const TensorType& type, Random& r, bool specials) {
  Sizes sizes = shape_eval(type.shape, {});
  size_t n = static_cast<size_t>(shape_numel(type.shape).value()), size = itemsize(type.dtype);
  auto bytes = std::make_shared<std::vector<std::byte>>(n * size);
  for (size_t i = 0; i < n; ++i) {
    Number v = is_float(type.dtype) ? make_number(type.dtype, draw_real(r, specials))
                                    : make_number(type.dtype, below(r, 21) - 10);
    if (is_bool(type.dtype)) v.bits = r() & 1;
    std::memcpy(bytes->data() + i * size, &v.bits, size);
  }
  return make_constant(type.dtype, sizes, std::shared_ptr<const void>(bytes, bytes->data()));
}

/// Builds one graph.
class Generator {
 public:
  explicit Generator(uint64_t seed) : r_(seed * 0x9e3779b97f4a7c15u + 1) {}

  Sample run() {
    specials_ = chance(r_, 30);
    base_ = draw_shape();
    main_ = chance(r_, 70) ? DType::F32 : chance(r_, 50) ? DType::F64 : pick(r_, kOthers);
    int64_t inputs = 1 + below(r_, 3);
    for (int64_t i = 0; i < inputs; ++i) add_input({main_, i == 0 ? base_ : related_shape(base_)});
    int64_t want = 4 + below(r_, 13);
    for (int64_t tries = 0; tries < want * 40 && made_ < want; ++tries) try_operator();
    if (chance(r_, 40)) repeat_piece();
    add_results();
    return std::move(out_);
  }

 private:
  inline static const std::vector<DType> kOthers = {DType::Bool, DType::I8,  DType::U8,
                                                    DType::I16,  DType::U16, DType::I32,
                                                    DType::U32,  DType::I64, DType::U64};

  Graph& graph() { return out_.graph; }

  Shape draw_shape() {
    static const std::vector<int64_t> kSizes = {1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 64, 65, 130, 600};
    int64_t rank = chance(r_, 15) ? 4 : below(r_, 4);
    for (;;) {
      Shape s;
      for (int64_t i = 0; i < rank; ++i) s.push_back(Dim(chance(r_, 3) ? 0 : pick(r_, kSizes)));
      if (shape_numel(s).value() <= kMaxElements) return s;
    }
  }
  /// A shape that broadcasts with `s`.
  Shape related_shape(const Shape& s) {
    Shape out = s;
    for (Dim& d : out) {
      if (chance(r_, 25)) d = Dim(1);
    }
    while (!out.empty() && chance(r_, 25)) out.erase(0);
    return out;
  }

  Value add_input(TensorType type) {
    Value v = graph().add_input(cat("x", out_.inputs.size()), type);
    out_.inputs.push_back(draw_values(type, r_, specials_));
    values_.push_back(v);
    return v;
  }

  /// An operand for position `i`: an old value, mostly a recent one, or a fresh input that fits.
  Value operand(const OpDef& op, size_t i, const std::vector<Value>& before) {
    const TensorType* first = before.empty() ? nullptr : &graph().type(before[0]);
    if (op.kind == OpKind::Contraction && i == 1 && chance(r_, 70))
      return contraction_partner(op, *first);
    if (static_cast<int>(i) >= op.typed_to && first->rank() != 0) return indices(*first);
    for (int tries = 0; tries < 8; ++tries) {
      size_t back = static_cast<size_t>(below(r_, static_cast<int64_t>(values_.size())));
      if (chance(r_, 50)) back = std::min<size_t>(back, 2);
      Value v = values_[values_.size() - 1 - back];
      const TensorType& t = graph().type(v);
      bool condition = static_cast<int>(i) < op.typed_from;
      if (condition && !is_bool(t.dtype)) continue;
      if (!condition && !contains(op.info.types, t.dtype)) continue;
      if (!condition && static_cast<int>(before.size()) > op.typed_from &&
          t.dtype != graph().type(before[static_cast<size_t>(op.typed_from)]).dtype) {
        continue;
      }
      return v;
    }
    if (first == nullptr || out_.inputs.size() > 8) return values_.back();
    DType t = static_cast<int>(i) < op.typed_from ? DType::Bool : first->dtype;
    return add_input({t, chance(r_, 60) ? first->shape : related_shape(first->shape)});
  }

  Value contraction_partner(const OpDef&, const TensorType& a) {
    if (a.rank() == 4 && chance(r_, 60)) {
      return add_input(
          {a.dtype,
           {Dim(1 + below(r_, 4)), a.shape[1], Dim(1 + below(r_, 3)), Dim(1 + below(r_, 3))}});
    }
    if (a.rank() < 2) return values_.back();
    return add_input({a.dtype, {a.shape.back(), Dim(1 + below(r_, 9))}});
  }

  /// Indices that are in range along every axis of x.
  Value indices(const TensorType& x) {
    int64_t n = x.shape[0].value();
    for (Dim d : x.shape) n = std::min(n, d.value());
    int64_t count = n == 0 ? 0 : 1 + below(r_, 6);
    Sizes sizes = {count};
    auto data = std::make_shared<std::vector<int64_t>>();
    for (int64_t i = 0; i < count; ++i) data->push_back(below(r_, n));
    Value v = graph().add_input(cat("x", out_.inputs.size()), {DType::I64, {Dim(count)}});
    out_.inputs.push_back(
        make_constant(DType::I64, sizes, std::shared_ptr<const void>(data, data->data())));
    return v;
  }

  void draw_attr(const OpDef& op, const TensorType* x, std::string_view name, AttrValue& v) {
    int rank = x == nullptr ? 0 : x->rank();
    if (bool* b = std::get_if<bool>(&v)) *b = chance(r_, 50);
    if (double* d = std::get_if<double>(&v); d != nullptr && name != "eps") {
      *d = static_cast<double>(below(r_, 9) - 4) / 2;
    }
    if (int64_t* i = std::get_if<int64_t>(&v)) {
      if (name == "axis" && rank > 0) *i = below(r_, 2 * rank) - rank;
      if (name == "step") *i = 1 + below(r_, 3);
    }
    if (DType* t = std::get_if<DType>(&v)) {
      *t = op.info.types == bit(DType::U64) || chance(r_, 50)
               ? (chance(r_, 50) ? DType::F32 : DType::F64)
               : pick(r_, kOthers);
    }
    if (Number* n = std::get_if<Number>(&v))
      *n = make_number(main_, static_cast<double>(below(r_, 7) - 3));
    if (Axes* a = std::get_if<Axes>(&v)) draw_axes(op, rank, name, *a);
    if (Shape* s = std::get_if<Shape>(&v)) draw_sizes(x, name, *s);
  }

  void draw_axes(const OpDef& op, int rank, std::string_view name, Axes& a) {
    if (name == "axes" && op.is_view() && chance(r_, 80)) {  // a permutation; others refuse it
      a.clear();
      for (int i = 0; i < rank; ++i) a.push_back(i);
      for (size_t i = a.size(); i > 1; --i)
        std::swap(a[i - 1], a[static_cast<size_t>(below(r_, static_cast<int64_t>(i)))]);
      if (!chance(r_, 50) && rank > 0) a.resize(1);
    } else if (name == "axes") {
      a.clear();
      for (int i = 0; i < rank; ++i) {
        if (chance(r_, 50)) a.push_back(i);
      }
    } else if (name == "low" || name == "high") {
      a.clear();
      for (int i = 0; i < rank; ++i) a.push_back(below(r_, 3));
    } else {
      for (int64_t& x : a) x = name == "padding" ? below(r_, 2) : 1 + below(r_, 2);
    }
  }

  void draw_sizes(const TensorType* x, std::string_view name, Shape& s) {
    if (name == "range" && x->rank() > 0) {
      int64_t n = x->shape[static_cast<size_t>(below(r_, x->rank()))].value();
      int64_t start = below(r_, n + 1);
      s = {Dim(start), Dim(start + below(r_, n - start + 1))};
    } else if (name == "shape" && x != nullptr && chance(r_, 50)) {  // the same elements regrouped
      s = x->shape;
      if (!s.empty() && chance(r_, 50)) {
        size_t at = static_cast<size_t>(below(r_, static_cast<int64_t>(s.size())));
        if (at + 1 < s.size()) {
          s[at] = s[at] * s[at + 1];
          s.erase(at + 1);
        } else {
          s.push_back(Dim(1));
        }
      } else if (!s.empty() && s.back().value() % 2 == 0 && s.back().value() > 0) {
        s.back() = s.back() / 2;
        s.push_back(Dim(2));
      }
    } else if (name == "shape") {  // broadcast to
      s = base_;
    } else if (name == "input" && x != nullptr) {
      s = x->shape;
    } else {
      s = {Dim(1 + below(r_, 40))};
    }
  }

  void try_operator() {
    const OpDef& op =
        *all_ops()[static_cast<size_t>(below(r_, static_cast<int64_t>(all_ops().size())))];
    int count = op.min_operands;
    if (op.max_operands > count) count += static_cast<int>(below(r_, 3));
    std::vector<Value> in;
    for (int i = 0; i < count; ++i) in.push_back(operand(op, static_cast<size_t>(i), in));
    const TensorType* x = in.empty() ? nullptr : &graph().type(in[0]);
    auto attrs = op.schema->create();
    for (int i = 0; i < op.schema->count; ++i) {
      AttrValue v = op.schema->get(attrs.get(), i);
      draw_attr(op, x, op.schema->name(i), v);
      op.schema->set(attrs.get(), i, v);
    }
    Types types, results;
    for (Value v : in) types.push_back(graph().type(v));
    try {
      results = infer_types(op, types, attrs.get());
    } catch (const UserError&) {
      return;
    }
    for (const TensorType& t : results) {
      if (shape_numel(t.shape).value() > kMaxElements || t.rank() > 6) return;
    }
    AttrBox box = op.schema->count == 0 ? AttrBox{} : AttrBox(*op.schema, attrs);
    NodeId id = graph().add_node(op, in, std::move(box), std::move(results));
    for (uint32_t i = 0; i < graph().node(id).outputs.size(); ++i) values_.push_back({id, i});
    ++made_;
  }

  /// Copies of a piece of the graph on other operands, side by side or one after the other, as a
  /// program has them that calls one function often; then a few operators on what they gave.
  void repeat_piece() {
    std::vector<NodeId> piece;
    for (NodeId id : graph()) {
      if (!is_input(graph().node(id))) piece.push_back(id);
    }
    auto size = static_cast<size_t>(1 + below(r_, 6));
    if (piece.size() > size) {
      auto begin = below(r_, static_cast<int64_t>(piece.size() - size + 1));
      piece = {piece.begin() + begin, piece.begin() + begin + static_cast<int64_t>(size)};
    }
    std::unordered_map<Value, Value, ValueHash> before;  // the values of the copy before this one
    for (int64_t copies = 1 + below(r_, 5); copies > 0; --copies) copy_piece(piece, before);
    int64_t want = made_ + below(r_, 4);
    for (int64_t tries = 0; tries < 40 && made_ < want; ++tries) try_operator();
  }

  void copy_piece(const std::vector<NodeId>& piece,
                  std::unordered_map<Value, Value, ValueHash>& before) {
    std::unordered_map<Value, Value, ValueHash> now;
    auto operand = [&](Value v) {
      auto [it, fresh] = now.try_emplace(v, v);
      const TensorType type = graph().type(v);
      if (!fresh || is_int(type.dtype)) return it->second;  // indices stay in range
      std::vector<Value> fits;
      for (const auto& [old, value] : before) {
        if (same_type(graph().type(value), type)) fits.push_back(value);
      }
      std::sort(fits.begin(), fits.end(), [](Value a, Value b) {
        return std::tie(a.node, a.index) < std::tie(b.node, b.index);
      });
      if (!fits.empty() && chance(r_, 40)) {
        it->second = pick(r_, fits);
      } else if (out_.inputs.size() < 24 && chance(r_, 60)) {
        it->second = add_input(type);
      }
      return it->second;
    };
    for (NodeId id : piece) {
      const Node n = graph().node(id);  // a copy: adding nodes moves the slab
      std::vector<Value> in;
      for (Value v : n.inputs) in.push_back(operand(v));
      NodeId copy = is_constant(n) ? graph().add_constant(n.constant).node
                                   : graph().add_node(*n.op, in, n.attrs, n.outputs);
      for (uint32_t i = 0; i < n.outputs.size(); ++i) {
        now[{id, i}] = {copy, i};
        values_.push_back({copy, i});
      }
    }
    before = std::move(now);
  }

  void add_results() {
    int i = 0;
    for (NodeId id : graph()) {
      const Node& n = graph().node(id);
      if (is_input(n)) continue;
      bool leaf = n.uses.empty();
      if (leaf || chance(r_, 10)) graph().add_result({id, 0}, cat("y", i++));
    }
    if (graph().results().empty()) graph().add_result(values_.back(), "y0");
  }

  Random r_;
  Sample out_;
  Shape base_;
  DType main_ = DType::F32;
  std::vector<Value> values_;
  int64_t made_ = 0;
  bool specials_ = false;
};

/// The graph several times in a row, as the layers of a network: inputs of each are results of the
/// one before, where the types fit, its own, or those of all.
Sample repeat(const Sample& layer, Random& r) {
  Sample out;
  std::vector<Value> operands;
  auto add_input = [&](size_t i) {
    const GraphInput& in = layer.graph.inputs()[i];
    out.inputs.push_back(layer.inputs[i]);
    return out.graph.add_input(cat(in.name, "_", out.inputs.size()), layer.graph.type(in.value));
  };
  enum class From { All, Own, Before };
  std::vector<std::pair<From, size_t>> from;
  for (size_t i = 0; i < layer.inputs.size(); ++i) {
    operands.push_back(add_input(i));
    from.emplace_back(chance(r, 50) ? From::Own : From::All, 0);
    const TensorType& t = layer.graph.type(layer.graph.inputs()[i].value);
    for (size_t k = 0; k < layer.graph.results().size(); ++k) {
      const bool fits = same_type(layer.graph.type(layer.graph.results()[k].value), t);
      if (fits && is_float(t.dtype) && chance(r, 60)) from[i] = {From::Before, k};
    }
  }
  const int64_t times = 3 + below(r, 8);
  for (int64_t t = 0; t < times; ++t) {
    out.graph.set_origin(out.graph.intern_scope(cat("layers.", t)),
                         out.graph.intern_loc("layers.cpp", 1));
    const std::vector<Value> results = inline_graph(out.graph, layer.graph, operands);
    for (size_t i = 0; i < operands.size() && t + 1 < times; ++i) {
      if (from[i].first == From::Before) operands[i] = results[from[i].second];
      if (from[i].first == From::Own) operands[i] = add_input(i);
    }
    for (size_t k = 0; k < results.size(); ++k) {
      if (t + 1 < times && !chance(r, 5)) continue;
      out.graph.add_result(results[k], cat("y", t, "_", k));
    }
  }
  out.graph.set_origin(0, 0);
  return out;
}

}  // namespace

Sample generate(uint64_t seed) {
  Sample s = Generator(seed).run();
  Random r(seed ^ 0xa5a5);
  return chance(r, 35) ? repeat(s, r) : s;
}

}  // namespace etch::difffuzz
