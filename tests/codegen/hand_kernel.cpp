#include "tests/codegen/hand_kernel.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "codegen/compiler.h"
#include "ir/scalar/eval.h"
#include "ir/support/error.h"
#include "tests/support/naive.h"

namespace etch::test {

using namespace ir;
using namespace ir::loop;

GuardedBytes::GuardedBytes(size_t bytes) : size_(bytes) {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t inside = (bytes + page - 1) / page * page;
  map_size_ = inside + 2 * page;
  map_ = mmap(nullptr, map_size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  invariant(map_ != MAP_FAILED, "memory for a test buffer");
  auto* base = static_cast<std::byte*>(map_) + page;
  if (inside != 0) mprotect(base, inside, PROT_READ | PROT_WRITE);
  data_ = base + inside - bytes;
}

GuardedBytes::~GuardedBytes() {
  if (map_ != nullptr) munmap(map_, map_size_);
}

namespace {

struct Random {
  uint64_t state;
  uint64_t next() {
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
};

uint64_t random_value(DType t, Random& r) {
  uint64_t raw = r.next(), kind = r.next() % 16;
  if (is_bool(t)) return raw & 1;
  uint64_t mask = bits(t) == 64 ? ~uint64_t{0} : (uint64_t{1} << bits(t)) - 1;
  if (!is_float(t)) {
    int64_t small = static_cast<int64_t>(raw % 11) - 5;
    uint64_t top = uint64_t{1} << (bits(t) - 1);
    if (kind < 8) return static_cast<uint64_t>(small) & mask;
    if (kind == 8) return top;
    if (kind == 9) return top - 1;
    if (kind == 10) return mask;
    return raw & mask;
  }
  double unit = static_cast<double>(raw >> 11) / 9007199254740992.0;
  if (kind == 0) return canonical_value(t, raw & mask);
  if (kind == 1) {
    constexpr double kSpecial[] = {0.0,    -0.0,   1.0,   -1.0, 0.5,   -2.5, 1e300,
                                   -1e300, 3e-310, 2.5e9, 1e19, 65504, 1.5};
    return eval_cast(DType::F64, t, to_bits(kSpecial[raw % 13]));
  }
  if (kind == 2) return eval_cast(DType::F64, t, to_bits((unit - 0.5) * 300));
  if (kind == 3 && raw % 4 == 0)
    return eval_cast(DType::F64, t, to_bits(raw % 8 == 0 ? -__builtin_inf() : __builtin_inf()));
  return eval_cast(DType::F64, t, to_bits((unit - 0.5) * 8));
}

}  // namespace

void fill_values(DType t, std::byte* data, size_t count, uint64_t seed) {
  Random r{seed};
  for (size_t i = 0; i < count; ++i) {
    uint64_t v = random_value(t, r);
    std::memcpy(data + i * itemsize(t), &v, itemsize(t));
  }
}

HandKernel::HandKernel(std::vector<int64_t> outer, std::vector<int64_t> inner) {
  k.name = "case";
  for (int64_t n : outer) k.outer.push_back(Dim(n));
  for (int64_t n : inner) k.inner.push_back(Dim(n));
}

std::vector<int64_t> HandKernel::dense(bool with_inner) const {
  std::vector<int64_t> out(static_cast<size_t>(k.axes()));
  int64_t stride = 1;
  for (size_t i = out.size(); i-- > 0;) {
    bool inner = i >= k.outer.size();
    if (inner && !with_inner) continue;
    out[i] = stride;
    stride *= (inner ? k.inner[i - k.outer.size()] : k.outer[i]).value();
  }
  return out;
}

int64_t HandKernel::count_of(const std::vector<int64_t>& strides, int64_t offset) const {
  int64_t last = offset;
  for (size_t i = 0; i < strides.size(); ++i) {
    int64_t n = (i < k.outer.size() ? k.outer[i] : k.inner[i - k.outer.size()]).value();
    if (n == 0 && strides[i] != 0) return 0;
    if (strides[i] > 0) last += strides[i] * (n - 1);
  }
  return last + 1;
}

static Access make_access(const std::vector<int64_t>& strides, int64_t offset) {
  Access a;
  for (int64_t s : strides) a.strides.push_back(Dim(s));
  a.offset = Dim(offset);
  return a;
}

Expr HandKernel::load(DType t) { return load(t, dense(true)); }

Expr HandKernel::load(DType t, std::vector<int64_t> strides, int64_t offset) {
  invariant(k.stores.empty(), "loads come first");
  Access a = make_access(strides, offset);
  a.buffer = static_cast<int>(k.inputs.size());
  k.inputs.push_back({t});
  k.loads.push_back(a);
  counts.push_back(count_of(strides, offset));
  return k.exprs.load(t, k.loads.size() - 1);
}

void HandKernel::store(Expr v, bool inner_store) { store(v, inner_store, dense(inner_store)); }

void HandKernel::store(Expr v, bool inner_store, std::vector<int64_t> strides) {
  Store s{make_access(strides, 0), v.id, inner_store};
  s.access.buffer = k.buffers();
  k.outputs.push_back({v.dtype()});
  k.stores.push_back(s);
  counts.push_back(count_of(strides, 0));
}

Expr HandKernel::reduce(ReduceKind kind, Expr operand) {
  k.reductions.push_back({kind});
  bool arg = kind == ReduceKind::ArgMax || kind == ReduceKind::ArgMin;
  return k.exprs.reduce(arg ? DType::I64 : operand.dtype(), operand, k.reductions.size() - 1);
}

std::string check_one(const HandKernel& c, runtime::Isa isa, int tier, uint64_t seed) {
  // One compiler for all cases: those that differ in sizes only share code, as in a program.
  static codegen::KernelCompiler* const compiler =
      new codegen::KernelCompiler(codegen::cpu_backend(), "");
  codegen::CompileSettings settings{.target = codegen::target_for(isa)};
  settings.options.tier = tier;
  auto code = compiler->get(c.k, settings);
  if (code->failed()) return code->reason();

  BoundKernel bound;
  bind(c.k, {}, bound);
  auto type = [&](size_t b) {
    return b < c.k.inputs.size() ? c.k.inputs[b].dtype : c.k.outputs[b - c.k.inputs.size()].dtype;
  };
  std::vector<GuardedBytes> got, want;
  std::vector<void*> got_at, want_at;
  for (size_t b = 0; b < c.counts.size(); ++b) {
    size_t bytes = static_cast<size_t>(c.counts[b]) * itemsize(type(b));
    got.emplace_back(bytes);
    if (b < c.k.inputs.size())
      fill_values(type(b), got[b].data(), static_cast<size_t>(c.counts[b]), seed + b);
    else
      std::memset(got[b].data(), 0x5a, bytes);
    want.emplace_back(bytes);
    if (bytes != 0) std::memcpy(want[b].data(), got[b].data(), bytes);
    got_at.push_back(got[b].data());
    want_at.push_back(want[b].data());
  }
  int64_t scratch_bytes = code->scratch_bytes(bound.inner_points);
  GuardedBytes scratch(static_cast<size_t>((scratch_bytes + 63) / 64 * 64));
  KernelArgs args{got_at.data(),
                  bound.sizes.data(),
                  bound.strides.data(),
                  bound.offsets.data(),
                  bound.params.data(),
                  0,
                  0,
                  scratch.data()};
  int64_t cut = bound.outer_points / 3;
  args.end = cut;
  code->fn()(&args);
  args.begin = cut;
  args.end = bound.outer_points;
  code->fn()(&args);
  run_kernel_naive(c.k, bound, want_at.data());
  for (size_t b = c.k.inputs.size(); b < c.counts.size(); ++b) {
    size_t w = itemsize(type(b));
    for (int64_t i = 0; i < c.counts[b]; ++i) {
      uint64_t x = 0, y = 0;
      std::memcpy(&x, got[b].data() + static_cast<size_t>(i) * w, w);
      std::memcpy(&y, want[b].data() + static_cast<size_t>(i) * w, w);
      if (canonical_value(type(b), x) == canonical_value(type(b), y)) continue;
      return cat("isa ", runtime::name(isa), " tier ", tier, " output ", b - c.k.inputs.size(),
                 " element ", i, " of ", c.counts[b], ": got bits ", x, ", want ", y, "\n",
                 to_text(c.k.exprs));
    }
  }
  return "";
}

std::string check_everywhere(const HandKernel& c, uint64_t seed) {
  for (runtime::Isa isa : {runtime::Isa::Avx2, runtime::Isa::Avx512}) {
    if (!runtime::isa_supported(isa)) continue;
    for (int tier : {0, 1}) {
      std::string problem = check_one(c, isa, tier, seed);
      if (!problem.empty()) return problem;
    }
  }
  return "";
}

}  // namespace etch::test
