// Symbolic sizes as ONNX values, computed from the shapes of the graph inputs at run time.
#include "onnx_export/builder.h"

namespace etch::onnx {

/// Writes the nodes of one size expression, from its canonical text: sums of products of numbers,
/// symbols and floordiv, mod, min, max of two sums.
class SizeWriter {
 public:
  SizeWriter(Builder& b, std::string_view text) : b_(b), s_(text) {}
  std::string run() { return sum(); }

  /// i64[] with the value of a symbol; blocks when no input's shape tells it.
  static std::string symbol(Builder& b, Dim s);

 private:
  bool eat(char c) {
    while (at_ < s_.size() && s_[at_] == ' ') ++at_;
    if (at_ >= s_.size() || s_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string number(int64_t v) {
    return b_.constant_bytes(DType::I64, {}, std::as_bytes(std::span(&v, 1)));
  }
  /// A node computed once for equal operands.
  static std::string shared(Builder& b, std::string_view op, const ir::OnnxNames& in,
                            const ir::OnnxAttrs& attrs = {}) {
    std::string key(op);
    for (const std::string& i : in) key += cat("|", i);
    auto [it, fresh] = b.sizes_.try_emplace(key);
    if (!fresh) return it->second;
    std::string name = b.unique(cat("sizes/", op));
    it->second = name;  // node() below may rehash the table
    b.node(op, in, {name}, attrs);
    return name;
  }
  std::string sum();
  std::string product();
  std::string atom();
  std::string floor_div(const std::string& a, Dim a_dim, const std::string& b);

  friend class Builder;
  Builder& b_;
  std::string_view s_;
  size_t at_ = 0;
};

std::string SizeWriter::sum() {
  bool negative = eat('-');
  std::string left = product();
  if (negative) left = shared(b_, "Neg", {left});
  for (;;) {
    bool plus = eat('+');
    if (!plus && !eat('-')) return left;
    std::string right = product();
    left = shared(b_, plus ? "Add" : "Sub", {left, right});
  }
}

std::string SizeWriter::product() {
  std::string left = atom();
  while (eat('*')) {
    std::string right = atom();
    left = shared(b_, "Mul", {left, right});
  }
  return left;
}

std::string SizeWriter::floor_div(const std::string& a, Dim a_dim, const std::string& b) {
  // Div truncates; they differ below 0 only, where a - mod(a, b) divides evenly.
  if (dim_less(a_dim, Dim(0)) == Truth::No) return shared(b_, "Div", {a, b});
  if (b_.opset() < 10) {
    std::string q = shared(b_, "Div", {a, b});
    std::string rest = shared(b_, "Sub", {a, shared(b_, "Mul", {q, b})});
    std::string below = shared(b_, "Less", {rest, number(0)});
    return shared(b_, "Sub", {q, shared(b_, "Cast", {below}, {{"to", DType::I64}})});
  }
  std::string even = shared(b_, "Sub", {a, shared(b_, "Mod", {a, b})});
  return shared(b_, "Div", {even, b});
}

std::string SizeWriter::atom() {
  eat(' ');
  size_t start = at_;
  auto word = [](char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)); };
  while (at_ < s_.size() && word(s_[at_])) ++at_;
  std::string_view id = s_.substr(start, at_ - start);
  if (!id.empty() && id[0] >= '0' && id[0] <= '9') {
    int64_t v = 0;
    std::from_chars(id.data(), id.data() + id.size(), v);
    return number(v);
  }
  if (!eat('(')) return symbol(b_, Dim::symbol(id));
  size_t first = at_;
  std::string a = sum();
  std::string_view a_text = s_.substr(first, at_ - first);
  eat(',');
  std::string b = sum();
  eat(')');
  if (id == "min") return shared(b_, "Min", {a, b});
  if (id == "max") return shared(b_, "Max", {a, b});
  if (id == "mod") return shared(b_, "Mod", {a, b});
  return floor_div(a, parse_dim(a_text).value_or(Dim(-1)), b);
}

namespace {

/// size = slope * symbol + start, when that is what `size` is.
struct Line {
  int64_t slope = 0, start = 0;
};
std::optional<Line> line_of(Dim size, Dim symbol) {
  SmallVec<Dim, 4> symbols;
  dim_symbols(size, symbols);
  if (symbols.size() != 1 || !symbols[0].same_as(symbol)) return std::nullopt;
  if (to_text(size).find('(') != std::string::npos) return std::nullopt;
  int64_t at[4];
  for (int64_t i = 0; i < 4; ++i) {
    SymbolBinding b{symbol, i};
    at[i] = dim_eval(size, {&b, 1});
  }
  // A polynomial with equal steps at 0..3 may still be of degree 4 and above: ask far away too.
  SymbolBinding far{symbol, 1000};
  Line line{at[1] - at[0], at[0]};
  bool even = at[2] - at[1] == line.slope && at[3] - at[2] == line.slope &&
              dim_eval(size, {&far, 1}) == line.start + line.slope * 1000;
  if (!even || line.slope <= 0) return std::nullopt;
  return line;
}

}  // namespace

std::string SizeWriter::symbol(Builder& b, Dim s) {
  std::string key = cat("symbol ", to_text(s));
  if (auto it = b.sizes_.find(key); it != b.sizes_.end()) return it->second;
  auto size_at = [&](const Builder::SizeSource& source, size_t axis) {
    std::string shape = shared(b, "Shape", {source.input});
    int64_t at = static_cast<int64_t>(axis);
    std::string index = b.constant_bytes(DType::I64, {}, std::as_bytes(std::span(&at, 1)));
    return shared(b, "Gather", {shape, index}, {{"axis", int64_t{0}}});
  };
  auto solve = [&](const Builder::SizeSource& source, size_t axis, Line line) {
    auto number = [&](int64_t v) {
      return b.constant_bytes(DType::I64, {}, std::as_bytes(std::span(&v, 1)));
    };
    std::string v = size_at(source, axis);
    if (line.start != 0) v = shared(b, "Sub", {v, number(line.start)});
    if (line.slope != 1) v = shared(b, "Div", {v, number(line.slope)});
    return b.sizes_[key] = v;
  };
  for (bool exact : {true, false}) {
    for (const auto& source : b.sources_) {
      for (size_t axis = 0; axis < source.shape.size(); ++axis) {
        Dim d = source.shape[axis];
        if (exact && d.same_as(s)) return solve(source, axis, {1, 0});
        if (exact || d.is_const()) continue;
        if (auto line = line_of(d, s)) return solve(source, axis, *line);
      }
    }
  }
  b.block(cat("no input's shape tells the size ", s));
  return b.sizes_[key] =
             b.constant_bytes(DType::I64, {}, std::as_bytes(std::span("\0\0\0\0\0\0\0", 8)));
}

void Builder::add_size_source(const std::string& input, const Shape& shape) {
  sources_.push_back({input, shape});
}

std::string Builder::dim(Dim d) {
  if (d.is_const()) {
    int64_t v = d.value();
    return constant_bytes(DType::I64, {}, std::as_bytes(std::span(&v, 1)));
  }
  std::string key = cat("dim ", d.raw());
  if (auto it = sizes_.find(key); it != sizes_.end()) return it->second;
  std::string name = SizeWriter(*this, to_text(d)).run();
  return sizes_[key] = name;
}

std::string Builder::shape_of(std::span<const Dim> dims) {
  auto constants = [&](std::span<const Dim> part) {
    std::vector<int64_t> values;
    for (Dim d : part) values.push_back(d.value());
    int64_t n = static_cast<int64_t>(values.size());
    return constant_bytes(DType::I64, {&n, 1}, std::as_bytes(std::span<const int64_t>(values)));
  };
  if (is_static(dims)) return constants(dims);
  std::string key = "shape";
  for (Dim d : dims) key += cat(" ", d.raw());
  if (auto it = sizes_.find(key); it != sizes_.end()) return it->second;
  for (const SizeSource& source : sources_) {
    if (same_shape(source.shape, dims)) {
      return sizes_[key] = SizeWriter::shared(*this, "Shape", {source.input});
    }
  }
  ir::OnnxNames parts;
  for (size_t i = 0; i < dims.size();) {
    size_t end = i;
    while (end < dims.size() && dims[end].is_const()) ++end;
    if (end > i) {
      parts.push_back(constants(dims.subspan(i, end - i)));
      i = end;
      continue;
    }
    // A rank-0 size as a list of one.
    int64_t one = 1, n = 1;
    std::string target = constant_bytes(DType::I64, {&n, 1}, std::as_bytes(std::span(&one, 1)));
    parts.push_back(SizeWriter::shared(*this, "Reshape", {dim(dims[i]), target}));
    ++i;
  }
  std::string name = parts.size() == 1
                         ? parts[0]
                         : SizeWriter::shared(*this, "Concat", parts, {{"axis", int64_t{0}}});
  return sizes_[key] = name;
}

}  // namespace etch::onnx
