// Calling the command as a library.
#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tools/cli/app.h"
#include "tools/cli/text.h"

namespace etch::test {

/// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "etch-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::string path_;
};

struct Said {
  int code = -1;
  std::string out, err;
};

inline Said etch_run(const std::vector<std::string>& args) {
  Said said;
  cli::Console console;
  console.out = [&](std::string_view t) { said.out += t; };
  console.err = [&](std::string_view t) { said.err += t; };
  said.code = cli::run_command(args, console);
  return said;
}

/// Runs `args`, expects `code`, and one error whose text holds `piece`.
inline void check_error(const std::vector<std::string>& args, int code, const std::string& piece) {
  Said said = etch_run(args);
  INFO("args: " << cli::join(args, " ") << "\nout: " << said.out << "\nerr: " << said.err);
  CHECK(said.code == code);
  CHECK(said.out.empty());
  CHECK(said.err.starts_with("error: "));
  CHECK(said.err.find(piece) != std::string::npos);
}

inline bool holds(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

inline void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace etch::test
