// Trains a convolutional network on real digits, eagerly and compiled, and takes it through every
// stage: usage: example-digits DATA.csv.gz OUT_FOLDER [EPOCHS]
#include <cstdio>
#include <cstring>
#include <exception>

#include "etch/autograd.h"
#include "etch/io.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "net.h"

using namespace etch;

namespace {

constexpr int64_t kBatch = 64;

struct Trained {
  Generator rng{2026};
  digits::Net net{rng};
  optim::Adam optimizer{net.parameters(), 2e-3};
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

int64_t differing(const Tensor& a, const Tensor& b) {
  std::vector<float> x = a.to_vector<float>(), y = b.to_vector<float>();
  int64_t n = 0;
  for (size_t i = 0; i < x.size(); ++i) n += std::memcmp(&x[i], &y[i], sizeof(float)) != 0;
  return n;
}

/// A batch, and the losses of three more steps on it: what a resumed program has to see as well.
void save_continuation(const digits::Data& data, Jit& step, const std::string& out) {
  const Tensor in[] = {data.train_x.slice(0, 0, kBatch), data.train_y.slice(0, 0, kBatch)};
  std::vector<float> losses;
  for (int i = 0; i < 3; ++i) losses.push_back(step(in).front().item<float>());
  save_tensors({{"x", in[0]}, {"y", in[1]}, {"losses", from_vector(losses, {3})}},
               out + "/digits_batch.npz");
}

int run(const std::string& csv, const std::string& out, int epochs) {
  digits::Data data = digits::load(csv, 1);
  std::printf("%lld training and %lld test images\n",
              static_cast<long long>(data.train_x.sizes()[0]),
              static_cast<long long>(data.test_x.sizes()[0]));

  Trained eager;
  digits::History slow =
      digits::train(data, epochs, kBatch, 7, [&](const Tensor& x, const Tensor& y) {
        return digits::train_step(eager.net, eager.optimizer, x, y);
      });
  double score = digits::accuracy(eager.net, data.test_x, data.test_y);
  std::printf("eager:     %zu steps in %.2f s, last loss %.5f, test accuracy %.2f %%\n",
              slow.losses.size(), slow.seconds, double{slow.losses.back()}, 100 * score);

  Trained traced;
  TraceOptions options;
  options.state = digits::training_state(traced.net, traced.optimizer);
  Jit step =
      jit([&](const Tensor& x,
              const Tensor& y) { return digits::train_step(traced.net, traced.optimizer, x, y); },
          {"x", "y"}, options);
  digits::History fast =
      digits::train(data, epochs, kBatch, 7, [&](const Tensor& x, const Tensor& y) {
        const Tensor in[] = {x, y};
        return step(in).front();
      });
  bool equal = same_bits(slow.losses, fast.losses);
  CompiledStats s = step.stats();
  std::printf("compiled:  %zu steps in %.2f s, speed-up %.2f, loss curve %s\n", fast.losses.size(),
              fast.seconds, slow.seconds / fast.seconds, equal ? "bit-identical" : "DIFFERS");
  std::printf("           kernels built %zu, run %llu, fallbacks %zu\n", s.kernels_built,
              static_cast<unsigned long long>(s.kernels_run), s.fallbacks);

  step.program().save(out + "/digits_step.etch");
  save_continuation(data, step, out);

  traced.net.eval();
  NoGrad no_grad;
  TraceOptions inference;
  inference.state = traced.net.state();
  inference.dynamic = {{"x", 0, "N"}};
  Trace trace = etch::trace([&](const Tensor& x) { return traced.net(x); }, data.test_x, inference);
  Compiled program(trace);
  std::printf("\nrecorded:\n%s\nafter the passes:\n%s\n", trace.summary().c_str(),
              program.summary().c_str());
  int64_t wrong = 0;
  for (int64_t n : {1, 7, 360}) {
    Tensor x = data.test_x.slice(0, 0, n);
    int64_t d = differing(program(x), traced.net(x));
    std::printf("batch %3lld: compiled and eager differ in %lld elements\n",
                static_cast<long long>(n), static_cast<long long>(d));
    wrong += d;
  }
  CompiledStats p = program.stats();
  std::printf("kernels built %zu, run %llu, fallbacks %zu\n", p.kernels_built,
              static_cast<unsigned long long>(p.kernels_run), p.fallbacks);
  program.save(out + "/digits.etch");
  save_tensors({{"x", data.test_x}, {"y", data.test_y}, {"logits", traced.net(data.test_x)}},
               out + "/digits_test.npz");
  if (score < 0.97 || !equal || wrong != 0 || p.fallbacks != 0) {
    std::fprintf(stderr, "digits: a promise did not hold, see above\n");
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s DATA.csv.gz OUT_FOLDER [EPOCHS]\n", argv[0]);
    return 2;
  }
  try {
    return run(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 10);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 3;
  }
}
