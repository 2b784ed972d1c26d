// Shared by the tests of files: a scratch folder, hostile variants of a file, NumPy as oracle.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>

#include "ir/support/error.h"
#include "runtime/io/file.h"
#include "runtime/io/host_tensor.h"

namespace etch::runtime::test {

/// A folder of its own, removed at the end.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "etch-io-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  size_t count() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::string path_;
};

/// Heap memory of exactly this size, so that a sanitizer sees a read one past the end.
inline Bytes exact(std::string_view text) {
  std::shared_ptr<std::byte[]> owner(new std::byte[text.size()]);
  std::memcpy(owner.get(), text.data(), text.size());
  std::span<const std::byte> view(owner.get(), text.size());
  return Bytes(std::move(owner), view);
}

/// The message of the UserError (Unreadable) that `f` throws; "" when it throws none.
inline std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const UserError& e) {
    CHECK(e.kind() == ErrorKind::Unreadable);
    return e.what();
  }
  return "";
}

using Decode = std::function<void(const Bytes&)>;

/// Every proper prefix must be refused.
inline void check_truncations(const std::string& file, const Decode& decode) {
  size_t accepted = 0;
  for (size_t n = 0; n < file.size(); ++n) {
    if (refusal([&] { decode(exact(std::string_view(file).substr(0, n))); }).empty()) ++accepted;
  }
  CHECK(accepted == 0);
}

/// Flips every bit in turn; returns how many of the variants were accepted.
inline size_t accepted_flips(const std::string& file, const Decode& decode) {
  size_t accepted = 0;
  for (size_t i = 0; i < file.size() * 8; ++i) {
    std::string flipped = file;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    if (refusal([&] { decode(exact(flipped)); }).empty()) ++accepted;
  }
  return accepted;
}

inline HostTensor pattern(DType dtype, std::vector<int64_t> shape, uint32_t seed = 1) {
  std::string data(tensor_nbytes(dtype, shape), '\0');
  std::mt19937 random(seed);
  for (char& c : data) c = static_cast<char>(dtype == DType::Bool ? random() & 1 : random() & 255);
  return make_host_tensor(dtype, std::move(shape),
                          std::as_bytes(std::span<const char>(data.data(), data.size())));
}

inline const std::vector<std::vector<int64_t>>& test_shapes() {
  static const std::vector<std::vector<int64_t>> shapes = {
      {}, {0}, {1}, {7}, {3, 4}, {2, 0, 3}, {2, 3, 5}, {1, 1, 1, 1}, {2, 1, 2, 1, 2, 1, 2, 2}};
  return shapes;
}

inline const std::vector<DType>& numpy_types() {
  static const std::vector<DType> types = {
      DType::Bool, DType::U8,  DType::I8,  DType::U16, DType::I16, DType::U32, DType::I32,
      DType::U64,  DType::I64, DType::F16, DType::F32, DType::F64, DType::C64, DType::C128};
  return types;
}

/// Runs a Python program with NumPy in folder `folder`; false (with a note) when ETCH_PYTHON does
/// not name an interpreter.
inline bool run_python(const Scratch& folder, const std::string& program) {
  const char* python = std::getenv("ETCH_PYTHON");
  if (python == nullptr || *python == '\0') {
    WARN("skipped: ETCH_PYTHON does not name a python3 with numpy");
    return false;
  }
  write_file(folder / "program.py", program);
  std::string command = "cd '" + folder.path() + "' && '" + python + "' program.py";
  INFO(program);
  REQUIRE(std::system(command.c_str()) == 0);
  return true;
}

}  // namespace etch::runtime::test
