// Ctrl-C: the process ends at once with 130, except while a file is being put in place.
#pragma once

namespace etch::cli {

/// From now on SIGINT and SIGTERM end the process with 130.
void handle_interrupts();

/// While alive, an interrupt waits until this is gone, so that no temporary file is left behind.
class Writing {
 public:
  Writing();
  ~Writing();
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
};

}  // namespace etch::cli
