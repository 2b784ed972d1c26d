// Element types. Storage sizes count in bits, so that sub-byte types have a place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace etch {

/// Element type of a tensor. The numeric ids are stored in artifacts and never change.
enum class DType : uint8_t {
  Bool = 0,
  U8 = 1,
  I8 = 2,
  U16 = 3,
  I16 = 4,
  U32 = 5,
  I32 = 6,
  U64 = 7,
  I64 = 8,
  F16 = 9,
  BF16 = 10,
  F32 = 11,
  F64 = 12,
  C64 = 13,
  C128 = 14,
  F8E4M3 = 15,
  F8E5M2 = 16,
  U4 = 17,
  I4 = 18,
};

inline constexpr int kDTypeCount = 19;

enum class DClass : uint8_t { Bool, Unsigned, Signed, Float, Complex };

/// One row per element type: its text name, storage bits and class.
struct DTypeInfo {
  std::string_view name;
  uint8_t bits;
  DClass cls;
};

inline constexpr DTypeInfo kDTypes[kDTypeCount] = {
    {"bool", 8, DClass::Bool},     {"u8", 8, DClass::Unsigned},   {"i8", 8, DClass::Signed},
    {"u16", 16, DClass::Unsigned}, {"i16", 16, DClass::Signed},   {"u32", 32, DClass::Unsigned},
    {"i32", 32, DClass::Signed},   {"u64", 64, DClass::Unsigned}, {"i64", 64, DClass::Signed},
    {"f16", 16, DClass::Float},    {"bf16", 16, DClass::Float},   {"f32", 32, DClass::Float},
    {"f64", 64, DClass::Float},    {"c64", 64, DClass::Complex},  {"c128", 128, DClass::Complex},
    {"f8e4m3", 8, DClass::Float},  {"f8e5m2", 8, DClass::Float},  {"u4", 4, DClass::Unsigned},
    {"i4", 4, DClass::Signed},
};

constexpr const DTypeInfo& info(DType t) { return kDTypes[static_cast<int>(t)]; }
constexpr std::string_view name(DType t) { return info(t).name; }
constexpr int bits(DType t) { return info(t).bits; }
constexpr bool is_float(DType t) { return info(t).cls == DClass::Float; }
constexpr bool is_signed_int(DType t) { return info(t).cls == DClass::Signed; }
constexpr bool is_unsigned_int(DType t) { return info(t).cls == DClass::Unsigned; }
constexpr bool is_int(DType t) { return is_signed_int(t) || is_unsigned_int(t); }
constexpr bool is_bool(DType t) { return t == DType::Bool; }

/// Bytes of one element; only for types of whole bytes.
constexpr size_t itemsize(DType t) { return static_cast<size_t>(bits(t)) / 8; }

constexpr std::optional<DType> dtype_from_name(std::string_view text) {
  for (int i = 0; i < kDTypeCount; ++i) {
    if (kDTypes[i].name == text) return static_cast<DType>(i);
  }
  return std::nullopt;
}

/// A set of element types, one bit each.
using DTypeSet = uint32_t;
constexpr DTypeSet bit(DType t) { return DTypeSet{1} << static_cast<int>(t); }
constexpr bool contains(DTypeSet set, DType t) { return (set & bit(t)) != 0; }

inline constexpr DTypeSet kBoolSet = bit(DType::Bool);
inline constexpr DTypeSet kSignedSet =
    bit(DType::I8) | bit(DType::I16) | bit(DType::I32) | bit(DType::I64);
inline constexpr DTypeSet kUnsignedSet =
    bit(DType::U8) | bit(DType::U16) | bit(DType::U32) | bit(DType::U64);
inline constexpr DTypeSet kInts = kSignedSet | kUnsignedSet;
inline constexpr DTypeSet kFloats = bit(DType::F32) | bit(DType::F64);
inline constexpr DTypeSet kNumeric = kInts | kFloats;
inline constexpr DTypeSet kAll = kNumeric | kBoolSet;
/// Every type that the runtime stores and computes today.
inline constexpr DTypeSet kSupported = kAll;

/// C++ type -> DType.
template <class T>
inline constexpr DType dtype_of = [] {
  static_assert(sizeof(T) == 0, "this C++ type has no Etch element type");
  return DType::Bool;
}();
template <>
inline constexpr DType dtype_of<bool> = DType::Bool;
template <>
inline constexpr DType dtype_of<uint8_t> = DType::U8;
template <>
inline constexpr DType dtype_of<int8_t> = DType::I8;
template <>
inline constexpr DType dtype_of<uint16_t> = DType::U16;
template <>
inline constexpr DType dtype_of<int16_t> = DType::I16;
template <>
inline constexpr DType dtype_of<uint32_t> = DType::U32;
template <>
inline constexpr DType dtype_of<int32_t> = DType::I32;
template <>
inline constexpr DType dtype_of<uint64_t> = DType::U64;
template <>
inline constexpr DType dtype_of<int64_t> = DType::I64;
template <>
inline constexpr DType dtype_of<float> = DType::F32;
template <>
inline constexpr DType dtype_of<double> = DType::F64;

}  // namespace etch
