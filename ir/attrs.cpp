#include "ir/attrs.h"

#include <bit>
#include <cmath>
#include <cstddef>

#include "ir/support/error.h"
#include "ir/text.h"

namespace etch::ir {
namespace {

uint64_t mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15u + (h << 12) + (h >> 4);
  return h * 0xff51afd7ed558ccdu;
}

uint64_t mix_text(uint64_t h, std::string_view s) {
  for (char c : s) h = mix(h, static_cast<unsigned char>(c));
  return mix(h, s.size());
}

struct HashValue {
  uint64_t h;
  uint64_t operator()(bool v) const { return mix(h, v); }
  uint64_t operator()(int64_t v) const { return mix(h, static_cast<uint64_t>(v)); }
  uint64_t operator()(double v) const { return mix(h, std::bit_cast<uint64_t>(v)); }
  uint64_t operator()(DType v) const { return mix(h, static_cast<uint64_t>(v)); }
  uint64_t operator()(Number v) const {
    return mix(mix(h, v.bits), static_cast<uint64_t>(v.dtype));
  }
  uint64_t operator()(const Axes& v) const {
    uint64_t r = mix(h, v.size());
    for (int64_t x : v) r = mix(r, static_cast<uint64_t>(x));
    return r;
  }
  uint64_t operator()(const Shape& v) const {
    uint64_t r = mix(h, v.size());
    for (Dim x : v) r = mix(r, x.raw());
    return r;
  }
  uint64_t operator()(const std::string& v) const { return mix_text(h, v); }
  /// Nested graphs are few levels deep, so the recursion through their attributes is, too.
  uint64_t operator()(const GraphRef& v) const {
    if (v == nullptr) return mix(h, 0);
    uint64_t r = mix(mix(h, v->size()), v->inputs().size() * 64 + v->results().size());
    for (NodeId id : *v) {
      const Node& n = v->node(id);
      r = mix(mix_text(r, n.op->name()), n.attrs.hash());
      for (const TensorType& t : n.outputs) r = HashValue{mix(r, uint64_t(t.dtype))}(t.shape);
    }
    return r;
  }
};

void append_hex(std::string& out, uint64_t bits) {
  char buffer[20];
  auto r = std::to_chars(buffer, buffer + sizeof buffer, bits, 16);
  out += "0x";
  out.append(buffer, r.ptr);
}

struct PrintValue {
  std::string& out;
  void operator()(bool v) const { etch::append_text(out, v); }
  void operator()(int64_t v) const { etch::append_text(out, v); }
  void operator()(double v) const {
    out += "f64:";
    append_hex(out, std::bit_cast<uint64_t>(v));
  }
  void operator()(DType v) const { out += etch::name(v); }
  void operator()(Number v) const {
    out += etch::name(v.dtype);
    out += ':';
    append_hex(out, v.bits);
  }
  void operator()(const Axes& v) const { etch::append_text(out, std::span<const int64_t>(v)); }
  void operator()(const Shape& v) const {
    out += "dims";
    etch::append_text(out, std::span<const Dim>(v));
  }
  void operator()(const std::string& v) const {
    out += '"';
    for (char c : v) {
      if (c == '"' || c == '\\') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    out += '"';
  }
  void operator()(const GraphRef& v) const {
    out += '@';
    out += v == nullptr ? std::string_view("none") : std::string_view(v->name);
  }
};

template <class T>
uint64_t int_bits(double v) {
  if (std::isnan(v)) return 0;
  double low = static_cast<double>(std::numeric_limits<T>::min());
  double high = static_cast<double>(std::numeric_limits<T>::max());
  if (v <= low) return static_cast<uint64_t>(std::numeric_limits<T>::min());
  if (v >= high) return static_cast<uint64_t>(std::numeric_limits<T>::max());
  return static_cast<uint64_t>(static_cast<T>(v));
}

uint64_t truncate_bits(DType t, uint64_t v) {
  int n = bits(t);
  return n >= 64 ? v : v & ((uint64_t{1} << n) - 1);
}

/// Attributes of up to kSize bytes, in one piece with their count of references.
template <size_t kSize>
struct Storage {
  ~Storage() {
    if (schema != nullptr) schema->destroy(data);
  }
  const AttrSchema* schema;
  alignas(std::max_align_t) std::byte data[kSize];
};

/// A new struct of `schema`; a copy of `from` unless that is null.
template <size_t kSize, size_t... kLarger>
std::shared_ptr<void> make(const AttrSchema& schema, const void* from) {
  if constexpr (sizeof...(kLarger) != 0) {
    if (schema.size > kSize) return make<kLarger...>(schema, from);
  }
  invariant(schema.size <= kSize, "attributes larger than any storage");
  auto s = std::make_shared_for_overwrite<Storage<kSize>>();
  s->schema = nullptr;
  if (from == nullptr) {
    schema.construct(s->data);
  } else {
    schema.copy(s->data, from);
  }
  s->schema = &schema;
  return {s, s->data};
}

}  // namespace

AttrValue AttrSchema::get(const void* attrs, int i) const {
  const void* p = field(const_cast<void*>(attrs), i);
  switch (fields[i].kind) {
    case 0:
      return *static_cast<const bool*>(p);
    case 1:
      return *static_cast<const int64_t*>(p);
    case 2:
      return *static_cast<const double*>(p);
    case 3:
      return *static_cast<const DType*>(p);
    case 4:
      return *static_cast<const Number*>(p);
    case 5:
      return *static_cast<const Axes*>(p);
    case 6:
      return *static_cast<const Shape*>(p);
    case 7:
      return *static_cast<const std::string*>(p);
    default:
      static_assert(std::variant_size_v<AttrValue> == 9);
      return *static_cast<const GraphRef*>(p);
  }
}

bool AttrSchema::set(void* attrs, int i, const AttrValue& v) const {
  if (v.index() != fields[i].kind) return false;
  std::visit([&]<class T>(const T& value) { *static_cast<T*>(field(attrs, i)) = value; }, v);
  return true;
}

std::shared_ptr<void> AttrSchema::create() const { return make<32, 96, 320, 1024>(*this, nullptr); }
std::shared_ptr<void> AttrSchema::clone(const void* attrs) const {
  return make<32, 96, 320, 1024>(*this, attrs);
}

bool same_value(const AttrValue& a, const AttrValue& b) {
  if (a.index() != b.index()) return false;
  if (const Shape* s = std::get_if<Shape>(&a)) return same_shape(*s, std::get<Shape>(b));
  if (const double* d = std::get_if<double>(&a)) {
    return std::bit_cast<uint64_t>(*d) == std::bit_cast<uint64_t>(std::get<double>(b));
  }
  if (const Axes* x = std::get_if<Axes>(&a)) return *x == std::get<Axes>(b);
  if (const Number* l = std::get_if<Number>(&a)) return *l == std::get<Number>(b);
  if (const std::string* s = std::get_if<std::string>(&a)) return *s == std::get<std::string>(b);
  if (const int64_t* i = std::get_if<int64_t>(&a)) return *i == std::get<int64_t>(b);
  if (const bool* f = std::get_if<bool>(&a)) return *f == std::get<bool>(b);
  if (const GraphRef* g = std::get_if<GraphRef>(&a)) {
    const GraphRef& o = std::get<GraphRef>(b);
    return *g == o || (*g != nullptr && o != nullptr && same_graph(**g, *o));
  }
  return std::get<DType>(a) == std::get<DType>(b);
}

void append_text(std::string& out, const AttrValue& v) { std::visit(PrintValue{out}, v); }

bool operator==(const AttrBox& a, const AttrBox& b) {
  if (a.data_ == b.data_) return true;
  if (a.schema_ != b.schema_) return false;
  for (int i = 0; i < a.count(); ++i) {
    if (!same_value(a.get(i), b.get(i))) return false;
  }
  return true;
}

uint64_t AttrBox::hash() const {
  uint64_t h = static_cast<uint64_t>(count());
  for (int i = 0; i < count(); ++i) h = std::visit(HashValue{mix(h, get(i).index())}, get(i));
  return h;
}

std::string to_text(const AttrBox& attrs) {
  std::string out;
  for (int i = 0; i < attrs.count(); ++i) {
    if (i != 0) out += ", ";
    out += attrs.name(i);
    out += '=';
    append_text(out, attrs.get(i));
  }
  return out;
}

Number make_number(DType dtype, double v) {
  switch (dtype) {
    case DType::F32:
      return {dtype, std::bit_cast<uint32_t>(static_cast<float>(v))};
    case DType::F64:
      return {dtype, std::bit_cast<uint64_t>(v)};
    case DType::Bool:
      return {dtype, v != 0};
    case DType::U8:
      return {dtype, truncate_bits(dtype, int_bits<uint8_t>(v))};
    case DType::I8:
      return {dtype, truncate_bits(dtype, int_bits<int8_t>(v))};
    case DType::U16:
      return {dtype, truncate_bits(dtype, int_bits<uint16_t>(v))};
    case DType::I16:
      return {dtype, truncate_bits(dtype, int_bits<int16_t>(v))};
    case DType::U32:
      return {dtype, truncate_bits(dtype, int_bits<uint32_t>(v))};
    case DType::I32:
      return {dtype, truncate_bits(dtype, int_bits<int32_t>(v))};
    case DType::U64:
      return {dtype, int_bits<uint64_t>(v)};
    case DType::I64:
      return {dtype, int_bits<int64_t>(v)};
    default:
      return {dtype, 0};
  }
}

Number make_number(DType dtype, int64_t v) {
  if (dtype == DType::F32) return {dtype, std::bit_cast<uint32_t>(static_cast<float>(v))};
  if (dtype == DType::F64) return {dtype, std::bit_cast<uint64_t>(static_cast<double>(v))};
  if (dtype == DType::Bool) return {dtype, v != 0};
  return {dtype, truncate_bits(dtype, static_cast<uint64_t>(v))};
}

double number_value(Number l) {
  switch (l.dtype) {
    case DType::F32:
      return std::bit_cast<float>(static_cast<uint32_t>(l.bits));
    case DType::F64:
      return std::bit_cast<double>(l.bits);
    case DType::I8:
      return static_cast<int8_t>(l.bits);
    case DType::I16:
      return static_cast<int16_t>(l.bits);
    case DType::I32:
      return static_cast<int32_t>(l.bits);
    case DType::I64:
      return static_cast<double>(static_cast<int64_t>(l.bits));
    default:
      return static_cast<double>(l.bits);
  }
}

}  // namespace etch::ir
