#include "runtime/program/launch.h"

#include <algorithm>

#include "runtime/contract/scratch.h"
#include "runtime/threads.h"

namespace etch::runtime {
namespace {

constexpr double kGrainCost = 100000;    // scalar operations worth a thread's wake-up
constexpr int64_t kUnitElements = 4096;  // pieces hold whole vectors and cache lines

}  // namespace

void run_native(const NativeKernel& native, const ir::loop::BoundKernel& b, void* const* buffers,
                double cost) {
  if (b.outer_points == 0) return;
  const size_t scratch_bytes = static_cast<size_t>(native.scratch_bytes(b.inner_points));
  auto run = [&](int64_t begin, int64_t end) {
    thread_local contract::Scratch scratch;
    ir::loop::KernelArgs args{};
    args.buffers = buffers;
    args.sizes = b.sizes.data();
    args.strides = b.strides.data();
    args.offsets = b.offsets.data();
    args.params = b.params.data();
    args.begin = begin;
    args.end = end;
    args.scratch = scratch_bytes == 0 ? nullptr : scratch.get(scratch_bytes);
    native.fn(&args);
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
