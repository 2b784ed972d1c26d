// The tables of one tier. Included inside its namespace by kernels_<tier>.cpp, never elsewhere.
#pragma once

template <class V>
inline constexpr Kernels<typename V::T> kTable = {
    V::kMr,          V::kWidth* V::kNv, V::kWidth,     gemm_block<V>, pack_lanes<V>,
    pack_patches<V>, transpose<V>,      copy_plane<V>, plane_conv<V>, lane_chains<V>,
};

const Kernels<float> kF32 = kTable<F32>;
const Kernels<double> kF64 = kTable<F64>;
