// Four scalars posing as a vector, for machines without the vector tiers. std::fma rounds once
// everywhere. Included by kernels_generic.cpp only.
#pragma once

#include <cmath>
#include <cstdint>

namespace etch::runtime::contract::generic {

template <class Scalar>
struct Vec4 {
  using T = Scalar;
  struct Reg {
    T v[4];
  };
  struct Mask {
    uint32_t bits;
    bool has(int l) const { return (bits >> l & 1u) != 0; }
  };
  static constexpr int kWidth = 4, kMr = 2, kNv = 2;
  /// Whether a masked load costs what a plain one does; less code then.
  static constexpr bool kFreeMasks = true;  // one kind of tile is enough to be right

  static Reg zero() { return Reg{}; }
  static Reg set1(T v) { return Reg{{v, v, v, v}}; }
  static Reg load(const T* p) { return Reg{{p[0], p[1], p[2], p[3]}}; }
  static Reg load(const T* p, Mask m) { return merge_load(zero(), p, m); }
  static Reg merge_load(Reg v, const T* p, Mask m) {
    for (int l = 0; l < 4; ++l) {
      if (m.has(l)) v.v[l] = p[l];
    }
    return v;
  }
  static void store(T* p, Reg v) {
    for (int l = 0; l < 4; ++l) p[l] = v.v[l];
  }
  static void store(T* p, Reg v, Mask m) {
    for (int l = 0; l < 4; ++l) {
      if (m.has(l)) p[l] = v.v[l];
    }
  }
  static Reg fma(Reg a, Reg b, Reg c) {
    for (int l = 0; l < 4; ++l) c.v[l] = std::fma(a.v[l], b.v[l], c.v[l]);
    return c;
  }
  static Reg add(Reg a, Reg b) {
    for (int l = 0; l < 4; ++l) a.v[l] += b.v[l];
    return a;
  }
  static Mask lanes(int64_t lo, int64_t hi) {
    return lo >= hi ? Mask{0} : Mask{((1u << hi) - 1u) & ~((1u << lo) - 1u)};
  }
  static Reg even(Reg a, Reg b) { return Reg{{a.v[0], a.v[2], b.v[0], b.v[2]}}; }
  static Reg odd(Reg a, Reg b) { return Reg{{a.v[1], a.v[3], b.v[1], b.v[3]}}; }
  static void transpose(Reg* r) {
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < i; ++j) {
        const T t = r[i].v[j];
        r[i].v[j] = r[j].v[i];
        r[j].v[i] = t;
      }
    }
  }
};

using F32 = Vec4<float>;
using F64 = Vec4<double>;

}  // namespace etch::runtime::contract::generic
