#include "tools/cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "tools/cli/console.h"

namespace etch::cli {

namespace {

std::atomic<int> writing{0};
std::atomic<bool> interrupted{false};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_interrupt(int) {
  interrupted.store(true);
  if (writing.load() == 0) ::_exit(kInterrupted);
}

}  // namespace

void handle_interrupts() {
  struct sigaction action = {};
  action.sa_handler = &on_interrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

Writing::Writing() { writing.fetch_add(1); }

Writing::~Writing() {
  if (writing.fetch_sub(1) == 1 && interrupted.load()) ::_exit(kInterrupted);
}

}  // namespace etch::cli
