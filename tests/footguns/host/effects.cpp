// documented limit: what a function does besides computing happens in real runs only.
#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(effects) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / cat("footgun-", getpid(), ".log");
  std::vector<int> pushed;
  int count = 0;
  Tensor last;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        pushed.push_back(1);
        ++count;
        std::cout << "called\n";
        std::ofstream(path, std::ios::app) << "x";
        last = x * 2;
        return last;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
  log.emit("pushed", static_cast<int64_t>(pushed.size()));
  log.emit("count", count);
  log.emit("last", last);
  log.emit("written", static_cast<int64_t>(std::filesystem::file_size(path)));
  std::filesystem::remove(path);
}
