#include "passes/repeats.h"

#include <algorithm>

namespace etch::passes {
namespace {

// Windows longer than an inner repetition see the outer one.
constexpr size_t kWindows[] = {8, 32, 128, 512, 2048};
constexpr size_t kPerWindow = 6;  // periods tried for each

/// Remembers where a hash was seen last.
class LastSeen {
 public:
  explicit LastSeen(size_t most) {
    while (size_ < 2 * most) size_ *= 2;
    slots_.resize(size_);
  }
  /// The place before, or `at` when there is none.
  size_t exchange(uint64_t hash, size_t at) {
    size_t i = hash & (size_ - 1);
    while (slots_[i].used && slots_[i].hash != hash) i = (i + 1) & (size_ - 1);
    const size_t before = slots_[i].used ? slots_[i].at : at;
    slots_[i] = {hash, at, true};
    return before;
  }

 private:
  struct Slot {
    uint64_t hash = 0;
    size_t at = 0;
    bool used = false;
  };
  size_t size_ = 16;
  std::vector<Slot> slots_;
};

uint64_t scramble(uint64_t h) {
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93u;
  return h ^ (h >> 32);
}

/// The most frequent distances between a window and the last one equal to it.
void add_periods(std::span<const uint64_t> s, size_t window, std::vector<size_t>& out) {
  constexpr uint64_t kBase = 0x9e3779b97f4a7c15u;
  if (s.size() < 2 * window) return;
  uint64_t out_factor = 1;
  for (size_t i = 0; i < window; ++i) out_factor *= kBase;
  LastSeen last(s.size());
  std::vector<uint32_t> votes(s.size());
  uint64_t hash = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    hash = hash * kBase + s[i];
    if (i >= window) hash -= out_factor * s[i - window];
    if (i + 1 >= window) ++votes[i - last.exchange(scramble(hash), i)];
  }
  std::vector<size_t> periods;
  for (size_t p = 1; p < votes.size(); ++p) {
    if (votes[p] != 0) periods.push_back(p);
  }
  const size_t keep = std::min(kPerWindow, periods.size());
  std::partial_sort(
      periods.begin(), periods.begin() + static_cast<std::ptrdiff_t>(keep), periods.end(),
      [&](size_t a, size_t b) { return votes[a] != votes[b] ? votes[a] > votes[b] : a < b; });
  out.insert(out.end(), periods.begin(), periods.begin() + static_cast<std::ptrdiff_t>(keep));
}

}  // namespace

std::vector<Repeat> find_repeats(std::span<const uint64_t> s, size_t period, size_t count) {
  std::vector<size_t> periods;
  for (size_t window : kWindows) add_periods(s, window, periods);
  for (size_t& p : periods) p *= (period + p - 1) / p;
  std::sort(periods.begin(), periods.end());
  periods.erase(std::unique(periods.begin(), periods.end()), periods.end());

  std::vector<Repeat> found;
  for (size_t p : periods) {
    for (size_t i = p; i < s.size(); ++i) {
      if (s[i] != s[i - p]) continue;
      const size_t begin = i - p;
      while (i < s.size() && s[i] == s[i - p]) ++i;
      if (i - begin >= count * p) found.push_back({begin, i, p});
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Repeat& a, const Repeat& b) { return a.saved() > b.saved(); });

  std::vector<bool> taken(s.size());
  std::vector<Repeat> out;
  for (const Repeat& r : found) {
    for (size_t i = r.begin; i < r.end; ++i) {
      const size_t begin = i;
      while (i < r.end && !taken[i]) ++i;
      if (i - begin < count * r.period) continue;
      out.push_back({begin, i, r.period});
      std::fill(taken.begin() + static_cast<std::ptrdiff_t>(begin),
                taken.begin() + static_cast<std::ptrdiff_t>(i), true);
    }
  }
  return out;
}

}  // namespace etch::passes
