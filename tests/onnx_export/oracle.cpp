#include "tests/onnx_export/oracle.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "ir/support/error.h"

namespace etch::test {
namespace {

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream f(path, std::ios::binary);
  f.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string source_folder() {
  const char* dir = std::getenv("ETCH_SOURCE_DIR");
  if (dir != nullptr) return cat(dir, "/tests/onnx_export");
  return std::filesystem::path(__FILE__).parent_path().string();
}

}  // namespace

const char* oracle_python() {
  const char* python = std::getenv("ETCH_PYTHON");
  if (python == nullptr || !std::filesystem::exists(python)) return nullptr;
  return python;
}

OracleBatch::OracleBatch() {
  std::string name = (std::filesystem::temp_directory_path() / "etch-oracle-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) fail("test", cat("cannot make the folder ", name));
  folder_ = name;
}

OracleBatch::~OracleBatch() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void OracleBatch::add(const Case& c) {
  std::string model = cat("m", cases_++, ".onnx");
  write_file(cat(folder_, "/", model), c.bytes);
  auto list = [&](const std::vector<Named>& values) {
    std::string out;
    for (const Named& v : values) {
      out += cat(out.empty() ? "" : ", ", "{\"name\": \"", v.name, "\", \"dtype\": \"",
                 v.value.dtype, "\", \"sizes\": ", v.value.sizes, ", \"offset\": ", data_.size(),
                 ", \"bytes\": ", v.value.bytes.size(), "}");
      data_.append(reinterpret_cast<const char*>(v.value.bytes.data()), v.value.bytes.size());
    }
    return cat("[", out, "]");
  };
  std::string inputs = list(c.inputs), outputs = list(c.outputs);
  manifest_ += cat(manifest_.empty() ? "" : ",\n", "{\"name\": \"", c.name, "\", \"model\": \"",
                   model, "\", \"opset\": ", c.opset, ", \"rtol\": ", c.rtol,
                   ", \"atol\": ", c.atol, ", \"run\": ", c.run, ", \"must_run\": ", c.must_run,
                   ",\n  \"inputs\": ", inputs, ",\n  \"outputs\": ", outputs, "}");
}

OracleBatch::Answer OracleBatch::run() {
  write_file(cat(folder_, "/manifest.json"), cat("[", manifest_, "]\n"));
  write_file(cat(folder_, "/data.bin"), data_);
  std::string command =
      cat("'", oracle_python(), "' '", source_folder(), "/oracle.py' '", folder_, "' 2>&1");
  Answer answer;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return answer;
  char buffer[4096];
  while (size_t n = fread(buffer, 1, sizeof buffer, pipe)) answer.text.append(buffer, n);
  answer.ok = pclose(pipe) == 0;
  return answer;
}

}  // namespace etch::test
