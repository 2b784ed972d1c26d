#include "tracer/jit_sizes.h"

#include <algorithm>

namespace etch::tracer {

std::vector<DynamicDim> SizeHistory::see(std::span<const Tensor> inputs,
                                         std::span<const std::string> names) {
  std::vector<size_t> ranks;
  std::vector<int64_t> now;
  std::vector<std::pair<size_t, size_t>> axes;  // (input, axis) of each entry
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::span<const int64_t> sizes = inputs[i].sizes();
    ranks.push_back(sizes.size());
    now.insert(now.end(), sizes.begin(), sizes.end());
    for (size_t k = 0; k < sizes.size(); ++k) axes.emplace_back(i, k);
  }
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&](const Family& f) { return f.ranks == ranks; });
  if (family == families_.end()) family = families_.insert(family, {ranks, {}});
  std::vector<std::vector<int64_t>>& runs = family->runs;
  runs.push_back(now);

  auto equal_in_all = [&](auto&& same) { return std::all_of(runs.begin(), runs.end(), same); };
  std::vector<DynamicDim> out;
  std::vector<size_t> first;  // entry that gave each of `out` its symbol
  for (size_t e = 0; e < now.size(); ++e) {
    const bool fixed = equal_in_all([&](const auto& run) { return run[e] == now[e]; });
    if (fixed || now[e] < 2) continue;
    const auto [input, axis] = axes[e];
    std::string symbol = cat(names[input], "_", axis);
    std::replace_if(symbol.begin(), symbol.end(), [](char c) { return c == '.'; }, '_');
    size_t source = e;
    for (size_t k = 0; k < out.size(); ++k) {
      if (!equal_in_all([&](const auto& run) { return run[e] == run[first[k]]; })) continue;
      symbol = out[k].symbol;
      source = first[k];
      break;
    }
    out.push_back({names[input], static_cast<int64_t>(axis), symbol});
    first.push_back(source);
  }
  if (runs.size() > kRemembered) runs.erase(runs.begin() + 1);  // the first one tells most
  return out;
}

}  // namespace etch::tracer
