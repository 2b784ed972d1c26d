// etch-ulp [--stride N] [--count N] [--seed N] [--f32 | --f64] [function...]
// Prints one table row per function and type. --stride 1 visits all 2^32 f32 inputs.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "tools/ulp/ulp.h"

int main(int argc, char** argv) {
  using namespace etch;
  uint64_t stride = 64, count = 100000, seed = 1;
  bool f32 = true, f64 = true;
  std::vector<ir::Prim> ops;
  for (int i = 1; i < argc; ++i) {
    std::string_view arg = argv[i];
    bool more = i + 1 < argc;
    if (arg == "--stride" && more)
      stride = std::strtoull(argv[++i], nullptr, 10);
    else if (arg == "--count" && more)
      count = std::strtoull(argv[++i], nullptr, 10);
    else if (arg == "--seed" && more)
      seed = std::strtoull(argv[++i], nullptr, 10);
    else if (arg == "--f32")
      f64 = false;
    else if (arg == "--f64")
      f32 = false;
    else if (auto op = ir::prim_from_name(arg); op && ir::is_func(*op))
      ops.push_back(*op);
    else {
      std::fprintf(stderr, "etch-ulp: unknown option or function '%s'\n", argv[i]);
      return 2;
    }
  }
  if (stride == 0) stride = 1;
  if (ops.empty()) ops = tools::ulp_functions();
  runtime::Isa isa = runtime::active_isa();
  std::printf("| function | type | points | max ulp | at |\n|---|---|---|---|---|\n");
  for (ir::Prim op : ops) {
    if (f32) {
      bool unary = ir::arity(op) == 1;
      tools::UlpResult r = unary ? tools::sweep_f32(op, seed % stride, stride, isa)
                                 : tools::sample(op, DType::F32, count, seed, isa);
      std::printf("%s\n", tools::to_row(op, DType::F32, r).c_str());
      std::fflush(stdout);
    }
    if (f64) {
      std::printf(
          "%s\n",
          tools::to_row(op, DType::F64, tools::sample(op, DType::F64, count, seed, isa)).c_str());
      std::fflush(stdout);
    }
  }
  return 0;
}
