#include "runtime/contract/conv_taps.h"

#include <cstring>

#include "runtime/contract/conv_plane.h"
#include "runtime/contract/conv_source.h"

namespace etch::runtime::contract {
namespace {

/// Positions up to which channels, not positions, fill the vectors.
constexpr int64_t kFewPositions = 256;
/// Packed patches of one block, which share the second-level cache with the planes they come from.
constexpr int64_t kPatchBytes = int64_t{512} << 10;
/// Rows of weights transposed at a time, and the widest panel of any tier.
constexpr int64_t kRows = 64, kMaxLanes = 32;

template <class T>
T* result(const TapConv& c, T* out, int64_t n, int64_t g) {
  return out + (n * c.groups + g) * c.outs * c.out_plane();
}

/// Moves positions [pos, pos + count) of one result channel to their strided places.
template <class T>
void scatter(const TapConv& c, const T* from, int64_t from_stride, int64_t pos, int64_t count,
             T* plane) {
  int64_t t = pos / c.grid_w, u = pos % c.grid_w;
  while (count > 0) {
    const int64_t here = std::min(count, c.grid_w - u);
    T* to = plane + (t * c.out_sh + c.out_t0) * c.out_w + u * c.out_sw + c.out_u0;
    for (int64_t i = 0; i < here; ++i) to[i * c.out_sw] = from[i * from_stride];
    from += here * from_stride;
    count -= here;
    u = 0;
    ++t;
  }
}

/// How the matrix form is cut: vectors over positions, or over result channels.
template <class T>
struct ConvPlan {
  const Kernels<T>& kern;
  const TapConv& c;
  ConvSource<T> source;
  bool channel_lanes;
  int64_t slots;
  int64_t block = 0;   // positions (or images, with channel lanes) per block
  int64_t blocks = 0;  // of positions per image, or of images
  int64_t panel_groups = 1;
  bool own_planes;  // an item copies the planes it reads; else all are copied first
  int64_t table_elems, plane_elems;         // shared
  int64_t narrow_elems = 0;                 // weights as row tiles, shared
  int64_t patch_elems = 0, tile_elems = 0;  // private to a slot
  int64_t own_elems = 0;
  const int64_t* table = nullptr;

  ConvPlan(const Kernels<T>& k, const TapConv& conv)
      : kern(k),
        c(conv),
        source(k, conv),
        channel_lanes(conv.positions() <= kFewPositions && conv.outs > k.width / 2),
        slots(task_slots(conv.work())) {
    const int64_t depth = std::min(c.depth(), kDepth);
    if (channel_lanes) {
      block = std::clamp<int64_t>(kFewPositions / c.positions(), 1, c.n);
      blocks = ceil_div(c.n, block);
      if (blocks * c.groups < 2 * slots && slots > 1) {
        panel_groups = std::min(panels(), 2 * slots);
      }
      own_planes = panel_groups == 1;
      const int64_t tiles = block * ceil_div(c.positions(), kern.mr);
      patch_elems = buffer_elems<T>(tiles * kern.mr * depth + 64);
      tile_elems = buffer_elems<T>(block * c.positions() * panel_group_width());
    } else {
      const int64_t fit = kPatchBytes / static_cast<int64_t>(sizeof(T)) / kern.nr / depth;
      const int64_t all = ceil_div(c.positions(), kern.nr);
      own_planes = slots == 1 || c.n * c.groups >= 4 * slots;
      blocks = ceil_div(all, std::clamp<int64_t>(fit, 1, all));
      if (!own_planes && blocks < all) blocks = std::min(all, round_up(blocks, slots));
      block = ceil_div(all, blocks) * kern.nr;
      blocks = ceil_div(c.positions(), block);
      patch_elems = buffer_elems<T>(block * depth);
      narrow_elems = buffer_elems<T>(c.groups * panels() * c.depth() * narrow_rows() + 64);
      if (!c.dense_out()) tile_elems = buffer_elems<T>(block * c.outs);
    }
    table_elems = source.table_elems(c.channels);
    plane_elems = own_planes ? 0 : source.elems(c.n * c.groups * c.channels);
    if (own_planes) own_elems = source.elems((channel_lanes ? block : 1) * c.channels);
  }

  int64_t panels() const { return ceil_div(c.outs, kern.nr); }
  int64_t panel_group_width() const { return ceil_div(panels(), panel_groups) * kern.nr; }
  int64_t weight_elems() const { return panels() * kern.nr * c.depth(); }
  int64_t slot_elems() const { return own_elems + patch_elems + tile_elems; }

  int64_t scratch_elems() const {
    return table_elems + plane_elems + narrow_elems + slots * slot_elems();
  }
  int64_t narrow_rows() const { return round_up(kern.nr, kern.mr); }

  void run(const T* src, const T* packed, T* out, T* scratch) {
    table = source.table(scratch, c.channels);
    T* planes = scratch + table_elems;
    T* narrow = planes + plane_elems;
    scratch = narrow + narrow_elems;
    if (plane_elems != 0) {
      run_tasks(slots, c.n * c.groups * c.channels, [&](int64_t, int64_t plane) {
        source.copy(src, plane, planes + plane * source.plane_elems());
      });
    }
    if (!channel_lanes) narrow_weights(packed, narrow);
    const int64_t pieces = channel_lanes ? panel_groups : own_planes ? 1 : blocks;
    run_tasks(slots, (channel_lanes ? blocks : c.n) * c.groups * pieces,
              [&](int64_t slot, int64_t item) {
                T* buffer = scratch + slot * slot_elems();
                const int64_t piece = item % pieces, g = item / pieces % c.groups;
                const int64_t at = item / pieces / c.groups;
                if (channel_lanes) {
                  run_channels(src, planes, packed, out, buffer, at * block, g, piece);
                  return;
                }
                const T* x = image(src, planes, buffer, at, g);
                for (int64_t b = 0; b < (own_planes ? blocks : 1); ++b) {
                  run_positions(x, narrow, out, buffer + own_elems, at, g, (piece + b) * block);
                }
              });
  }

  /// The planes of one image and group: read in place, copied before, or copied now to `own`.
  const T* image(const T* src, const T* planes, T* own, int64_t n, int64_t g) const {
    const int64_t plane = (n * c.groups + g) * c.channels;
    if (!source.copied()) return src + plane * c.src_plane();
    if (!own_planes) return planes + plane * source.plane_elems();
    source.copy(src, plane, c.channels, own);
    return own;
  }

  /// Weights as row tiles [panel][chunk][tile], so that the rows of a tile share a cache line.
  void narrow_weights(const T* packed, T* narrow) const {
    run_tasks(slots, c.groups * panels(), [&](int64_t, int64_t panel) {
      const int64_t o = panel % panels() * kern.nr;
      const RowTiles tiles = row_tiles(std::min<int64_t>(kern.nr, c.outs - o), kern.mr);
      for (int64_t k0 = 0; k0 < c.depth(); k0 += kDepth) {
        const int64_t depth = std::min(kDepth, c.depth() - k0);
        const T* from = packed + (panel * c.depth() + k0) * kern.nr;
        T* to = narrow + (panel * c.depth() + k0) * narrow_rows();
        for (int64_t t = 0; t < tiles.count; ++t) {
          kern.pack(to + t * kern.mr * depth, kern.mr, from + tiles.begin(t), depth,
                    tiles.height(t), kern.nr, 1);
        }
      }
    });
  }

  /// Vectors over positions from `pos` on: result = weights x patches, straight into the result's
  /// planes.
  void run_positions(const T* x, const T* narrow, T* out, T* buffer, int64_t n, int64_t g,
                     int64_t pos) const {
    const int64_t count = std::min(block, c.positions() - pos);
    const Patches<T> patch = source.patches(x, table);
    T* planes = result(c, out, n, g);
    T* tile = c.dense_out() ? planes + pos : buffer + patch_elems;
    const int64_t tile_row = c.dense_out() ? c.out_plane() : block;
    for (int64_t k0 = 0; k0 < c.depth(); k0 += kDepth) {
      const int64_t k1 = std::min(c.depth(), k0 + kDepth), panel = (k1 - k0) * kern.nr;
      for (int64_t p = 0; p < count; p += kern.nr) {
        kern.pack_patches(buffer + p / kern.nr * panel, kern.nr, kern.nr, patch, pos + p,
                          std::min<int64_t>(kern.nr, count - p), k0, k1);
      }
      for (int64_t q = 0; q < panels(); ++q) {
        const int64_t o = q * kern.nr;
        const T* weights = narrow + ((g * panels() + q) * c.depth() + k0) * narrow_rows();
        kern.block({std::min<int64_t>(kern.nr, c.outs - o), count, k1 - k0, weights, 1, kern.mr,
                    kern.mr * (k1 - k0), buffer, kern.nr, panel, true, tile + o * tile_row,
                    tile_row, k0 == 0});
      }
    }
    if (c.dense_out()) return;
    for (int64_t o = 0; o < c.outs; ++o) {
      scatter(c, tile + o * tile_row, 1, pos, count, planes + o * c.out_plane());
    }
  }

  /// Vectors over result channels of a block of images from n0 on: result = patches x weights,
  /// transposed at the end.
  void run_channels(const T* src, const T* planes, const T* packed, T* out, T* buffer, int64_t n0,
                    int64_t g, int64_t pg) const {
    const int64_t images = std::min(block, c.n - n0), positions = c.positions();
    const int64_t own_image = source.copied() ? c.channels * source.plane_elems() : 0;
    T* own = buffer;
    buffer += own_elems;
    const Panels<T> weight{packed + g * weight_elems(), c.depth(), c.outs, kern.nr};
    const int64_t q0 = pg * panels() / panel_groups, q1 = (pg + 1) * panels() / panel_groups;
    const int64_t o0 = q0 * kern.nr, o1 = std::min(c.outs, q1 * kern.nr), width = o1 - o0;
    T* tile = buffer + patch_elems;
    // Copied with the first chunk, found again with the others.
    const auto xs = [&](int64_t i, int64_t k0) -> const T* {
      T* to = own + i * own_image;
      if (own_planes && source.copied() && k0 != 0) return to;
      return image(src, planes, to, n0 + i, g);
    };
    for (int64_t k0 = 0; k0 < c.depth(); k0 += kDepth) {
      const int64_t k1 = std::min(c.depth(), k0 + kDepth);
      const int64_t a_tile = kern.mr * (k1 - k0);
      const RowTiles tiles = row_tiles(positions, kern.mr);
      for (int64_t i = 0; i < images; ++i) {
        const Patches<T> patch = source.patches(xs(i, k0), table);
        for (int64_t t = 0; t < tiles.count; ++t) {
          kern.pack_patches(buffer + (i * tiles.count + t) * a_tile, kern.mr, tiles.height(t),
                            patch, tiles.begin(t), tiles.height(t), k0, k1);
        }
      }
      for (int64_t q = q0; q < q1; ++q) {
        const int64_t o = q * kern.nr;
        for (int64_t i = 0; i < images; ++i) {
          kern.block({positions, std::min<int64_t>(kern.nr, o1 - o), k1 - k0,
                      buffer + i * tiles.count * a_tile, 1, kern.mr, a_tile, weight.at(q, k0),
                      kern.nr, 0, true, tile + i * positions * width + o - o0, width, k0 == 0});
        }
      }
    }
    for (int64_t i = 0; i < images; ++i) {
      T* to = result(c, out, n0 + i, g) + o0 * c.out_plane();
      const T* from = tile + i * positions * width;
      if (c.dense_out()) {
        kern.transpose(to, c.out_plane(), from, width, positions, width);
      } else {
        for (int64_t o = 0; o < width; ++o) {
          scatter(c, from + o, width, 0, positions, to + o * c.out_plane());
        }
      }
    }
  }
};

template <class T>
void zero_grid(const TapConv& c, T* out) {
  const int64_t planes = c.n * c.groups * c.outs;
  const T zero{0};
  parallel_for(planes, 1 + kParallelWork / c.positions(), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      scatter(c, &zero, 0, 0, c.positions(), out + p * c.out_plane());
    }
  });
}

}  // namespace

template <class T>
int64_t packed_weight_elems(const Kernels<T>& kern, const TapConv& c) {
  if (c.depthwise()) return buffer_elems<T>(c.groups * c.taps());
  return buffer_elems<T>(c.groups * round_up(c.outs, kern.nr) * c.depth());
}

template <class T>
void pack_weight(const Kernels<T>& kern, const TapConv& c, const WeightView<T>& w, T* out) {
  const int64_t taps = c.taps(), nr = kern.nr;
  if (c.depthwise()) {
    for (int64_t g = 0; g < c.groups; ++g) {
      for (int64_t q = 0; q < taps; ++q) out[g * taps + q] = w.w[g * w.group_stride + c.tap[q]];
    }
    return;
  }
  // Rows (channel, tap) are neighbours in OIHW: transpose them by whole vectors, then put the rows
  // in (tap, channel) order.
  const int64_t panels = ceil_div(c.outs, nr), step = w.out_stride;
  const bool rows_join = w.channel_stride == w.all_taps;
  const int64_t together = rows_join ? std::max<int64_t>(1, kRows / w.all_taps) : 1;
  run_tasks(task_slots(4 * c.groups * c.outs * c.depth()), c.groups * panels,
            [&](int64_t, int64_t item) {
              const int64_t g = item / panels, o = item % panels * nr;
              const int64_t lanes = std::min(nr, c.outs - o);
              const T* from = w.w + g * w.group_stride + o * step;
              T* to = out + item * c.depth() * nr;
              alignas(64) T rows[kRows * kMaxLanes];
              for (int64_t ch = 0; ch < c.channels; ch += together) {
                const int64_t here = std::min(together, c.channels - ch);
                for (int64_t r0 = 0; r0 < here * w.all_taps; r0 += kRows) {
                  const int64_t r1 = std::min(here * w.all_taps, r0 + kRows);
                  kern.pack(rows, nr, from + ch * w.channel_stride + r0, r1 - r0, lanes, 1, step);
                  for (int64_t i = 0; i < here; ++i) {
                    for (int64_t q = 0; q < taps; ++q) {
                      const int64_t r = i * w.all_taps + c.tap[q];
                      if (r < r0 || r >= r1) continue;
                      std::memcpy(to + (q * c.channels + ch + i) * nr, rows + (r - r0) * nr,
                                  static_cast<size_t>(nr) * sizeof(T));
                    }
                  }
                }
              }
            });
}

template <class T>
int64_t tap_conv_scratch(const Kernels<T>& kern, const TapConv& c) {
  if (c.work() == 0) return 0;
  if (c.depthwise()) return plane_conv_scratch<T>(kern, c);
  return ConvPlan<T>(kern, c).scratch_elems();
}

template <class T>
void run_tap_conv(const Kernels<T>& kern, const TapConv& c, const T* src, const T* packed, T* out,
                  T* scratch) {
  if (c.n * c.groups * c.outs * c.positions() == 0) return;
  if (c.depth() == 0) return zero_grid(c, out);
  if (c.depthwise()) return run_plane_conv(kern, c, src, packed, out, scratch);
  ConvPlan<T>(kern, c).run(src, packed, out, scratch);
}

TapConv forward_taps(const Conv2dDesc& d) {
  TapConv c{d.n,       d.groups,  d.group_c(), d.h,       d.w,        d.group_oc(),
            d.out_h(), d.out_w(), d.out_h(),   d.out_w(), d.stride_h, d.stride_w,
            0,         0,         1,           1,         {},         {},
            {}};
  for (int64_t q = 0; q < d.kh * d.kw; ++q) {
    c.dh.push_back(q / d.kw * d.dil_h - d.pad_top);
    c.dw.push_back(q % d.kw * d.dil_w - d.pad_left);
    c.tap.push_back(q);
  }
  return c;
}

TapConv backward_taps(const Conv2dDesc& d, int64_t a, int64_t b) {
  const int64_t grid_h = d.h > a ? ceil_div(d.h - a, d.stride_h) : 0;
  const int64_t grid_w = d.w > b ? ceil_div(d.w - b, d.stride_w) : 0;
  TapConv c{d.n,        d.groups,   d.group_oc(), d.out_h(), d.out_w(), d.group_c(), d.h,
            d.w,        grid_h,     grid_w,       1,         1,         a,           b,
            d.stride_h, d.stride_w, {},           {},        {}};
  for (int64_t q = 0; q < d.kh * d.kw; ++q) {
    const int64_t th = a + d.pad_top - q / d.kw * d.dil_h;
    const int64_t tw = b + d.pad_left - q % d.kw * d.dil_w;
    if (th % d.stride_h != 0 || tw % d.stride_w != 0) continue;
    c.dh.push_back(th / d.stride_h);
    c.dw.push_back(tw / d.stride_w);
    c.tap.push_back(q);
  }
  return c;
}

template int64_t packed_weight_elems(const Kernels<float>&, const TapConv&);
template int64_t packed_weight_elems(const Kernels<double>&, const TapConv&);
template void pack_weight(const Kernels<float>&, const TapConv&, const WeightView<float>&, float*);
template void pack_weight(const Kernels<double>&, const TapConv&, const WeightView<double>&,
                          double*);
template int64_t tap_conv_scratch(const Kernels<float>&, const TapConv&);
template int64_t tap_conv_scratch(const Kernels<double>&, const TapConv&);
template void run_tap_conv(const Kernels<float>&, const TapConv&, const float*, const float*,
                           float*, float*);
template void run_tap_conv(const Kernels<double>&, const TapConv&, const double*, const double*,
                           double*, double*);

}  // namespace etch::runtime::contract
