#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "codegen/compiler.h"
#include "codegen/object.h"
#include "ir/support/error.h"
#include "tests/codegen/hand_kernel.h"

using namespace etch;
using namespace etch::codegen;
using namespace etch::test;

namespace {

HandKernel sample_kernel(double scale = 2) {
  HandKernel c({100}, {});
  ir::Expr x = c.load(DType::F32);
  c.store(x * scale + 1, false);
  return c;
}

bool runs(const CompiledKernel& k, float scale) {
  HandKernel c = sample_kernel(scale);
  std::vector<float> in(100, 3.0f), out(100);
  void* buffers[] = {in.data(), out.data()};
  ir::loop::BoundKernel b;
  bind(c.k, {}, b);
  ir::loop::KernelArgs args{buffers, b.sizes.data(), b.strides.data(), b.offsets.data(), nullptr, 0,
                            100,     nullptr};
  k.fn()(&args);
  return out == std::vector<float>(100, 3.0f * scale + 1);
}

struct Folder {
  std::string path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "etch-compiler-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

CompileSettings sync_settings() {
  return {.strict = true, .target = target_for(runtime::best_isa())};
}

}  // namespace

TEST_CASE("equal kernels share one handle and different ones do not") {
  KernelCompiler compiler(cpu_backend(), "");
  auto a = compiler.get(sample_kernel().k, sync_settings());
  auto b = compiler.get(sample_kernel().k, sync_settings());
  auto c = compiler.get(sample_kernel(5).k, sync_settings());
  CHECK(a == b);
  CHECK(a != c);
  CHECK(runs(*a, 2));
  CHECK(runs(*c, 5));
  CompileStatistics s = compiler.statistics();
  CHECK(s.built == 2);
  CHECK(s.memory_hits == 1);
  CHECK(s.fallbacks == 0);
}

TEST_CASE("a second compiler loads kernels from disk, and recompiles damaged ones") {
  Folder f;
  KernelCompiler(cpu_backend(), f.path).get(sample_kernel().k, sync_settings());
  KernelCompiler second(cpu_backend(), f.path);
  CHECK(runs(*second.get(sample_kernel().k, sync_settings()), 2));
  CHECK(second.statistics().disk_hits == 1);
  CHECK(second.statistics().built == 0);
  CompileSettings other = sync_settings();
  other.options.tier = 0;
  second.get(sample_kernel().k, other);
  CHECK(second.statistics().built == 1);
  for (const auto& e : std::filesystem::directory_iterator(f.path + "/kernels")) {
    std::ofstream(e.path(), std::ios::app) << "damage";
  }
  KernelCompiler third(cpu_backend(), f.path);
  CHECK(runs(*third.get(sample_kernel().k, sync_settings()), 2));
  CHECK(third.statistics().built == 1);
}

TEST_CASE("background compilation delivers, also to callers who then wait") {
  KernelCompiler compiler(cpu_backend(), "");
  CompileSettings settings = sync_settings();
  settings.mode = CompileMode::Background;
  std::vector<std::shared_ptr<const CompiledKernel>> kernels;
  for (int i = 0; i < 10; ++i) kernels.push_back(compiler.get(sample_kernel(i).k, settings));
  auto last = compiler.get(sample_kernel(9).k, sync_settings());
  CHECK(runs(*last, 9));
  compiler.wait_idle();
  for (int i = 0; i < 10; ++i) CHECK(runs(*kernels[static_cast<size_t>(i)], static_cast<float>(i)));
  CHECK(compiler.statistics().built == 10);
}

TEST_CASE("many threads may ask for the same kernels") {
  KernelCompiler compiler(cpu_backend(), "");
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 6; ++i)
        good += runs(*compiler.get(sample_kernel(i).k, sync_settings()), static_cast<float>(i));
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(good == 24);
  CHECK(compiler.statistics().built == 6);
}

TEST_CASE("an unsupported kernel falls back with a reason, and is an error when strict") {
  KernelCompiler compiler(cpu_backend(), "");
  CompileSettings settings{.target = target_for(runtime::Isa::Generic)};
  auto k = compiler.get(sample_kernel().k, settings);
  CHECK(k->fn() == nullptr);
  CHECK(k->failed());
  CHECK(k->reason().find("AVX2") != std::string::npos);
  CHECK(compiler.statistics().fallbacks == 1);
  settings.strict = true;
  CHECK_THROWS_AS(compiler.get(sample_kernel().k, settings), UserError);
}

TEST_CASE("a forked child compiles on its own") {
  KernelCompiler& compiler = KernelCompiler::instance();
  CompileSettings settings = sync_settings();
  settings.mode = CompileMode::Background;
  for (int i = 20; i < 30; ++i) compiler.get(sample_kernel(i).k, settings);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    bool ok = runs(*compiler.get(sample_kernel(29).k, sync_settings()), 29);
    ok = ok && runs(*compiler.get(sample_kernel(40).k, sync_settings()), 40);
    compiler.wait_idle();
    _exit(ok ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  compiler.wait_idle();
}

TEST_CASE("damaged objects are refused, never run") {
  HandKernel c = sample_kernel();
  PlanResult plan = make_plan(c.k);
  CompiledObject object;
  REQUIRE(cpu_backend().compile({&*plan.plan, 1}, target_for(runtime::best_isa()), {}, object) ==
          "");
  for (size_t cut = 0; cut < object.bytes.size(); cut += 7) {
    CHECK_THROWS_AS(MappedObject(std::string_view(object.bytes).substr(0, cut)), UserError);
  }
  // Any changed byte either loads or is refused; the code is not called.
  for (size_t i = 0; i < object.bytes.size(); ++i) {
    std::string bad = object.bytes;
    bad[i] = static_cast<char>(bad[i] ^ 0xff);
    try {
      MappedObject mapped(bad);
    } catch (const UserError&) {
    }
  }
}
