// Operator attributes. An operator declares a struct with fields(); equality, hash, print, parse
// and ONNX attributes follow from that one list.
#pragma once

#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "ir/type.h"

namespace etch::ir {

/// One number of any element type, by bit pattern (so that NaN and -0 survive everything).
struct Number {
  DType dtype = DType::F32;
  uint64_t bits = 0;
  bool operator==(const Number&) const = default;
};
/// Converts with the rules of cast (rounding to nearest even, saturating to integers).
Number make_number(DType dtype, double value);
Number make_number(DType dtype, int64_t value);
double number_value(Number l);

class Graph;
/// A graph that an operator runs (ir/ops/control.h).
using GraphRef = std::shared_ptr<const Graph>;

/// What a field holds when looked at without its type. Shape is for sizes, Axes for plain numbers.
using AttrValue =
    std::variant<bool, int64_t, double, DType, Number, Axes, Shape, std::string, GraphRef>;
bool same_value(const AttrValue& a, const AttrValue& b);
void append_text(std::string& out, const AttrValue& v);

/// A named member of an Attrs struct.
template <class C, class T>
struct Field {
  std::string_view name;
  T C::* member;
};
template <class C, class T>
constexpr Field<C, T> field(std::string_view name, T C::* member) {
  return {name, member};
}

/// The type-erased face of one Attrs struct: what its fields are called, where they are and what
/// they hold, and how the struct is made, copied and destroyed.
struct AttrSchema {
  struct FieldInfo {
    std::string_view name;
    uint8_t kind = 0;  // index in AttrValue
  };
  int count = 0;
  const FieldInfo* fields = nullptr;
  size_t size = 0;
  void* (*field)(void* attrs, int i) = nullptr;
  void (*construct)(void* to) = nullptr;
  void (*copy)(void* to, const void* from) = nullptr;
  void (*destroy)(void* attrs) = nullptr;

  std::string_view name(int i) const { return fields[i].name; }
  AttrValue get(const void* attrs, int i) const;
  /// False when `v` holds another type.
  bool set(void* attrs, int i, const AttrValue& v) const;
  std::shared_ptr<void> create() const;
  std::shared_ptr<void> clone(const void* attrs) const;
};

/// Operators without attributes.
struct NoAttrs {
  static constexpr auto fields() { return std::tuple<>{}; }
};

namespace detail {

/// The index of T among the alternatives of a variant.
template <class T, class... Ts>
constexpr uint8_t index_of(const std::variant<Ts...>*) {
  uint8_t i = 0, found = 0;
  ((std::is_same_v<T, Ts> ? void(found = i) : void(), ++i), ...);
  return found;
}

template <class A, class Is = std::make_index_sequence<std::tuple_size_v<decltype(A::fields())>>>
struct SchemaOf;
template <class A, size_t... I>
struct SchemaOf<A, std::index_sequence<I...>> {
  template <class C, class T>
  static constexpr AttrSchema::FieldInfo info(const Field<C, T>& f) {
    return {f.name, index_of<T>(static_cast<const AttrValue*>(nullptr))};
  }
  static constexpr auto all = A::fields();
  static constexpr AttrSchema::FieldInfo infos[sizeof...(I) + 1] = {info(std::get<I>(all))..., {}};
  static void* field(void* attrs, int i) {
    void* out = nullptr;
    A& a = *static_cast<A*>(attrs);
    ((i == I ? void(out = &(a.*std::get<I>(all).member)) : void()), ...);
    return out;
  }
  static constexpr AttrSchema schema{
      static_cast<int>(sizeof...(I)),
      infos,
      sizeof(A),
      &field,
      [](void* to) { new (to) A(); },
      [](void* to, const void* from) { new (to) A(*static_cast<const A*>(from)); },
      [](void* attrs) { static_cast<A*>(attrs)->~A(); }};
};

}  // namespace detail

template <class A>
constexpr const AttrSchema& attr_schema() {
  return detail::SchemaOf<A>::schema;
}

/// Immutable, shared attributes of a node. Empty for NoAttrs.
class AttrBox {
 public:
  AttrBox() = default;
  AttrBox(const AttrSchema& schema, std::shared_ptr<const void> data)
      : schema_(&schema), data_(std::move(data)) {}
  template <class A>
  static AttrBox of(const A& attrs) {
    return copy(attr_schema<A>(), &attrs);
  }
  /// Copies attributes that live elsewhere.
  static AttrBox copy(const AttrSchema& schema, const void* attrs) {
    if (schema.count == 0) return {};
    return {schema, schema.clone(attrs)};
  }

  const void* data() const { return data_.get(); }
  int count() const { return schema_ == nullptr ? 0 : schema_->count; }
  std::string_view name(int i) const { return schema_->name(i); }
  AttrValue get(int i) const { return schema_->get(data_.get(), i); }
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(data_.get());
  }
  friend bool operator==(const AttrBox& a, const AttrBox& b);
  uint64_t hash() const;

 private:
  const AttrSchema* schema_ = nullptr;
  std::shared_ptr<const void> data_;
};

/// "axes=[0, 1], keepdims=true"; floats as hex bits.
std::string to_text(const AttrBox& attrs);

}  // namespace etch::ir
