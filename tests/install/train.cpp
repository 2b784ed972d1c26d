// Traces a network with a dynamic batch, compiles it, checks it against eager and saves it.
#include <etch/jit.h>
#include <etch/nn.h>
#include <etch/ops.h>
#include <etch/random.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  etch::Generator rng(1);
  etch::nn::Linear layer(3, 2, rng);
  etch::Tensor x = etch::tensor<float>({1, 2, 3, 4, 5, 6}).view({2, 3});

  etch::TraceOptions options;
  options.dynamic = {{"x", 0, "N"}};
  options.state = layer.state();
  etch::CompileOptions compile;
  compile.strict = true;
  auto f = [&](const etch::Tensor& t) { return etch::softmax(etch::relu(layer(t)), 1); };
  etch::Compiled compiled(etch::trace(f, x, options), compile);

  std::vector<float> want = f(x).to_vector<float>(), got = compiled(x).to_vector<float>();
  if (got != want || compiled.stats().fallbacks != 0) {
    std::fprintf(stderr, "compiled differs from eager\n");
    return 1;
  }
  for (float v : got) std::printf("%a\n", static_cast<double>(v));
  compiled.save(argv[1]);
}
