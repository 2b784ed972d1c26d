// right: weights that are loaded from a file between calls.
#include <unistd.h>
#include <filesystem>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(weights_loaded_from_file) {
  Generator rng(1);
  nn::Linear net(3, 2, rng), other(3, 2, rng);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        NoGrad no_grad;
        return net(x);
      },
      {"x"});
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / cat("footgun-", getpid(), ".safetensors");
  nn::save(other, path.string());
  for (int i = 0; i < 6; ++i) {
    if (i == 3) nn::load(net, path.string());
    log.call(f, ramp({2, 3}));
  }
  std::filesystem::remove(path);
}
