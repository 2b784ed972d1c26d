#include "runtime/program/launch.h"

#include <algorithm>

#include "runtime/contract/scratch.h"
#include "runtime/interp/walk.h"
#include "runtime/stream.h"
#include "runtime/threads.h"

namespace etch::runtime {
namespace {

constexpr double kGrainCost = 100000;    // scalar operations worth a thread's wake-up
constexpr int64_t kUnitElements = 4096;  // pieces hold whole vectors and cache lines
// Elements computed in cache before they are stored past it: few, so that storing and reading
// overlap, but enough for a call.
constexpr int64_t kStreamPiece = 512;

/// The output of a store whose elements lie in the order of the kernel's points.
struct Streamed {
  int buffer;
  int64_t itemsize, offset;
};

/// The outputs of a pointwise kernel to store past the caches: all or none.
SmallVec<Streamed, 4> streamed_outputs(const ir::loop::Kernel& k, const ir::loop::BoundKernel& b,
                                       double cost) {
  const int64_t points = b.outer_points;
  if (!k.reductions.empty() || !beyond_cache(points * static_cast<int64_t>(k.stores.size()) * 8))
    return {};
  SmallVec<Streamed, 4> out;
  int64_t bytes = 0;
  const int axes = k.axes();
  for (size_t i = 0; i < k.stores.size(); ++i) {
    const ir::loop::Store& s = k.stores[i];
    const size_t access = k.loads.size() + i;
    AxisRange range{b.sizes.data(), b.strides.data() + access * static_cast<size_t>(axes), axes};
    if (range.linear_span(1) < points) return {};
    const auto item = static_cast<int64_t>(itemsize(k.exprs.node(s.value).dtype));
    for (const Streamed& other : out) {
      if (other.buffer == s.access.buffer) return {};
    }
    out.push_back({s.access.buffer, item, b.offsets[access]});
    bytes += points * item;
  }
  for (const ir::loop::Access& a : k.loads) {
    if (static_cast<size_t>(a.buffer) >= k.inputs.size()) return {};  // reads what it has stored
  }
  return worth_streaming(bytes, full_loads(k, b), cost / 2) ? out : SmallVec<Streamed, 4>();
}

}  // namespace

void run_native(const NativeKernel& native, const ir::loop::Kernel& kernel,
                const ir::loop::BoundKernel& b, void* const* buffers, double cost) {
  if (b.outer_points == 0) return;
  const size_t scratch_bytes =
      (static_cast<size_t>(native.scratch_bytes(b.inner_points)) + 63) / 64 * 64;
  const SmallVec<Streamed, 4> streamed = streamed_outputs(kernel, b, cost);
  auto run = [&](int64_t begin, int64_t end) {
    thread_local contract::Scratch memory;
    size_t bytes = scratch_bytes + streamed.size() * static_cast<size_t>(kStreamPiece) * 8;
    auto* scratch = static_cast<std::byte*>(bytes == 0 ? nullptr : memory.get(bytes));
    ir::loop::KernelArgs args{};
    args.buffers = buffers;
    args.sizes = b.sizes.data();
    args.strides = b.strides.data();
    args.offsets = b.offsets.data();
    args.params = b.params.data();
    args.begin = begin;
    args.end = end;
    args.scratch = scratch;
    if (streamed.empty()) return native.fn(&args);
    SmallVec<void*, 16> places;
    places.append(buffers, static_cast<size_t>(kernel.buffers()));
    args.buffers = places.data();
    for (int64_t p = begin; p < end; p = args.end) {
      args.begin = p;
      args.end = std::min(p + kStreamPiece, end);
      std::byte* at = scratch + scratch_bytes;
      for (const Streamed& s : streamed) {
        places[static_cast<size_t>(s.buffer)] = at - (s.offset + p) * s.itemsize;
        at += kStreamPiece * 8;
      }
      native.fn(&args);
      at = scratch + scratch_bytes;
      for (const Streamed& s : streamed) {
        stream_copy(static_cast<std::byte*>(buffers[s.buffer]) + (s.offset + p) * s.itemsize, at,
                    static_cast<size_t>((args.end - p) * s.itemsize));
        at += kStreamPiece * 8;
      }
    }
    stream_fence();
  };
  const double point = cost * static_cast<double>(std::max<int64_t>(b.inner_points, 1));
  if (point * static_cast<double>(b.outer_points) < 2 * kGrainCost) return run(0, b.outer_points);
  const int64_t unit =
      std::clamp<int64_t>(kUnitElements / std::max<int64_t>(b.inner_points, 1), 1, 1024);
  const int64_t units = (b.outer_points + unit - 1) / unit;
  const double grain = kGrainCost / (point * static_cast<double>(unit));
  parallel_for(
      units, std::max<int64_t>(1, static_cast<int64_t>(grain)),
      [&](int64_t u0, int64_t u1) { run(u0 * unit, std::min(u1 * unit, b.outer_points)); });
}

}  // namespace etch::runtime
