// Lines of conversions. This file is compiled with debug information and optimisation, whatever the
// rest is.
#include <catch2/catch.hpp>

#include "codegen/lines.h"
#include "etch/ops.h"
#include "etch/trace.h"
#include "ir/support/error.h"
#include "tests/skip.h"

using namespace etch;
using Catch::Contains;

namespace {

[[gnu::noinline]] const void* my_caller() { return __builtin_return_address(0); }

}  // namespace

TEST_CASE("an address in code with debug information has a line", "[lines]") {
  const void* at = my_caller();
  const uint32_t line = __LINE__ - 1;
  auto found = codegen::line_of_return(at, "none");
  if (!found) ETCH_SKIP("no LLVM module");
  CHECK_THAT(found->file, Catch::EndsWith("tests/tracer/lines_test.cpp"));
  CHECK(found->line == line);
  CHECK(!codegen::line_of_return(nullptr, "none"));
}

TEST_CASE("a size that becomes a raw number is an error at the line of the conversion", "[lines]") {
  if (!codegen::line_of_return(my_caller(), "none")) ETCH_SKIP("no LLVM module");
  TraceOptions options;
  options.dynamic = {{"x", 0, "N"}};
  uint32_t line = 0;
  std::string message;
  try {
    trace(
        [&](const Tensor& x) {
          Dim n = x.size(0);
          line = __LINE__ + 1;
          const int64_t raw = n;
          return x * static_cast<double>(raw);
        },
        ones({3}), options);
  } catch (const UserError& e) {
    message = e.what();
  }
  CHECK_THAT(message, Contains("a raw number depends on the dynamic size N") &&
                          Contains(cat("lines_test.cpp:", line)));
}
