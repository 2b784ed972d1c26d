// What people get wrong: each mistake has one error that says what, where and what to do.
#include <catch2/catch.hpp>
#include <limits>

#include "etch/tensor.h"
#include "runtime/allocator.h"
#include "runtime/io/npy.h"
#include "runtime/io/npz.h"
#include "runtime/io/tensor_io.h"
#include "tests/skip.h"
#include "tests/tools/command_support.h"

using namespace etch;
using namespace etch::cli;
using namespace etch::test;

namespace {

std::string library(const char* name) {
  const char* build = std::getenv("ETCH_BINARY_DIR");
  std::string path = std::string(build == nullptr ? "" : build) + "/lib/" + name;
  return access(path.c_str(), R_OK) == 0 ? path : "";
}

}  // namespace

TEST_CASE("what is given twice is an error, not the last one's", "[command]") {
  check_error({"run", "zoo:mlp", "--dim", "N=3", "--dim", "N=4"}, kUsage, "N is 3 already");
  check_error({"run", "zoo:mlp?seed=3&seed=4"}, kUsage, "seed is given twice");
  check_error({"trace", "zoo:mlp", "--dynamic", "x:0=N", "--dynamic", "x:-2=M"}, kUsage,
              "this axis is N already");
}

TEST_CASE("empty names and names of other files are refused before any work", "[command]") {
  Folder folder;
  check_error({"run", ""}, kUsage, "empty");
  check_error({"trace", "zoo:mlp", "-o", ""}, kUsage, "empty");
  check_error({"run", "zoo:mlp", "--outputs", ""}, kUsage, "empty");
  check_error({"trace", "zoo:mlp", "-o", folder / "m.onnx"}, kUsage, "m.etch");
  check_error({"export", "zoo:mlp", "-o", folder / "m.etch"}, kUsage, "m.onnx");
  check_error({"run", "zoo:mlp", "--outputs", folder / "y.npy"}, kUsage, "y.npz");
  CHECK(folder.files() == 0);
}

TEST_CASE("options say what form they take", "[command]") {
  check_error({"trace", "zoo:mlp", "--dynamic", "x"}, kUsage, "INPUT:AXIS=SYMBOL[:LOW:HIGH]");
  check_error({"run", "zoo:mlp", "--dim", "N"}, kUsage, "SYMBOL=SIZE");
  check_error({"export", "zoo:mlp", "-o", "m.onnx", "--opset", "ten"}, kUsage, "expected a number");
  for (const char* tolerance : {"-1", "x", "1x"}) {
    check_error({"compare", "zoo:mlp", "--tolerance", tolerance}, kUsage,
                std::string("expected a number of at least 0, got ") + tolerance);
  }
  check_error({"export", "zoo:mlp", "-o", "m.onnx", "--for", "ORT"}, kUsage, "Did you mean ort?");
  check_error({"--verison"}, kUsage, "Did you mean --version?");
  check_error({"ops", "RELU"}, kUsage, "Did you mean relu?");
}

TEST_CASE("help names the command, also when it is asked for as a verb", "[command]") {
  Said help = etch_run({"help", "run"});
  CHECK(help.code == kDone);
  CHECK(holds(help.out, "Usage: etch run"));
  CHECK(holds(help.out, "VALUE"));
  CHECK(help.out == etch_run({"run", "--help"}).out);
  CHECK(etch_run({"help"}).out == etch_run({"--help"}).out);
  CHECK_FALSE(holds(etch_run({"doctor", "--help"}).out, "MODEL"));
}

TEST_CASE("sizes beyond any machine are an error of the input", "[command]") {
  check_error({"run", "zoo:mlp", "--dim", "N=1000000000000000"}, kUsage, "x: f32[1000000000000000");
  check_error({"run", "zoo:mlp", "--dim", "N=9223372036854775807"}, kUsage, "beyond any machine");
}

TEST_CASE("memory that is not there is no misuse", "[command]") {
  const size_t unlimited = std::numeric_limits<size_t>::max();
  runtime::MemoryStats now = runtime::memory_stats();
  runtime::set_memory_budget(now.live + now.cached + (size_t{8} << 20));
  Said said = etch_run({"run", "zoo:mlp", "--dim", "N=1000000", "--engine", "interpret"});
  runtime::set_memory_budget(unlimited);
  CHECK(said.code == kUnavailable);
  CHECK(holds(said.err, "cannot allocate 256000000 bytes"));
  CHECK(holds(said.err, "hint: Raise it, or use smaller sizes"));
}

TEST_CASE("arrays that cannot be used are named with their file", "[command]") {
  Folder folder;
  runtime::HostTensor half;
  half.dtype = DType::C64;
  half.shape = {1, 64};
  half.bytes = runtime::Bytes::copy(std::string(64 * 8, '\0'));
  runtime::write_npy(folder / "c64.npy", half);
  check_error({"run", "zoo:mlp", "--input", "x=@" + (folder / "c64.npy")}, kUnreadable,
              "c64.npy: holds c64, which cannot be computed with; x takes f32");
  runtime::HostTensor x = runtime::to_host(zeros({1, 64}));
  runtime::write_npz(folder / "two.npz", {{"a", x}, {"b", x}});
  check_error({"run", "zoo:mlp", "--input", "x=@" + (folder / "two.npz")}, kUsage,
              "where KEY is a or b");
  write_text(folder / "junk.npz", "junk");
  check_error({"run", "zoo:mlp", "--input", "x=@" + (folder / "junk.npz")}, kUnreadable,
              "not a zip archive");
}

TEST_CASE("compare names the artifact that takes other inputs", "[command]") {
  Folder folder;
  REQUIRE(etch_run({"trace", "zoo:mlp", "-o", folder / "mlp.etch"}).code == kDone);
  check_error({"compare", "zoo:lenet", "--a", "interpret", "--b", folder / "mlp.etch"}, kUsage,
              "mlp.etch takes other inputs");
}

TEST_CASE("a plug-in that is cut short or no library is refused before it is mapped", "[command]") {
  const std::string whole = library("libbad_plugin.so");
  REQUIRE_FALSE(whole.empty());
  Folder folder;
  std::ifstream in(whole, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  // Sections of debug information behind what is mapped may be cut off.
  for (size_t size : {1, 63, 64, 200, 2000, 8000}) {
    REQUIRE(size < bytes.size() / 2);
    write_text(folder / "cut.so", std::string_view(bytes).substr(0, size));
    check_error({"run", (folder / "cut.so") + ":no_result"}, kUnreadable,
                size < 64 ? "not a shared library" : "cut short");
  }
  std::string program = bytes;
  program[16] = 2;  // an executable
  write_text(folder / "cut.so", program);
  check_error({"run", (folder / "cut.so") + ":no_result"}, kUnreadable, "not a shared library");
  std::filesystem::create_directory(folder / "d.so");
  check_error({"run", (folder / "d.so") + ":net"}, kUnreadable, "folder");
}

TEST_CASE("whatever a plug-in's code does wrong is one error that names it", "[command]") {
  const std::string plugin = library("libbad_plugin.so");
  REQUIRE_FALSE(plugin.empty());
  struct Case {
    const char* model;
    int code;
    const char* piece;
  };
  for (const Case& c :
       {Case{"make_throws", kUnreadable, "disk on fire"},
        Case{"make_throws_number", kUnreadable, "no std::exception"},
        Case{"run_throws", kUnreadable, "no std::exception"},
        Case{"run_misuses", kUsage, "bad_plugin.cpp"}, Case{"no_result", kUsage, "undefined"},
        Case{"no_function", kUnreadable, "no function"},
        Case{"no_inputs", kUsage, "takes one tensor, 0 inputs"},
        Case{"undefined_input", kUnreadable, "\"x\" has no example"},
        Case{"same_inputs", kUnreadable, "two of its inputs are named \"x\""},
        Case{"undeclared", kUsage, "width"}}) {
    INFO(c.model);
    check_error({"run", plugin + ":" + c.model, "--engine", "interpret"}, c.code, c.piece);
    check_error({"compare", plugin + ":" + c.model, "--a", "eager", "--b", "interpret"}, c.code,
                c.piece);
  }
}
