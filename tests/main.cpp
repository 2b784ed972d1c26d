// The test program. Its last line of output counts cases: `./test` adds those lines up.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>

#include "tests/skip.h"

namespace etch::test {

namespace {
int skipped_cases = 0;
}

void note_skip(const char* reason) {
  ++skipped_cases;
  std::printf("skipped: %s\n", reason);
}

}  // namespace etch::test

namespace {

struct CaseCounter : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;

  void testRunEnded(const Catch::TestRunStats& stats) override { cases = stats.totals.testCases; }

  static inline Catch::Counts cases;
};
CATCH_REGISTER_LISTENER(CaseCounter)

}  // namespace

int main(int argc, char** argv) {
  const int result = Catch::Session().run(argc, argv);
  const int skipped = etch::test::skipped_cases;
  const int passed =
      static_cast<int>(CaseCounter::cases.passed + CaseCounter::cases.failedButOk) - skipped;
  std::printf("cases: %d passed, %d failed, %d skipped\n", passed,
              static_cast<int>(CaseCounter::cases.failed), skipped);
  return result;
}
