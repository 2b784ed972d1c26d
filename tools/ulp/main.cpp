// etch-ulp: measures the math functions.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "tools/ulp/ulp.h"

namespace {

constexpr const char* kUsage =
    "usage: etch-ulp [--stride N] [--count N] [--seed N] [--f32 | --f64] [function...]\n"
    "Prints one table row per function and type. --stride 1 visits all 2^32 f32 inputs.\n";

/// The number after an option; ends the program when there is none.
uint64_t number(std::string_view option, const char* text) {
  uint64_t v = 0;
  std::string_view t = text == nullptr ? "" : text;
  auto [end, error] = std::from_chars(t.data(), t.data() + t.size(), v);
  if (error == std::errc() && end == t.data() + t.size()) return v;
  std::fprintf(stderr, "error: %s takes a whole number, got '%s'\n", option.data(), t.data());
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace etch;
  uint64_t stride = 64, count = 100000, seed = 1;
  bool f32 = true, f64 = true;
  std::vector<ir::Prim> ops;
  for (int i = 1; i < argc; ++i) {
    std::string_view arg = argv[i];
    if (arg == "--help" || arg == "-h") {
      std::fputs(kUsage, stdout);
      return 0;
    }
    if (arg == "--stride" || arg == "--count" || arg == "--seed") {
      uint64_t& to = arg == "--stride" ? stride : arg == "--count" ? count : seed;
      to = number(arg, argv[++i]);  // argv ends with a null pointer
    } else if (arg == "--f32")
      f64 = false;
    else if (arg == "--f64")
      f32 = false;
    else if (auto op = ir::prim_from_name(arg); op && ir::is_func(*op))
      ops.push_back(*op);
    else {
      std::fprintf(stderr, "error: there is no option or function '%s'\n%s", argv[i], kUsage);
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
