#include "runtime/program/arena.h"

#include <algorithm>

#include "ir/support/error.h"

namespace etch::runtime {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 61;

int64_t rounded(int64_t bytes) { return (bytes + kArenaAlign - 1) / kArenaAlign * kArenaAlign; }

bool meet(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

int64_t ArenaPlanner::best_gap(std::span<const Lifetime> buffers, std::span<const int64_t> offsets,
                               uint32_t which) const {
  const Lifetime& b = buffers[which];
  const int64_t need = rounded(b.bytes);
  int64_t end = 0, best = -1, best_room = 0;
  for (uint32_t p : placed_) {
    if (!meet(buffers[p], b)) continue;
    int64_t room = offsets[p] - end;
    if (room >= need && (best < 0 || room < best_room)) {
      best = end;
      best_room = room;
    }
    end = std::max(end, offsets[p] + rounded(buffers[p].bytes));
  }
  return best >= 0 ? best : end;
}

int64_t ArenaPlanner::place(std::span<const Lifetime> buffers, std::span<int64_t> offsets) {
  order_.clear();
  placed_.clear();
  order_.reserve(buffers.size());
  placed_.reserve(buffers.size());
  for (uint32_t i = 0; i < buffers.size(); ++i) {
    offsets[i] = 0;
    if (buffers[i].bytes > 0) order_.push_back(i);
  }
  std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
    return buffers[a].bytes != buffers[b].bytes ? buffers[a].bytes > buffers[b].bytes : a < b;
  });
  int64_t total = 0;
  for (uint32_t i : order_) {
    offsets[i] = best_gap(buffers, offsets, i);
    int64_t end = offsets[i] + rounded(buffers[i].bytes);
    if (buffers[i].bytes > kMostBytes || end > kMostBytes) {
      fail("program", cat("its buffers take more than ", kMostBytes, " bytes"), "Check the sizes");
    }
    total = std::max(total, end);
    auto at = std::upper_bound(placed_.begin(), placed_.end(), i,
                               [&](uint32_t a, uint32_t b) { return offsets[a] < offsets[b]; });
    placed_.insert(at, i);
  }
  return total;
}

int64_t live_bytes(std::span<const Lifetime> buffers) {
  std::vector<std::pair<int32_t, int64_t>> changes;
  for (const Lifetime& b : buffers) {
    if (b.bytes == 0) continue;
    changes.emplace_back(b.first, rounded(b.bytes));
    changes.emplace_back(b.last + 1, -rounded(b.bytes));
  }
  std::sort(changes.begin(), changes.end());
  int64_t live = 0, most = 0;
  for (auto [step, bytes] : changes) most = std::max(most, live += bytes);
  return most;
}

}  // namespace etch::runtime
