// Etch's operators and fused graphs beside libtorch and kernels written by hand.
//   kernel_bench [--threads N] [--rounds N] [--only TEXT]
#include "bench/kernel_bench.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ir/support/error.h"
#include "ir/support/text.h"

namespace etch::bench {

Data::Data(int64_t rows, int64_t cols)
    : x(zeros({rows, cols}).clone()),
      y(zeros({rows, cols}).clone()),
      m(zeros({rows, cols}).clone()),
      w(zeros({cols}).clone()),
      b(zeros({cols}).clone()) {
  uint32_t state = 1;
  const auto next = [&] {
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;  // [-1, 1)
  };
  const auto fill = [](const Tensor& t, const auto& value) {
    auto* p = t.data<float>();
    for (int64_t i = 0, n = t.numel().value(); i < n; ++i) p[i] = value();
  };
  fill(x, [&] { return 3 * next(); });
  fill(y, next);
  fill(m, [&] { return next() < 0.8f ? 1.0f : 0.0f; });
  fill(w, [&] { return 1 + 0.2f * next(); });
  fill(b, [&] { return 0.2f * next(); });
}

Operands Data::operands() const {
  Operands o;
  o.rows = x.sizes()[0], o.cols = x.sizes()[1];
  o.x = x.data<float>(), o.y = y.data<float>(), o.m = m.data<float>();
  o.w = w.data<float>(), o.b = b.data<float>();
  return o;
}

void require_same(const std::string& what, const std::vector<float>& own,
                  const std::vector<float>& peer, double tolerance) {
  if (own.size() != peer.size()) fail_internal(cat(what, ": sizes differ"));
  float largest = 0;
  for (float v : peer) largest = std::max(largest, std::fabs(v));
  for (size_t i = 0; i < own.size(); ++i) {
    const bool same = tolerance == 0
                          ? std::memcmp(&own[i], &peer[i], sizeof(float)) == 0
                          : double{std::fabs(own[i] - peer[i])} <= tolerance * double{largest};
    if (!same) {
      fail_internal(cat(what, ": element ", i, " is ", own[i], ", the peer has ", peer[i]));
    }
  }
}

}  // namespace etch::bench

int main(int argc, char** argv) {
  using namespace etch::bench;
  return run_program([&] {
    const Options options = parse_options("kernel_bench", argc, argv);
    use_fair_environment(options, argv);
    etch::set_num_threads(options.threads);
    Session session("kernel_bench", options,
                    etch::cat("\"libtorch\": \"", torch_peer::version(), "\""));
    measure_small_ops(session);
    measure_eager_kernels(session);
    measure_graphs(session);
  });
}
