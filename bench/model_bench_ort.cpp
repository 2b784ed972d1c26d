// ONNX Runtime through its shared library alone. Its interface is one table of functions, to which
// later versions only append, so entries are called by their position.
#include <dlfcn.h>
#include <glob.h>

#include <cstdlib>
#include <memory>

#include "bench/model_bench.h"
#include "ir/support/error.h"
#include "ir/support/text.h"

namespace etch::bench::ort_peer {

namespace {

enum Entry {
  kErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSessionFromArray = 8,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetOptimizationLevel = 23,
  kSetIntraThreads = 24,
  kSetInterThreads = 25,
  kTensorWithData = 49,
  kTensorData = 51,
  kCpuMemoryInfo = 69,
  kReleaseValue = 96,
};
constexpr uint32_t kInterface = 13;
constexpr int kLogErrors = 3, kAllOptimisations = 99, kFloat = 1, kArenaAllocator = 0,
              kDefaultMemory = 0;

struct ApiBase {
  const void* const* (*table)(uint32_t);
  const char* (*version)();
};

const ApiBase& api() {
  static const ApiBase* base = [] {
    const std::string path = library();
    void* handle = path.empty() ? nullptr : dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* get = handle == nullptr ? nullptr : dlsym(handle, "OrtGetApiBase");
    if (get == nullptr) {
      const char* why = path.empty() ? "not found" : dlerror();
      fail("onnxruntime", cat(path, ": ", why), "Point ORT_LIB at libonnxruntime.so");
    }
    return reinterpret_cast<const ApiBase* (*)()>(get)();
  }();
  return *base;
}

template <class... A>
void call(Entry entry, A... a) {
  static const void* const* const table = api().table(kInterface);
  void* status = reinterpret_cast<void* (*)(A...)>(const_cast<void*>(table[entry]))(a...);
  if (status == nullptr) return;
  const auto message =
      reinterpret_cast<const char* (*)(const void*)>(const_cast<void*>(table[kErrorMessage]));
  fail("onnxruntime", message(status));
}

void release_value(void* value) {
  const auto release =
      reinterpret_cast<void (*)(void*)>(const_cast<void*>(api().table(kInterface)[kReleaseValue]));
  release(value);
}

struct Session {
  std::string input, output;
  std::vector<int64_t> sizes;
  size_t output_numel = 0;
  void *handle = nullptr, *in = nullptr, *out = nullptr;

  void run() {
    const char* const names[] = {input.c_str()};
    const char* const results[] = {output.c_str()};
    if (out != nullptr) release_value(out);
    out = nullptr;
    call(kRun, handle, static_cast<void*>(nullptr), static_cast<const char* const*>(names),
         static_cast<const void* const*>(&in), size_t{1}, static_cast<const char* const*>(results),
         size_t{1}, &out);
  }
  std::vector<float> result() const {
    float* p = nullptr;
    call(kTensorData, out, &p);
    return {p, p + output_numel};
  }
};

}  // namespace

std::string library() {
  if (const char* given = std::getenv("ORT_LIB"); given != nullptr) return given;
  // Beside the program's folder lies what tools/setup.sh installed.
  const std::string pattern = cat(
      program_folder(), "/../venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so*");
  glob_t found{};
  std::string path;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) path = found.gl_pathv[0];
  globfree(&found);
  return path;
}

std::string version() { return api().version(); }

Inference model(const std::string& onnx, int threads, const std::string& input,
                std::vector<int64_t> sizes, float* x, const std::string& output,
                size_t output_numel) {
  auto s = std::make_shared<Session>();
  s->input = input, s->output = output, s->sizes = std::move(sizes), s->output_numel = output_numel;
  void *environment = nullptr, *options = nullptr, *memory = nullptr;
  call(kCreateEnv, kLogErrors, "etch", &environment);
  call(kCreateSessionOptions, &options);
  call(kSetIntraThreads, options, threads);
  call(kSetInterThreads, options, 1);
  call(kSetOptimizationLevel, options, kAllOptimisations);
  call(kCreateSessionFromArray, environment, static_cast<const void*>(onnx.data()), onnx.size(),
       options, &s->handle);
  call(kCpuMemoryInfo, kArenaAllocator, kDefaultMemory, &memory);
  size_t numel = 1;
  for (int64_t n : s->sizes) numel *= static_cast<size_t>(n);
  call(kTensorWithData, memory, static_cast<void*>(x), numel * sizeof(float), s->sizes.data(),
       s->sizes.size(), kFloat, &s->in);
  return {[s] { s->run(); }, [s] { return s->result(); }};
}

}  // namespace etch::bench::ort_peer
