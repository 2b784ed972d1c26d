#include "ir/support/error.h"
#include "runtime/contract/dispatch.h"
#include "runtime/contract/gemm.h"
#include "runtime/contract/reference.h"

namespace etch::runtime::contract {
namespace {

/// Elements of packed B per pass: wider products go column block by column block.
template <class T>
constexpr int64_t kPassElems = (int64_t{16} << 20) / static_cast<int64_t>(sizeof(T));
/// A B of one batch below this size is packed by the thread that uses it.
template <class T>
constexpr int64_t kLocalElems = (int64_t{1} << 20) / static_cast<int64_t>(sizeof(T));

/// How one product is run; sizes of its buffers follow from it.
template <class T>
struct MatmulPlan {
  enum class Mode {
    Direct,  // B read in place: rows of B are contiguous and there are few rows of A
    Local,   // each thread packs the B of the batches it takes
    Shared,  // B packed by all threads, then the product
  };
  const Kernels<T>& kern;
  MatmulDesc d;
  Mode mode = Mode::Direct;
  int64_t slots = 1;
  int64_t pass_cols = 0;  // columns of one packed pass
  bool pack_a = false;
  int64_t a_elems = 0, b_elems = 0;

  MatmulPlan(const MatmulDesc& desc, bool packed_b) : kern(kernels<T>(active_isa())), d(desc) {
    join_batches();
    if (!packed_b) turn_column_result();
    slots = task_slots(d.batch * d.m * d.n * d.k);
    const int64_t panels = ceil_div(d.n, kern.nr);
    // A row of A serves `panels` tiles; packing it pays from a few of them on.
    pack_a = panels >= 4 && d.m > kern.mr;
    if (packed_b) {
      mode = Mode::Shared;
      pass_cols = d.n;
    } else if (d.b_col == 1 && (d.m <= 2 * kern.mr || d.m * d.n * d.k <= 64 * 64 * 64)) {
      pack_a = false;
    } else {
      const int64_t all = panels * kern.nr * d.k;
      mode = d.batch >= 2 * slots && d.b_batch != 0 && all <= kLocalElems<T> ? Mode::Local
                                                                             : Mode::Shared;
      const int64_t fit = std::max<int64_t>(1, kPassElems<T> / std::max<int64_t>(1, d.k * kern.nr));
      pass_cols = std::min(panels, fit) * kern.nr;
      b_elems = buffer_elems<T>(pass_cols * d.k);
    }
    if (pack_a) {
      a_elems = packed_rows_elems(kern, std::min(d.m, kBlockRows<T>) + kern.mr, d.k);
    }
  }

  /// Batches that share B and follow each other are more rows of one product.
  void join_batches() {
    if (d.batch <= 1 || d.b_batch != 0 || d.a_batch != d.m * d.a_row ||
        d.c_batch != d.m * d.c_row) {
      return;
    }
    d.m *= d.batch;
    d.batch = 1;
  }

  /// A single column of C is the row of the transposed product, which is contiguous.
  void turn_column_result() {
    if (d.n != 1 || d.m <= 1 || d.c_row != 1) return;
    std::swap(d.a, d.b);
    std::swap(d.a_batch, d.b_batch);
    std::swap(d.m, d.n);
    std::swap(d.a_row, d.b_col);
    std::swap(d.a_col, d.b_row);
    d.c_row = d.n;
  }

  size_t scratch_bytes() const {
    const int64_t b = mode == Mode::Local ? slots * b_elems : b_elems;
    return static_cast<size_t>(b + slots * a_elems) * sizeof(T);
  }

  const T* a(int64_t z) const { return static_cast<const T*>(d.a) + z * d.a_batch; }
  const T* b(int64_t z) const { return static_cast<const T*>(d.b) + z * d.b_batch; }
  T* c(int64_t z) const { return static_cast<T*>(d.c) + z * d.c_batch; }

  void run(Scratch& scratch) const {
    if (d.k == 0) {
      for (int64_t z = 0; z < d.batch; ++z) fill_zero(c(z), d.m, d.n, d.c_row);
    } else if (mode == Mode::Direct) {
      run_direct();
    } else if (mode == Mode::Local) {
      run_local(static_cast<T*>(scratch.get(scratch_bytes())));
    } else {
      run_shared(static_cast<T*>(scratch.get(scratch_bytes())));
    }
  }

  void run_direct() const {
    const int64_t panels = ceil_div(d.n, kern.nr);
    const int64_t groups =
        slots == 1 || d.batch >= 4 * slots ? 1 : std::min<int64_t>(panels, 4 * slots);
    run_tasks(slots, d.batch * groups, [&](int64_t, int64_t item) {
      const int64_t z = item / groups, g = item % groups;
      const int64_t j0 = g * panels / groups * kern.nr;
      const int64_t j1 = std::min(d.n, (g + 1) * panels / groups * kern.nr);
      for (int64_t k0 = 0; k0 < d.k; k0 += kDepth) {
        kern.block({d.m, j1 - j0, std::min(kDepth, d.k - k0), a(z) + k0 * d.a_col, d.a_row, d.a_col,
                    0, b(z) + k0 * d.b_row + j0, d.b_row, kern.nr, false, c(z) + j0, d.c_row,
                    k0 == 0});
      }
    });
  }

  void run_local(T* buffers) const {
    run_tasks(slots, d.batch, [&](int64_t slot, int64_t z) {
      T* packed = buffers + slot * (b_elems + a_elems);
      const Panels<T> panels{packed, d.k, d.n, kern.nr};
      for (int64_t q = 0; q < panels.count(); ++q) pack_panel(packed, z, 0, d.n, q, 0, d.k);
      const GemmGrid grid = GemmGrid::make<T>(d.m, panels.count(), kern.mr, 1);
      for (int64_t i = 0; i < grid.items(); ++i) {
        multiply(grid.item(i), z, 0, panels, packed + b_elems);
      }
    });
  }

  void run_shared(T* buffers) const {
    const int64_t shared_batches = d.b_batch == 0 ? d.batch : 1;
    for (int64_t z = 0; z < d.batch; z += shared_batches) {
      for (int64_t j0 = 0; j0 < d.n; j0 += pass_cols) {
        const int64_t cols = std::min(pass_cols, d.n - j0);
        const Panels<T> panels{buffers, d.k, cols, kern.nr};
        const int64_t chunks = ceil_div(d.k, kDepth);
        run_tasks(slots, panels.count() * chunks, [&](int64_t, int64_t item) {
          const int64_t k0 = item % chunks * kDepth;
          pack_panel(buffers, z, j0, cols, item / chunks, k0, std::min(d.k, k0 + kDepth));
        });
        run_panels(z, shared_batches, j0, panels, buffers + b_elems);
      }
    }
  }

  /// Batches [z0, z0 + batches) times one packed B.
  void run_panels(int64_t z0, int64_t batches, int64_t j0, const Panels<T>& panels,
                  T* buffers) const {
    const GemmGrid grid =
        GemmGrid::make<T>(d.m, panels.count(), kern.mr, batches >= 4 * slots ? 1 : slots);
    run_tasks(slots, batches * grid.items(), [&](int64_t slot, int64_t item) {
      multiply(grid.item(item % grid.items()), z0 + item / grid.items(), j0, panels,
               buffers + slot * a_elems);
    });
  }

  void multiply(const GemmRange& r, int64_t z, int64_t j0, const Panels<T>& panels,
                T* a_buffer) const {
    if (!pack_a) {
      gemm_direct_rows(kern, r, a(z), d.a_row, d.a_col, panels, c(z) + j0, d.c_row);
      return;
    }
    gemm_packed_rows(kern, r, panels, c(z) + j0, d.c_row, a_buffer,
                     [&](T* dst, int64_t row, int64_t rows, int64_t k0, int64_t k1) {
                       kern.pack(dst, kern.mr, a(z) + row * d.a_row + k0 * d.a_col, k1 - k0, rows,
                                 d.a_col, d.a_row);
                     });
  }

  /// Rows [k0, k1) of panel q of the columns [j0, j0 + cols) of B.
  void pack_panel(T* packed, int64_t z, int64_t j0, int64_t cols, int64_t q, int64_t k0,
                  int64_t k1) const {
    const int64_t j = q * kern.nr;
    kern.pack(packed + q * d.k * kern.nr + k0 * kern.nr, kern.nr,
              b(z) + k0 * d.b_row + (j0 + j) * d.b_col, k1 - k0,
              std::min<int64_t>(kern.nr, cols - j), d.b_row, d.b_col);
  }
};

/// Integers wrap, so order is free: rows of C as sums of rows of B, which vectorises.
template <class T>
void integer_matmul(const MatmulDesc& d) {
  run_tasks(task_slots(d.batch * d.m * d.n * d.k), d.batch * d.m, [&](int64_t, int64_t item) {
    const int64_t z = item / d.m, i = item % d.m;
    const T* a = static_cast<const T*>(d.a) + z * d.a_batch + i * d.a_row;
    const T* b = static_cast<const T*>(d.b) + z * d.b_batch;
    T* c = static_cast<T*>(d.c) + z * d.c_batch + i * d.c_row;
    std::fill_n(c, d.n, T{0});
    for (int64_t p = 0; p < d.k; ++p) {
      const T value = a[p * d.a_col];
      const T* row = b + p * d.b_row;
      if (d.b_col == 1) {
        for (int64_t j = 0; j < d.n; ++j) c[j] = ir::contract::multiply_add(value, row[j], c[j]);
      } else {
        for (int64_t j = 0; j < d.n; ++j) {
          c[j] = ir::contract::multiply_add(value, row[j * d.b_col], c[j]);
        }
      }
    }
  });
}

bool is_empty(const MatmulDesc& d) { return d.batch == 0 || d.m == 0 || d.n == 0; }

void require_float(DType dtype, const char* op) {
  if (dtype != DType::F32 && dtype != DType::F64) {
    fail(op, cat("element type ", dtype, " has no packed layout"),
         "Packed products exist for f32 and f64; use matmul() instead");
  }
}

/// Calls f(T{}) for f32 and f64.
template <class F>
auto for_float(DType dtype, const char* op, F f) {
  require_float(dtype, op);
  return dtype == DType::F32 ? f(float{}) : f(double{});
}

}  // namespace

size_t matmul_scratch_bytes(const MatmulDesc& d) {
  if (is_empty(d) || d.k == 0) return 0;
  if (d.dtype == DType::F32) return MatmulPlan<float>(d, false).scratch_bytes();
  if (d.dtype == DType::F64) return MatmulPlan<double>(d, false).scratch_bytes();
  return 0;
}

void matmul(const MatmulDesc& d, Scratch& scratch) {
  if (is_empty(d)) return;
  for_contract_type(d.dtype, "matmul", [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T>) {
      MatmulPlan<T>(d, false).run(scratch);
    } else {
      integer_matmul<T>(d);
    }
  });
}

size_t packed_b_bytes(DType dtype, int64_t k, int64_t n, Isa isa) {
  return for_float(dtype, "pack_b", [&]<class T>(T) {
    return static_cast<size_t>(round_up(n, kernels<T>(isa).nr) * k) * sizeof(T);
  });
}

PackedB pack_b(DType dtype, int64_t k, int64_t n, const void* b, int64_t b_row, int64_t b_col,
               Isa isa, void* out) {
  for_float(dtype, "pack_b", [&]<class T>(T) {
    const Kernels<T>& kern = kernels<T>(isa);
    run_tasks(task_slots(4 * n * k), ceil_div(n, kern.nr), [&](int64_t, int64_t q) {
      const int64_t j = q * kern.nr;
      kern.pack(static_cast<T*>(out) + j * k, kern.nr, static_cast<const T*>(b) + j * b_col, k,
                std::min<int64_t>(kern.nr, n - j), b_row, b_col);
    });
  });
  return {dtype, isa, k, n, out};
}

size_t matmul_packed_scratch_bytes(const MatmulDesc& d, const PackedB& b) {
  if (is_empty(d) || d.k == 0) return 0;
  const IsaOverride use(b.isa);
  return for_float(d.dtype, "matmul_packed",
                   [&]<class T>(T) { return MatmulPlan<T>(d, true).scratch_bytes(); });
}

void matmul_packed(const MatmulDesc& d, const PackedB& b, Scratch& scratch) {
  invariant(d.dtype == b.dtype && d.k == b.k && d.n == b.n, "packed operand of another product");
  if (is_empty(d)) return;
  const IsaOverride use(b.isa);
  for_float(d.dtype, "matmul_packed", [&]<class T>(T) {
    const MatmulPlan<T> plan(d, true);
    if (d.k == 0) return plan.run(scratch);
    const Panels<T> panels{static_cast<const T*>(b.data), d.k, d.n, plan.kern.nr};
    plan.run_panels(0, plan.d.batch, 0, panels, static_cast<T*>(scratch.get(plan.scratch_bytes())));
  });
}

}  // namespace etch::runtime::contract
