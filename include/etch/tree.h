// Trees of tensors: a Tensor, tuple, pair, vector, array, string map, or a struct with fields().
#pragma once

#include <array>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "etch/tensor.h"

namespace etch {

/// A tensor with the path at which it lies in its tree ("x", "state.h", "layers.0").
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

namespace detail {

inline std::string join_path(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

/// Calls f(path, Tensor&) on every leaf, in a fixed order. T may be const.
template <class F>
void each_leaf(const std::string& path, Tensor& t, F&& f) {
  f(path, t);
}
template <class F>
void each_leaf(const std::string& path, const Tensor& t, F&& f) {
  f(path, t);
}
template <class T>
concept HasFields = requires { std::remove_const_t<T>::fields(); };
template <class T>
inline constexpr bool is_list = false;
template <class T, class A>
inline constexpr bool is_list<std::vector<T, A>> = true;
template <class T, size_t N>
inline constexpr bool is_list<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class T>
inline constexpr bool is_map = false;
template <class V, class C, class A>
inline constexpr bool is_map<std::map<std::string, V, C, A>> = true;

template <class T, class F>
  requires(!std::is_same_v<std::remove_const_t<T>, Tensor>)
void each_leaf(const std::string& path, T& tree, F&& f) {
  using Plain = std::remove_const_t<T>;
  if constexpr (is_list<Plain>) {
    for (size_t i = 0; i < tree.size(); ++i)
      each_leaf(join_path(path, std::to_string(i)), tree[i], f);
  } else if constexpr (is_map<Plain>) {
    for (auto& [key, value] : tree) each_leaf(join_path(path, key), value, f);
  } else if constexpr (is_tuple<Plain>) {
    size_t i = 0;
    std::apply(
        [&](auto&... item) { (each_leaf(join_path(path, std::to_string(i++)), item, f), ...); },
        tree);
  } else {
    static_assert(
        HasFields<Plain>,
        "a tree is made of Tensor, tuple, vector, array, map<string, ...> or structs with "
        "static constexpr auto fields()");
    std::apply(
        [&](const auto&... field) {
          (each_leaf(join_path(path, std::string(field.name)), tree.*field.member, f), ...);
        },
        Plain::fields());
  }
}

}  // namespace detail

/// The leaves of a tree with their paths under `path`.
template <class T>
std::vector<NamedTensor> flatten_tree(const std::string& path, const T& tree) {
  std::vector<NamedTensor> out;
  detail::each_leaf(path, tree,
                    [&](const std::string& p, const Tensor& t) { out.push_back({p, t}); });
  return out;
}
/// Replaces the leaves of `tree`, in flatten_tree's order.
template <class T>
void fill_tree(T& tree, std::span<const Tensor> leaves) {
  size_t i = 0;
  detail::each_leaf("", tree, [&](const std::string&, Tensor& t) { t = leaves[i++]; });
}

}  // namespace etch
