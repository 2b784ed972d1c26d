// Backward-weights: dw[o, (c, tap)] = sum over (n, position) of patch x dy, as a product whose
// depth runs over the whole batch. Vectors run over result channels o or, where a group has few of
// them, over (c, tap).
#include "runtime/contract/conv_weights.h"

#include "runtime/contract/conv_source.h"

namespace etch::runtime::contract {
namespace {

template <class T>
struct WeightsPlan {
  const Kernels<T>& kern;
  TapConv c;
  ConvSource<T> source;
  bool few_outs;
  int64_t slots, depth;
  int64_t channel_block, channel_blocks;  // source channels per item
  int64_t panels, panel_groups = 1;
  int64_t patch_row;  // elements between packed patch rows, off the power of two
  int64_t dy_elems, patch_elems, tile_elems;

  WeightsPlan(const Kernels<T>& k, const Conv2dDesc& d)
      : kern(k),
        c(forward_taps(d)),
        source(c),
        few_outs(c.outs <= k.width / 2),
        slots(task_slots(c.work())),
        depth(c.n * c.positions()) {
    channel_block = std::clamp<int64_t>(kBlockRows<T> / c.taps(), 1, c.channels);
    channel_blocks = ceil_div(c.channels, channel_block);
    panels = ceil_div(c.outs, kern.nr);
    if (slots > 1 && !few_outs && c.groups * channel_blocks < 4 * slots) {
      panel_groups = std::min(panels, 2 * slots);
    }
    patch_row = std::min(kDepth, round_up(depth, kern.width)) + kern.width;
    const int64_t rows = channel_block * c.taps();
    patch_elems = buffer_elems<T>(rows * patch_row);
    if (few_outs) {
      dy_elems = 0;
      tile_elems = buffer_elems<T>((round_up(rows, kern.nr) + c.outs) * kDepth);
    } else {
      dy_elems = buffer_elems<T>(c.groups * panels * kern.nr * depth);
      tile_elems = buffer_elems<T>(rows * ceil_div(panels, panel_groups) * kern.nr);
    }
  }

  int64_t scratch_elems() const {
    return source.elems() + dy_elems + slots * (patch_elems + tile_elems);
  }

  /// Panels of [(n, position)][result channels].
  void pack_dy(const T* dy, T* to) const {
    const int64_t positions = c.positions();
    run_tasks(slots, c.groups * panels * c.n, [&](int64_t, int64_t item) {
      const int64_t n = item % c.n, gq = item / c.n, g = gq / panels, q = gq % panels;
      kern.pack(to + (gq * depth + n * positions) * kern.nr, kern.nr,
                dy + ((n * c.groups + g) * c.outs + q * kern.nr) * positions, positions,
                std::min<int64_t>(kern.nr, c.outs - q * kern.nr), 1, positions);
    });
  }

  /// Rows (channel, tap) of channels [ch0, ch1) over batch positions [k0, k1).
  void fill_patches(int64_t g, int64_t ch0, int64_t ch1, int64_t k0, int64_t k1, T* to) const {
    const int64_t taps = c.taps(), positions = c.positions();
    for (int64_t k = k0; k < k1;) {
      const int64_t n = k / positions, pos = k % positions;
      const int64_t count = std::min(positions - pos, k1 - k);
      const Patches<T> patch = source.patches(n, g);
      for (int64_t q = 0; q < taps; ++q) {
        kern.pack_patches(to + q * patch_row + k - k0, taps * patch_row, count, patch, pos, count,
                          q * c.channels + ch0, q * c.channels + ch1);
      }
      k += count;
    }
  }

  void run(const T* x, const T* dy, T* dw, T* scratch) {
    source.sort(kern, x, scratch, slots);
    scratch += source.elems();
    if (!few_outs) pack_dy(dy, scratch);
    run_tasks(slots, c.groups * channel_blocks * panel_groups, [&](int64_t slot, int64_t item) {
      const int64_t pg = item % panel_groups, cb = item / panel_groups % channel_blocks;
      const int64_t g = item / (panel_groups * channel_blocks);
      const int64_t ch0 = cb * c.channels / channel_blocks;
      const int64_t ch1 = (cb + 1) * c.channels / channel_blocks;
      T* buffer = scratch + dy_elems + slot * (patch_elems + tile_elems);
      if (few_outs) {
        run_few_outs(dy, dw, buffer, g, ch0, ch1);
      } else {
        run_panels(scratch, dw, buffer, g, ch0, ch1, pg);
      }
    });
  }

  /// Rows (channel, tap) x panels of result channels, transposed into dw at the end.
  void run_panels(const T* packed_dy, T* dw, T* patch, int64_t g, int64_t ch0, int64_t ch1,
                  int64_t pg) const {
    const int64_t taps = c.taps(), row = c.channels * taps, rows = (ch1 - ch0) * taps;
    const int64_t q0 = pg * panels / panel_groups, q1 = (pg + 1) * panels / panel_groups;
    const int64_t width = std::min(c.outs, q1 * kern.nr) - q0 * kern.nr;
    const Panels<T> dy{packed_dy + g * panels * kern.nr * depth, depth, c.outs, kern.nr};
    T* tile = patch + patch_elems;
    for (int64_t k0 = 0; k0 < depth; k0 += kDepth) {
      const int64_t k1 = std::min(depth, k0 + kDepth);
      fill_patches(g, ch0, ch1, k0, k1, patch);
      kern.block({rows, width, k1 - k0, patch, patch_row, 1, 0, dy.at(q0, k0), kern.nr,
                  depth * kern.nr, true, tile, width, k0 == 0});
    }
    kern.transpose(dw + (g * c.outs + q0 * kern.nr) * row + ch0 * taps, row, tile, width, rows,
                   width);
  }

  /// Rows of result channels x panels of (channel, tap), straight into dw.
  void run_few_outs(const T* dy, T* dw, T* patch, int64_t g, int64_t ch0, int64_t ch1) const {
    const int64_t taps = c.taps(), row = c.channels * taps, rows = (ch1 - ch0) * taps;
    const int64_t positions = c.positions();
    T* lanes = patch + patch_elems;
    T* dy_rows = lanes + round_up(rows, kern.nr) * kDepth;
    for (int64_t k0 = 0; k0 < depth; k0 += kDepth) {
      const int64_t k1 = std::min(depth, k0 + kDepth), here = k1 - k0;
      fill_patches(g, ch0, ch1, k0, k1, patch);
      for (int64_t j = 0; j < rows; j += kern.nr) {
        kern.pack(lanes + j * here, kern.nr, patch + j * patch_row, here,
                  std::min<int64_t>(kern.nr, rows - j), 1, patch_row);
      }
      for (int64_t o = 0; o < c.outs; ++o) {
        for (int64_t k = k0; k < k1;) {
          const int64_t n = k / positions, pos = k % positions;
          const int64_t count = std::min(positions - pos, k1 - k);
          std::copy_n(dy + ((n * c.groups + g) * c.outs + o) * positions + pos, count,
                      dy_rows + o * kDepth + k - k0);
          k += count;
        }
      }
      kern.block({c.outs, rows, here, dy_rows, kDepth, 1, 0, lanes, kern.nr, here * kern.nr, true,
                  dw + g * c.outs * row + ch0 * taps, row, k0 == 0});
    }
  }
};

}  // namespace

template <class T>
void backward_weights(const Kernels<T>& kern, const Conv2dDesc& d, const T* x, const T* dy, T* dw,
                      Scratch& scratch) {
  const int64_t count = d.oc * d.group_c() * d.kh * d.kw;
  if (count == 0) return;
  if (d.n * d.out_h() * d.out_w() == 0) return fill_zero(dw, 1, count, count);
  WeightsPlan<T> plan(kern, d);
  plan.run(x, dy, dw,
           static_cast<T*>(scratch.get(static_cast<size_t>(plan.scratch_elems()) * sizeof(T))));
}

template void backward_weights(const Kernels<float>&, const Conv2dDesc&, const float*, const float*,
                               float*, Scratch&);
template void backward_weights(const Kernels<double>&, const Conv2dDesc&, const double*,
                               const double*, double*, Scratch&);

}  // namespace etch::runtime::contract
