// Operator attributes. An operator declares a struct with fields(); equality, hash, print, parse
// and ONNX attributes follow from that one list.
#pragma once

#include <memory>
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

/// What a field holds when looked at without its type. Shape is for sizes, Axes for plain numbers.
using AttrValue = std::variant<bool, int64_t, double, DType, Number, Axes, Shape, std::string>;
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

/// The type-erased face of one Attrs struct.
struct AttrSchema {
  int count = 0;
  std::string_view (*name)(int i) = nullptr;
  AttrValue (*get)(const void* attrs, int i) = nullptr;
  /// False when `v` holds another type.
  bool (*set)(void* attrs, int i, const AttrValue& v) = nullptr;
  std::shared_ptr<void> (*create)() = nullptr;
  std::shared_ptr<void> (*clone)(const void*) = nullptr;
};

/// Operators without attributes.
struct NoAttrs {
  static constexpr auto fields() { return std::tuple<>{}; }
};

namespace detail {

template <class A, class F>
void with_field(int i, F&& f) {
  std::apply(
      [&](const auto&... fields) {
        int at = 0;
        ((at++ == i ? f(fields) : void()), ...);
      },
      A::fields());
}

template <class A>
struct SchemaOf {
  static std::string_view name(int i) {
    std::string_view out;
    with_field<A>(i, [&](const auto& f) { out = f.name; });
    return out;
  }
  static AttrValue get(const void* attrs, int i) {
    AttrValue out;
    with_field<A>(i, [&](const auto& f) { out = static_cast<const A*>(attrs)->*f.member; });
    return out;
  }
  static bool set(void* attrs, int i, const AttrValue& v) {
    bool ok = false;
    with_field<A>(i, [&](const auto& f) {
      using T = std::remove_reference_t<decltype(static_cast<A*>(attrs)->*f.member)>;
      if (const T* value = std::get_if<T>(&v)) {
        static_cast<A*>(attrs)->*f.member = *value;
        ok = true;
      }
    });
    return ok;
  }
  static constexpr AttrSchema schema{
      static_cast<int>(std::tuple_size_v<decltype(A::fields())>),
      &name,
      &get,
      &set,
      [] { return std::shared_ptr<void>(std::make_shared<A>()); },
      [](const void* p) {
        return std::shared_ptr<void>(std::make_shared<A>(*static_cast<const A*>(p)));
      }};
};

}  // namespace detail

template <class A>
const AttrSchema& attr_schema() {
  return detail::SchemaOf<A>::schema;
}

/// Immutable, shared attributes of a node. Empty for NoAttrs.
class AttrBox {
 public:
  AttrBox() = default;
  AttrBox(const AttrSchema& schema, std::shared_ptr<const void> data)
      : schema_(&schema), data_(std::move(data)) {}
  template <class A>
  static AttrBox of(A attrs) {
    if constexpr (std::is_same_v<A, NoAttrs>) return {};
    return {attr_schema<A>(), std::make_shared<const A>(std::move(attrs))};
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
