// Artifacts that released versions wrote still load, run and go on to the same bits.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "codegen/program_source.h"
#include "etch/rt.hpp"
#include "ir/support/hash.h"
#include "ir/text.h"
#include "runtime/io/container.h"
#include "runtime/io/json.h"
#include "runtime/io/npz.h"
#include "runtime/io/tensor_io.h"
#include "runtime/program/artifact.h"
#include "runtime/program/plan.h"
#include "tests/golden/golden.h"
#include "tests/support/op_call.h"

using namespace etch;
using namespace etch::test;
namespace fs = std::filesystem;

namespace {

/// One row per released version; rows are added and never changed.
struct Release {
  const char* version;
  const char* hash;        // of all its files
  const char* first_line;  // of its graphs
  int64_t format;          // of its meta section
};
constexpr Release kReleases[] = {
    {"0.1.0", "3c3d454a73329ea8885b5eae3e0be681", "etch.ir 1", 1},
};

std::string golden_folder() {
  const char* source = std::getenv("ETCH_SOURCE_DIR");
  REQUIRE(source != nullptr);
  return cat(source, "/tests/golden");
}

std::vector<std::string> files_of(const std::string& folder, std::string_view ending) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(ending)) out.push_back(entry.path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string hash_of(const std::string& folder) {
  Hasher hasher;
  for (const std::string& path : files_of(folder, "")) {
    hasher.update_string(fs::path(path).filename().string());
    hasher.update_string(runtime::read_file(path).text());
  }
  return hasher.digest128().to_hex();
}

/// The runs that lie beside an artifact.
struct Record {
  runtime::TensorMap map;
  size_t runs = 0;

  explicit Record(const std::string& artifact)
      : map(runtime::read_npz(fs::path(artifact).replace_extension(".npz").string())) {
    while (map.lower_bound(cat(runs, "/")) != map.lower_bound(cat(runs, "0"))) ++runs;
  }
  const runtime::HostTensor& at(const std::string& name) const {
    auto it = map.find(name);
    if (it == map.end()) throw std::out_of_range(name);
    return it->second;
  }
  Tensor tensor(const std::string& name) const { return runtime::to_tensor(at(name)); }
  /// Names below a prefix such as "end/", without it.
  std::vector<std::string> names(const std::string& prefix) const {
    std::vector<std::string> out;
    for (const auto& [name, tensor] : map) {
      if (name.starts_with(prefix)) out.push_back(name.substr(prefix.size()));
    }
    return out;
  }
};

void check_same(const Record& record, const std::string& name, const Tensor& got) {
  INFO(name);
  CHECK(first_difference(to_dense(got), to_dense(record.tensor(name))).empty());
}

/// Runs `first` to `last` of the record on `program`.
void replay(const runtime::Program& program, runtime::State& state, const Record& record,
            size_t first, size_t last) {
  runtime::Context context(program);
  for (size_t r = first; r < last; ++r) {
    std::vector<Tensor> in;
    for (const runtime::Port& p : program.inputs()) {
      in.push_back(record.tensor(cat(r, "/in/", p.name)));
    }
    std::vector<Tensor> out = program.run(state, context, in);
    REQUIRE(record.names(cat(r, "/out/")).size() == out.size());
    for (size_t i = 0; i < out.size(); ++i) {
      check_same(record, cat(r, "/out/", program.outputs()[i].name), out[i]);
    }
  }
}

void check_end(const Record& record, const runtime::State& state) {
  for (const std::string& name : record.names("end/")) {
    check_same(record, "end/" + name, state.get(name));
  }
}

rt::View view_of(const runtime::HostTensor& t) {
  return {t.bytes.data(), static_cast<etch_dtype>(t.dtype), t.shape, {}};
}

Tensor tensor_of(const rt::Array& a) {
  return from_bytes(a.memory.data(), a.sizes, static_cast<DType>(a.dtype));
}

/// The same through etch/rt.h.
void replay(rt::Session& session, const Record& record, size_t first, size_t last) {
  std::vector<rt::Port> outputs = session.program.outputs();
  for (size_t r = first; r < last; ++r) {
    std::vector<rt::View> in;
    for (const rt::Port& p : session.program.inputs()) {
      in.push_back(view_of(record.at(cat(r, "/in/", p.name))));
    }
    std::vector<rt::Array> out = session.run(in);
    for (size_t i = 0; i < out.size(); ++i) {
      check_same(record, cat(r, "/out/", outputs[i].name), tensor_of(out[i]));
    }
  }
}

/// Calls f(release, path of an artifact) for every golden artifact.
template <class F>
void each_artifact(F&& f) {
  size_t count = 0;
  for (const Release& release : kReleases) {
    for (const std::string& path : files_of(cat(golden_folder(), "/v", release.version), ".etch")) {
      INFO(path);
      f(release, path);
      ++count;
    }
  }
  CHECK(count >= 4 * std::size(kReleases));
}

/// A file of this test, removed at its end.
struct Scratch {
  std::string path =
      (fs::temp_directory_path() / cat("etch-golden-", ::getpid(), ".etch")).string();
  ~Scratch() { fs::remove(path); }
};

}  // namespace

TEST_CASE("golden files are those that their release wrote") {
  for (const Release& release : kReleases) {
    INFO(release.version);
    CHECK(hash_of(cat(golden_folder(), "/v", release.version)) == release.hash);
  }
  for (const auto& entry : fs::directory_iterator(golden_folder())) {
    if (!entry.is_directory()) continue;
    std::string name = entry.path().filename().string();
    INFO(name);
    CHECK(std::any_of(std::begin(kReleases), std::end(kReleases),
                      [&](const Release& r) { return name == cat("v", r.version); }));
  }
}

TEST_CASE("golden artifacts state their versions and their graphs survive printing") {
  each_artifact([](const Release& release, const std::string& path) {
    auto file = runtime::ContainerReader::open(path);
    runtime::Bytes meta = file.section("meta");
    runtime::JsonValue json = runtime::parse_json(meta.text(), path, "test");
    CHECK(json.at("format").as_int("format") == release.format);
    CHECK(json.at("producer").as_string("producer") == cat("etch ", release.version));
    CHECK(json.at("numerics").as_string("numerics") == "exact");
    for (const char* section : {"graph", "traced"}) {
      runtime::Bytes text = file.section(section);
      CHECK(text.text().starts_with(cat(release.first_line, "\n")));
    }
    runtime::Artifact a = runtime::load_artifact(path, {.traced = true});
    runtime::Artifact again =
        runtime::decode_artifact(runtime::encode_artifact(a), "again", {.traced = true});
    CHECK(ir::same_graph(a.graph, again.graph));
    CHECK(ir::same_graph(*a.traced, *again.traced));
  });
}

TEST_CASE("golden artifacts give the bits of their release from every engine") {
  each_artifact([](const Release&, const std::string& path) {
    const Record record(path);
    REQUIRE(record.runs > 0);
    codegen::CompiledKernels kernels;
    for (const char* engine : {"interpreter", "machine code", "graph as recorded"}) {
      INFO(engine);
      bool map = engine[0] == 'm';
      runtime::Artifact a = runtime::load_artifact(
          path,
          {.access = map ? runtime::FileAccess::Map : runtime::FileAccess::Copy, .traced = true});
      runtime::Program program =
          engine[0] == 'g'
              ? runtime::Program::build(*a.traced)
              : runtime::Program::build(a.graph, {.kernels = map ? &kernels : nullptr});
      replay(program, a.state, record, 0, record.runs);
      check_end(record, a.state);
    }
  });
}

TEST_CASE("golden artifacts run and resume through the C interface") {
  each_artifact([](const Release&, const std::string& path) {
    const Record record(path);
    Scratch scratch;
    size_t half = record.runs / 2;
    rt::Session before{rt::Program(path)};
    replay(before, record, 0, half);
    before.state.save_program(before.program, scratch.path);
    rt::Session after{rt::Program(scratch.path)};
    replay(after, record, half, record.runs);
    for (const std::string& name : record.names("end/")) {
      check_same(record, "end/" + name, tensor_of(after.state.get(name)));
    }
  });
}

// Run by the target `golden`, when a version is released.
TEST_CASE("the golden files of this version are written", "[.][write_golden]") {
  std::string folder = golden_folder() + "/v" ETCH_VERSION_TEXT;
  write_golden(folder);
  std::cout << "the row of " << folder << " is {\"" ETCH_VERSION_TEXT "\", \"" << hash_of(folder)
            << "\", \"etch.ir " << ir::kTextVersion << "\", ...}\n";
}
