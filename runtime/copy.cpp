#include "runtime/copy.h"

#include <cstring>

#include "runtime/interp/loops.h"
#include "runtime/isa.h"
#include "runtime/threads.h"

namespace etch::runtime {

void copy_strided(const TensorImpl& from, const TensorImpl& to) {
  size_t rank = from.sizes.size(), size = itemsize(from.dtype);
  if (from.numel == 0) return;
  int64_t row = rank == 0 ? 1 : from.sizes[rank - 1];
  int64_t from_step = rank == 0 ? 1 : from.strides[rank - 1];
  int64_t to_step = rank == 0 ? 1 : to.strides[rank - 1];
  const CopyLoops* loops = copy_loops(size, active_isa());
  invariant(loops != nullptr, "no copy loop for this element size");
  auto copy_row = [&](std::byte* out, const std::byte* in) {
    if (from_step == 1 && to_step == 1) {
      std::memcpy(out, in, static_cast<size_t>(row) * size);
    } else if (to_step == 1) {
      loops->gather(out, in, row, from_step);
    } else if (from_step == 1) {
      loops->scatter(out, in, row, to_step);
    } else {
      for (int64_t i = 0; i < row; ++i) {
        std::memcpy(out + i * to_step * static_cast<int64_t>(size),
                    in + i * from_step * static_cast<int64_t>(size), size);
      }
    }
  };
  int64_t rows = from.numel / row;
  parallel_for(rows, std::max<int64_t>(1, 16384 / row), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t rest = r, in = 0, out = 0;
      for (size_t i = rank < 1 ? 0 : rank - 1; i-- > 0;) {
        int64_t index = rest % from.sizes[i];
        rest /= from.sizes[i];
        in += index * from.strides[i];
        out += index * to.strides[i];
      }
      copy_row(static_cast<std::byte*>(to.data) + out * static_cast<int64_t>(size),
               static_cast<const std::byte*>(from.data) + in * static_cast<int64_t>(size));
    }
  });
}

}  // namespace etch::runtime
