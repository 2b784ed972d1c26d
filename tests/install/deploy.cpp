// Runs a saved network through the C++ wrapper of the C interface.
#include <cstdio>
#include <etch/rt.hpp>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    etch::rt::Program program(argv[1]);
    etch::rt::Session session(program);
    const float x[] = {1, 2, 3, 4, 5, 6};
    std::vector<etch::rt::Array> y = session.run({etch::rt::view(x, {2, 3})});
    for (size_t i = 0; i < y[0].size(); ++i) {
      std::printf("%a\n", static_cast<double>(y[0].as<float>()[i]));
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
