#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "etch/rt.hpp"
#include "runtime/program/artifact.h"
#include "tests/runtime/program_support.h"

using namespace etch;
using namespace etch::test;

extern "C" int etch_c99_test(const char* path, const char* saved_path, const char* weights_path);

namespace {

runtime::Artifact counter() {
  runtime::Artifact a;
  a.graph = graph(R"(
    symbol N in [0, 100]
    %x = input "x" : f32[N, 2]
    %n = state "steps" : f32[]
    %y = add(%x, %n) : f32[N, 2]
    %one = full() {shape=dims[], value=f32:0x3f800000} : f32[]
    %m = add(%n, %one) : f32[]
    result "y" = %y
    result "steps.next" = %m -> state 1
)");
  a.state.set("steps", scalar_tensor(0.0, DType::F32));
  return a;
}

/// Files of one test, removed at its end.
struct Files {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / cat("etch-capi-", ::getpid());
  Files() { std::filesystem::create_directories(folder); }
  ~Files() { std::filesystem::remove_all(folder); }
  std::string operator()(const char* name) const { return (folder / name).string(); }
};

}  // namespace

TEST_CASE("the runtime works from C99") {
  Files files;
  runtime::save_artifact(files("net.etch"), counter());
  int line = etch_c99_test(files("net.etch").c_str(), files("saved.etch").c_str(),
                           files("state.safetensors").c_str());
  INFO("line of capi_c99.c, and the last error: " << etch_last_error());
  CHECK(line == 0);
}

TEST_CASE("the C++ wrapper runs programs and throws what the runtime reports") {
  Files files;
  runtime::save_artifact(files("net.etch"), counter());
  rt::Session session{rt::Program(files("net.etch"))};
  std::vector<float> x{1, 2, 3, 4};
  session.run({rt::view(x, {2, 2})});
  std::vector<rt::Array> y = session.run({rt::view(x, {2, 2})});
  REQUIRE(y.size() == 1);
  CHECK(y[0].sizes == std::vector<int64_t>{2, 2});
  CHECK(y[0].size() == 4);
  CHECK(y[0].as<float>()[3] == 5);
  CHECK_THROWS_AS(y[0].as<double>(), std::invalid_argument);
  CHECK(session.state.get("steps").as<float>()[0] == 2);
  CHECK(session.program.inputs()[0].dims == std::vector<std::string>{"N", "2"});
  try {
    session.run({rt::view(x, {4})});
    FAIL("no error");
  } catch (const rt::Error& e) {
    CHECK(e.status() == ETCH_USAGE);
    CHECK_THAT(e.what(), Catch::Contains("input 'x': expected f32[N, 2], got f32[4]"));
  }
  session.state.save_program(session.program, files("later.etch"));
  rt::Session later{rt::Program(files("later.etch"))};
  CHECK(later.state.get("steps").as<float>()[0] == 2);
}

TEST_CASE("threads run one program through the C interface") {
  Files files;
  runtime::save_artifact(files("net.etch"), counter());
  rt::Program program(files("net.etch"));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      rt::State state(program);
      rt::Context context(program);
      std::vector<float> x(static_cast<size_t>(2 * t + 2), 1.0f);
      for (int i = 0; i < 30; ++i) {
        std::vector<rt::Array> y = rt::run(program, state, context, {rt::view(x, {t + 1, 2})});
        wrong += y[0].as<float>()[0] != 1.0f + static_cast<float>(i);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}
