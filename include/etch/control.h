// Control flow that stays in the graph: choices and loops that depend on values.
//
//   Tensor y = cond(sum(x) > 0, [&] { return x * 2; }, [&] { return x - 1; });
//   auto [h, ys] = scan([&](const Tensor& h, const Tensor& x) {
//     Tensor next = tanh(matmul(h, w) + x);
//     return std::pair(next, next * 2);
//   }, h0, xs);
//
// The functions given to these may use any tensor around them, draw random numbers and change
// captured tensors in place, but cannot let the host decide from values: they are recorded, inside
// a trace and outside of one. Recording runs a function once on real values (the first trip, and
// inside a trace both branches of cond). Everything is differentiable, to any order; while_loop
// when it has a bound. Results are the same bits eagerly, interpreted, compiled and saved.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "etch/ops.h"
#include "etch/tree.h"

namespace etch {

struct WhileOptions {
  /// The most trips there may be; one more raises UserError. 0: any number, without gradients.
  int64_t most = 0;
};

struct ScanOptions {
  bool reverse = false;  // from the last element to the first
};

namespace detail {

using FlatBody = std::function<std::vector<Tensor>(std::span<const Tensor>)>;

#ifdef ETCH_NOTRACE
// Tracing compiled out: plain branches and loops.
inline std::vector<Tensor> cond_flat(const Tensor& predicate, const FlatBody& yes,
                                     const FlatBody& no, SourceLoc) {
  return static_cast<bool>(predicate.item<bool>()) ? yes({}) : no({});
}
inline std::vector<Tensor> while_flat(const FlatBody& condition, const FlatBody& body,
                                      const std::vector<Tensor>& init, const WhileOptions& options,
                                      SourceLoc loc) {
  std::vector<Tensor> value = init;
  for (int64_t trip = 0; static_cast<bool>(condition(value)[0].item<bool>()); ++trip) {
    if (options.most != 0 && trip == options.most) {
      fail("while_loop", "more trips than allowed", "Allow more", loc);
    }
    value = body(value);
  }
  return value;
}
inline std::vector<Tensor> scan_flat(const FlatBody& step, const std::vector<Tensor>& init,
                                     const std::vector<Tensor>& sequences,
                                     const ScanOptions& options, SourceLoc) {
  std::vector<Tensor> carried = init;
  std::vector<std::vector<Tensor>> rows;  // per result, its elements in order
  const int64_t n = sequences[0].sizes()[0];
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = options.reverse ? n - 1 - i : i;
    std::vector<Tensor> in = carried;
    for (const Tensor& s : sequences) in.push_back(s.slice(0, at, at + 1).squeeze(0));
    std::vector<Tensor> out = step(in);
    rows.resize(out.size() - init.size());
    for (size_t r = 0; r < rows.size(); ++r) {
      rows[r].insert(options.reverse ? rows[r].begin() : rows[r].end(),
                     out[init.size() + r].unsqueeze(0));
    }
    carried.assign(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(init.size()));
  }
  for (const std::vector<Tensor>& r : rows) carried.push_back(concat(r, 0));
  return carried;
}
#else
std::vector<Tensor> cond_flat(const Tensor& predicate, const FlatBody& yes, const FlatBody& no,
                              SourceLoc loc);
std::vector<Tensor> while_flat(const FlatBody& condition, const FlatBody& body,
                               const std::vector<Tensor>& init, const WhileOptions& options,
                               SourceLoc loc);
/// `step` takes carried values, then one element of each sequence, and gives the same number of
/// carried values, then elements.
std::vector<Tensor> scan_flat(const FlatBody& step, const std::vector<Tensor>& init,
                              const std::vector<Tensor>& sequences, const ScanOptions& options,
                              SourceLoc loc);
#endif

template <class T>
std::vector<Tensor> leaves_of(const T& tree) {
  std::vector<Tensor> out;
  each_leaf("", tree, [&](const std::string&, const Tensor& t) { out.push_back(t); });
  return out;
}
template <class T>
T filled(T tree, std::span<const Tensor> leaves) {
  fill_tree(tree, leaves);
  return tree;
}

}  // namespace detail

/// yes() when `predicate`, one bool of rank 0, is true, else no(). Both return trees of tensors of
/// the same structure, types and shapes. Outside of a recording only the chosen one runs.
template <class Yes, class No>
auto cond(const Tensor& predicate, Yes&& yes, No&& no,
          std::source_location loc = std::source_location::current()) {
  using Result = std::invoke_result_t<Yes&>;
  static_assert(std::is_same_v<Result, std::invoke_result_t<No&>>,
                "both branches return the same type");
  std::optional<Result> like;
  auto flat = [&](auto& f) {
    return [&](std::span<const Tensor>) {
      like = f();
      return detail::leaves_of(*like);
    };
  };
  std::vector<Tensor> out = detail::cond_flat(predicate, flat(yes), flat(no), loc);
  return detail::filled(std::move(*like), out);
}

/// Repeats value = body(value), from `init`, while condition(value), one bool of rank 0, is true.
/// The value is a tree of tensors that keeps its structure, types and shapes.
template <class Condition, class Body, class T>
T while_loop(Condition&& condition, Body&& body, const T& init, const WhileOptions& options = {},
             std::source_location loc = std::source_location::current()) {
  auto test = [&](std::span<const Tensor> in) -> std::vector<Tensor> {
    return {condition(detail::filled(init, in))};
  };
  auto trip = [&](std::span<const Tensor> in) {
    return detail::leaves_of(body(detail::filled(init, in)));
  };
  return detail::filled(init,
                        detail::while_flat(test, trip, detail::leaves_of(init), options, loc));
}

/// Runs step(carried, element) -> pair(carried, result) along the first axis of the sequences, a
/// tree of tensors with equal first sizes. Returns the last carried value and the results, stacked
/// along a new first axis in the order of the elements.
template <class Step, class C, class X>
auto scan(Step&& step, const C& init, const X& sequences, const ScanOptions& options = {},
          std::source_location loc = std::source_location::current()) {
  using Result = std::invoke_result_t<Step&, const C&, const X&>;
  std::optional<Result> like;
  const std::vector<Tensor> carried = detail::leaves_of(init);
  auto flat = [&](std::span<const Tensor> in) {
    like = step(detail::filled(init, in.first(carried.size())),
                detail::filled(sequences, in.subspan(carried.size())));
    return detail::leaves_of(*like);
  };
  std::vector<Tensor> out =
      detail::scan_flat(flat, carried, detail::leaves_of(sequences), options, loc);
  return detail::filled(std::move(*like), out);
}

}  // namespace etch
