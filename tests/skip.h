// Leaving a test case when something outside the project is absent.
#pragma once

namespace etch::test {

/// Counts the running case as skipped and prints why.
void note_skip(const char* reason);

}  // namespace etch::test

/// Leaves the test case as skipped. Not for a failure of Etch: only for a missing oracle or device.
#define ETCH_SKIP(reason)          \
  do {                             \
    etch::test::note_skip(reason); \
    return;                        \
  } while (false)
