// Runs what example-digits saved, linking only the deployment runtime (etch_rt): no LLVM, no
// protobuf. usage: example-digits_deploy FOLDER [IMAGE]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "etch/io.h"
#include "etch/rt.hpp"

namespace {

std::vector<float> floats(const std::vector<etch::NamedTensor>& file, const std::string& name) {
  for (const etch::NamedTensor& t : file) {
    if (t.name == name) return t.tensor.to_vector<float>();
  }
  throw std::runtime_error("the file holds no tensor named " + name);
}

std::vector<int64_t> labels(const std::vector<etch::NamedTensor>& file, const std::string& name) {
  for (const etch::NamedTensor& t : file) {
    if (t.name == name) return t.tensor.to_vector<int64_t>();
  }
  throw std::runtime_error("the file holds no tensor named " + name);
}

void draw(const float* pixels) {
  static const char* kShades[] = {"  ", "..", "oo", "OO", "##"};
  for (int y = 0; y < 8; ++y) {
    std::printf("    ");
    for (int x = 0; x < 8; ++x) {
      std::printf("%s", kShades[std::min(4, static_cast<int>(pixels[y * 8 + x] * 5))]);
    }
    std::printf("\n");
  }
}

/// Draws one test image and says what it is.
bool predict(const std::string& folder, size_t image) {
  auto test = etch::load_tensors(folder + "/digits_test.npz");
  std::vector<float> x = floats(test, "x"), want = floats(test, "logits");
  std::vector<int64_t> y = labels(test, "y");
  if (image >= y.size())
    throw std::runtime_error("there are only " + std::to_string(y.size()) + " images");
  draw(&x[image * 64]);
  etch::rt::Session net(etch::rt::Program(folder + "/digits.etch"));
  auto out = net.run({etch::rt::view(&x[image * 64], {1, 1, 8, 8})});
  const float* logits = out[0].as<float>();
  auto digit = std::max_element(logits, logits + 10) - logits;
  bool same = std::memcmp(logits, &want[image * 10], 10 * sizeof(float)) == 0;
  std::printf("predicted %d, label %d, logits %s those of training\n", static_cast<int>(digit),
              static_cast<int>(y[image]), same ? "bit-equal to" : "DIFFERENT from");
  return same;
}

/// Goes on training from the saved State and compares the losses with what the trainer went on to
/// see.
bool resume(const std::string& folder) {
  auto batch = etch::load_tensors(folder + "/digits_batch.npz");
  std::vector<float> x = floats(batch, "x"), want = floats(batch, "losses");
  std::vector<int64_t> y = labels(batch, "y");
  int64_t rows = static_cast<int64_t>(y.size());
  etch::rt::Session step(etch::rt::Program(folder + "/digits_step.etch"));
  bool same = true;
  for (float loss : want) {
    auto out =
        step.run({etch::rt::view(x.data(), {rows, 1, 8, 8}), etch::rt::view(y.data(), {rows})});
    float got = *out[0].as<float>();
    same &= std::memcmp(&got, &loss, sizeof(float)) == 0;
    std::printf("  resumed step: loss %.7f, the trainer saw %.7f\n", double{got}, double{loss});
  }
  std::printf("training resumed from the saved State: %s\n", same ? "same bits" : "DIFFERENT bits");
  return same;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [IMAGE]\n", argv[0]);
    return 2;
  }
  try {
    bool ok = predict(argv[1], argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 3);
    return resume(argv[1]) && ok ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 3;
  }
}
