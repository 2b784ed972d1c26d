#include <catch2/catch.hpp>

#include "codegen/compiler.h"
#include "ir/loop/lower.h"
#include "tests/support/kernel_cases.h"

using namespace etch;
using namespace etch::test;

namespace {

/// Compiled results of a lowered program, or what went wrong.
std::string check_program(const KernelCase& c, runtime::Isa isa, int tier,
                          codegen::KernelCompiler& compiler) {
  ir::loop::Lowered lowered = ir::loop::lower(c.graph);
  if (!lowered.kernel) return cat("not lowered: ", lowered.reason);
  codegen::CompileSettings settings{.target = codegen::target_for(isa)};
  settings.options.tier = tier;
  auto code = compiler.get(*lowered.kernel, settings);
  if (code->failed()) return code->reason();
  std::vector<Dense> inputs = random_inputs(c, 5, true);
  std::vector<Dense> want = run_graph_naive(c.graph, inputs, c.bindings), got = want;
  std::vector<void*> buffers;
  for (Dense& d : inputs) buffers.push_back(d.bytes.data());
  for (Dense& d : got) {
    std::fill(d.bytes.begin(), d.bytes.end(), std::byte{0x77});
    buffers.push_back(d.bytes.data());
  }
  ir::loop::BoundKernel b;
  bind(*lowered.kernel, c.bindings, b);
  std::vector<std::byte> scratch(static_cast<size_t>(code->scratch_bytes(b.inner_points)) + 64);
  auto address = reinterpret_cast<uintptr_t>(scratch.data());
  ir::loop::KernelArgs args{buffers.data(),   b.sizes.data(),
                            b.strides.data(), b.offsets.data(),
                            b.params.data(),  0,
                            b.outer_points,   scratch.data() + (64 - address % 64) % 64};
  code->fn()(&args);
  for (size_t i = 0; i < want.size(); ++i) {
    if (!same_bits(got[i], want[i]))
      return cat("result ", i, ": ", first_difference(got[i], want[i]));
  }
  return "";
}

}  // namespace

TEST_CASE("every lowered program compiles, and computes what its graph says") {
  codegen::KernelCompiler compiler(codegen::cpu_backend(), "");
  for (bool symbolic : {false, true}) {
    for (auto [n, d] :
         {std::pair<int64_t, int64_t>{5, 37}, {0, 9}, {4, 0}, {3, 200}, {70, 8}, {2, 4500}}) {
      for (const KernelCase& c : kernel_cases(n, d, symbolic)) {
        for (runtime::Isa isa : {runtime::Isa::Avx2, runtime::Isa::Avx512}) {
          for (int tier : {0, 1}) {
            if (!runtime::isa_supported(isa)) continue;
            INFO(c.name << " n " << n << " d " << d << " symbolic " << symbolic << ' '
                        << runtime::name(isa) << " tier " << tier);
            CHECK(check_program(c, isa, tier, compiler) == "");
          }
        }
      }
    }
  }
  INFO("kernels built " << compiler.statistics().built);
  CHECK(compiler.statistics().fallbacks == 0);
}
