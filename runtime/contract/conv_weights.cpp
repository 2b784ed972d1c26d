// Backward-weights: dw[o, (c, tap)] = sum over (n, position) of patch x dy, as a product whose
// depth runs over the whole batch. Vectors run over result channels o or, where a group has few of
// them, over (c, tap); over groups in depthwise ones.
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
  int64_t patch_row;              // elements between packed patch rows, off the power of two
  int64_t table_elems, dy_elems;  // shared
  int64_t plane_elems, patch_elems, tile_elems;  // private to a slot
  const int64_t* table = nullptr;

  WeightsPlan(const Kernels<T>& k, const Conv2dDesc& d)
      : kern(k),
        c(forward_taps(d)),
        source(k, c),
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
    table_elems = source.table_elems(channel_block);
    plane_elems = source.elems(channel_block);
    patch_elems = buffer_elems<T>(rows * patch_row);
    if (few_outs) {
      dy_elems = 0;
      tile_elems = buffer_elems<T>((round_up(rows, kern.nr) + c.outs) * kDepth);
    } else {
      dy_elems = buffer_elems<T>(c.groups * panels * kern.nr * depth);
      tile_elems = buffer_elems<T>(rows * ceil_div(panels, panel_groups) * kern.nr);
    }
  }

  int64_t slot_elems() const { return plane_elems + patch_elems + tile_elems; }
  int64_t scratch_elems() const { return table_elems + dy_elems + slots * slot_elems(); }

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

  /// What an item reads: channels [ch0, ch1) of a group, laid out image by image in `planes`.
  struct Rows {
    const T* x;
    T* planes;
    int64_t g, ch0, ch1;
    int64_t channels() const { return ch1 - ch0; }
  };

  /// Rows (channel, tap) over batch positions [k0, k1), which ascend from call to call.
  void fill_patches(const Rows& in, int64_t k0, int64_t k1, T* to) const {
    const int64_t taps = c.taps(), positions = c.positions();
    for (int64_t k = k0; k < k1;) {
      const int64_t n = k / positions, pos = k % positions;
      const int64_t count = std::min(positions - pos, k1 - k);
      const int64_t plane = (n * c.groups + in.g) * c.channels + in.ch0;
      if (source.copied() && pos == 0) source.copy(in.x, plane, in.channels(), in.planes);
      const Patches<T> patch =
          source.patches(source.copied() ? in.planes : in.x + plane * c.src_plane(), table);
      for (int64_t q = 0; q < taps; ++q) {
        kern.pack_patches(to + q * patch_row + k - k0, taps * patch_row, count, patch, pos, count,
                          q * channel_block, q * channel_block + in.channels());
      }
      k += count;
    }
  }

  void run(const T* x, const T* dy, T* dw, T* scratch) {
    table = source.table(scratch, channel_block);
    scratch += table_elems;
    if (!few_outs) pack_dy(dy, scratch);
    run_tasks(slots, c.groups * channel_blocks * panel_groups, [&](int64_t slot, int64_t item) {
      const int64_t pg = item % panel_groups, cb = item / panel_groups % channel_blocks;
      T* buffer = scratch + dy_elems + slot * slot_elems();
      const Rows in{x, buffer, item / (panel_groups * channel_blocks),
                    cb * c.channels / channel_blocks, (cb + 1) * c.channels / channel_blocks};
      buffer += plane_elems;
      if (few_outs) {
        run_few_outs(dy, dw, buffer, in);
      } else {
        run_panels(scratch, dw, buffer, in, pg);
      }
    });
  }

  /// Rows (channel, tap) x panels of result channels, transposed into dw at the end.
  void run_panels(const T* packed_dy, T* dw, T* patch, const Rows& in, int64_t pg) const {
    const int64_t taps = c.taps(), row = c.channels * taps, rows = in.channels() * taps;
    const int64_t q0 = pg * panels / panel_groups, q1 = (pg + 1) * panels / panel_groups;
    const int64_t width = std::min(c.outs, q1 * kern.nr) - q0 * kern.nr;
    const Panels<T> dy{packed_dy + in.g * panels * kern.nr * depth, depth, c.outs, kern.nr};
    T* tile = patch + patch_elems;
    for (int64_t k0 = 0; k0 < depth; k0 += kDepth) {
      const int64_t k1 = std::min(depth, k0 + kDepth);
      fill_patches(in, k0, k1, patch);
      kern.block({rows, width, k1 - k0, patch, patch_row, 1, 0, dy.at(q0, k0), kern.nr,
                  depth * kern.nr, true, tile, width, k0 == 0});
    }
    kern.transpose(dw + (in.g * c.outs + q0 * kern.nr) * row + in.ch0 * taps, row, tile, width,
                   rows, width);
  }

  /// Rows of result channels x panels of (channel, tap), straight into dw.
  void run_few_outs(const T* dy, T* dw, T* patch, const Rows& in) const {
    const int64_t taps = c.taps(), row = c.channels * taps, rows = in.channels() * taps;
    const int64_t positions = c.positions();
    T* lanes = patch + patch_elems;
    T* dy_rows = lanes + round_up(rows, kern.nr) * kDepth;
    for (int64_t k0 = 0; k0 < depth; k0 += kDepth) {
      const int64_t k1 = std::min(depth, k0 + kDepth), here = k1 - k0;
      fill_patches(in, k0, k1, patch);
      for (int64_t j = 0; j < rows; j += kern.nr) {
        kern.pack(lanes + j * here, kern.nr, patch + j * patch_row, here,
                  std::min<int64_t>(kern.nr, rows - j), 1, patch_row);
      }
      for (int64_t o = 0; o < c.outs; ++o) {
        for (int64_t k = k0; k < k1;) {
          const int64_t n = k / positions, pos = k % positions;
          const int64_t count = std::min(positions - pos, k1 - k);
          std::copy_n(dy + ((n * c.groups + in.g) * c.outs + o) * positions + pos, count,
                      dy_rows + o * kDepth + k - k0);
          k += count;
        }
      }
      kern.block({c.outs, rows, here, dy_rows, kDepth, 1, 0, lanes, kern.nr, here * kern.nr, true,
                  dw + in.g * c.outs * row + in.ch0 * taps, row, k0 == 0});
    }
  }
};

/// Depthwise: one chain per (channel, tap), with channels in the lanes of vectors.
template <class T>
struct DepthwisePlan {
  const Kernels<T>& kern;
  TapConv c;
  PlaneLayout layout;
  int64_t lanes, slots;
  int64_t plane_elems, x_elems, dy_elems, sum_elems;  // private to a slot

  DepthwisePlan(const Kernels<T>& k, const Conv2dDesc& d)
      : kern(k), c(forward_taps(d)), layout(c, 1), lanes(k.width), slots(task_slots(c.work())) {
    plane_elems = buffer_elems<T>(lanes * layout.elems());
    x_elems = buffer_elems<T>(lanes * layout.elems());
    dy_elems = buffer_elems<T>(lanes * c.positions());
    sum_elems = buffer_elems<T>(lanes * c.taps());
  }
  int64_t slot_elems() const { return plane_elems + x_elems + dy_elems + 2 * sum_elems; }
  int64_t scratch_elems() const { return slots * slot_elems(); }

  void run(const T* x, const T* dy, T* dw, T* scratch) const {
    run_tasks(slots, ceil_div(c.groups, lanes), [&](int64_t slot, int64_t item) {
      run_channels(x, dy, dw, scratch + slot * slot_elems(), item * lanes);
    });
  }

  /// Channels [c0, c0 + lanes) over the whole batch.
  void run_channels(const T* x, const T* dy, T* dw, T* planes, int64_t c0) const {
    const int64_t channels = std::min(lanes, c.groups - c0), positions = c.positions();
    const int64_t taps = c.taps(), depth = c.n * positions;
    T *xs = planes + plane_elems, *dys = xs + x_elems;
    T *chain = dys + dy_elems, *total = chain + sum_elems;
    std::fill_n(chain, lanes * taps, T{0});
    for (int64_t k = 0; k < depth;) {
      const int64_t n = k / positions, pos = k % positions, in_chunk = k % kDepth;
      if (pos == 0) {
        const int64_t plane = n * c.groups + c0;
        for (int64_t i = 0; i < channels; ++i) {
          kern.copy_plane(planes + i * layout.elems(), x + (plane + i) * c.src_plane(),
                          layout.copy());
        }
        kern.pack(xs, lanes, planes, layout.elems(), channels, 1, layout.elems());
        kern.pack(dys, lanes, dy + plane * positions, positions, channels, 1, positions);
      }
      const int64_t t = pos / c.grid_w, u = pos % c.grid_w;
      const int64_t count = std::min(c.grid_w - u, kDepth - in_chunk);
      kern.lane_chains(chain, dys + pos * lanes, xs + (t * layout.row_step() + u) * lanes,
                       layout.taps().data(), taps, count);
      k += count;
      if (k % kDepth == 0 || k == depth) close_chunk(chain, total, lanes * taps, k <= kDepth);
    }
    for (int64_t i = 0; i < channels; ++i) {
      for (int64_t q = 0; q < taps; ++q) dw[(c0 + i) * taps + q] = total[q * lanes + i];
    }
  }

  static void close_chunk(T* chain, T* total, int64_t count, bool first) {
    for (int64_t i = 0; i < count; ++i) {
      total[i] = first ? chain[i] : total[i] + chain[i];
      chain[i] = T{0};
    }
  }
};

template <class Plan, class T>
void run_plan(Plan&& plan, const T* x, const T* dy, T* dw, Scratch& scratch) {
  const auto bytes = static_cast<size_t>(plan.scratch_elems()) * sizeof(T);
  plan.run(x, dy, dw, static_cast<T*>(scratch.get(bytes)));
}

}  // namespace

template <class T>
void backward_weights(const Kernels<T>& kern, const Conv2dDesc& d, const T* x, const T* dy, T* dw,
                      Scratch& scratch) {
  const int64_t count = d.oc * d.group_c() * d.kh * d.kw;
  if (count == 0) return;
  if (d.n * d.out_h() * d.out_w() == 0) return fill_zero(dw, 1, count, count);
  if (d.group_c() == 1 && d.group_oc() == 1) {
    run_plan(DepthwisePlan<T>(kern, d), x, dy, dw, scratch);
  } else {
    run_plan(WeightsPlan<T>(kern, d), x, dy, dw, scratch);
  }
}

template void backward_weights(const Kernels<float>&, const Conv2dDesc&, const float*, const float*,
                               float*, Scratch&);
template void backward_weights(const Kernels<double>&, const Conv2dDesc&, const double*,
                               const double*, double*, Scratch&);

}  // namespace etch::runtime::contract
