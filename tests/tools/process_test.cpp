// The command as a process: streams, exit codes, signals, what it maps.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/skip.h"

namespace {

std::string program() {
  const char* build = std::getenv("ETCH_BINARY_DIR");
  std::string path = build == nullptr ? "" : std::string(build) + "/bin/etch";
  return path.empty() || access(path.c_str(), X_OK) != 0 ? "" : path;
}

std::string plugin() {
  std::string path = std::string(std::getenv("ETCH_BINARY_DIR")) + "/lib/libplugin.so";
  return access(path.c_str(), R_OK) == 0 ? path : "";
}

struct Said {
  int code = -1;
  std::string text;
};

/// Runs a shell line; `text` is what it writes to standard output.
Said shell(const std::string& line) {
  Said said;
  std::FILE* pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr) return said;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) != 0;)
    said.text.append(buffer, n);
  int status = ::pclose(pipe);
  said.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return said;
}

bool holds(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

}  // namespace

#define NEEDS_PROGRAM()               \
  const std::string etch = program(); \
  if (etch.empty()) ETCH_SKIP("the program bin/etch is not built")

TEST_CASE("help and version go to standard output and never load LLVM", "[command]") {
  NEEDS_PROGRAM();
  Said help = shell("LD_DEBUG=files LD_DEBUG_OUTPUT=/dev/stdout " + etch + " --help 2>&1");
  CHECK(help.code == 0);
  CHECK(holds(help.text, "compare"));
  CHECK_FALSE(holds(help.text, "libLLVM"));
  CHECK(holds(shell(etch + " run --help 2>/dev/null").text, "--outputs"));
  CHECK(holds(shell(etch + " --version 2>/dev/null").text, "etch "));
  CHECK_FALSE(holds(shell("LD_DEBUG=files " + etch + " run zoo:mlp --engine interpret 2>&1").text,
                    "libLLVM"));
}

TEST_CASE("results go to standard output and everything else to standard error", "[command]") {
  NEEDS_PROGRAM();
  CHECK(shell(etch + " ops add 2>/dev/null").text.starts_with("add: "));
  Said bad = shell(etch + " run zoo:none 2>/dev/null");
  CHECK(bad.text.empty());
  CHECK(bad.code == 2);
  Said error = shell(etch + " run zoo:none 2>&1 >/dev/null");
  CHECK(error.text.starts_with("error: [model] "));
  CHECK_FALSE(holds(error.text, "\033"));
  CHECK(shell(etch + " inspect none.etch 2>/dev/null").code == 3);
  CHECK(shell(etch + " run zoo:mlp --outputs /proc/none/y.npz 2>/dev/null").code == 4);
  CHECK(shell(etch + " ops 2>/dev/null >/dev/full").code == 4);
}

TEST_CASE("an unknown tier is a usage error, and a known one changes no bit", "[command]") {
  NEEDS_PROGRAM();
  CHECK(shell("ETCH_ISA=avx9 " + etch + " run zoo:mlp 2>/dev/null").code == 2);
  Said best = shell(etch + " compare zoo:mlp 2>/dev/null");
  if (best.code == 4) ETCH_SKIP("the LLVM module is not built");
  CHECK(best.code == 0);
  CHECK(holds(best.text, "fallbacks 0"));
  Said generic = shell("ETCH_ISA=generic " + etch + " run zoo:mlp --dim N=3 2>/dev/null");
  Said same = shell(etch + " run zoo:mlp --dim N=3 --engine eager 2>/dev/null");
  CHECK(generic.code == 0);
  CHECK(generic.text == same.text);
}

TEST_CASE("without the LLVM module compare says so and run interprets", "[command]") {
  NEEDS_PROGRAM();
  const std::string without = "ETCH_LLVM_PATH=/proc/none ETCH_CACHE_DIR= " + etch;
  CHECK(shell(without + " compare zoo:mlp 2>/dev/null").code == 4);
  CHECK(shell(without + " run zoo:mlp 2>/dev/null").code == 0);
  CHECK(holds(shell(without + " run zoo:mlp 2>&1 >/dev/null").text, "interpreted"));
}

// The thread sanitizer holds a signal back while the process waits in write(): the tag leaves it
// out.
TEST_CASE("an interrupt ends the command with 130", "[command][signals]") {
  NEEDS_PROGRAM();
  // The pipe takes less than the answer, so the command waits in the middle of writing it.
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::execl(etch.c_str(), "etch", "ops", "--json", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(ends[1]);
  char first = 0;
  CHECK(::read(ends[0], &first, 1) == 1);
  ::kill(child, SIGINT);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(ends[0]);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
}

TEST_CASE("a plug-in's models run, take parameters and keep their state", "[command]") {
  NEEDS_PROGRAM();
  const std::string library = plugin();
  if (library.empty()) ETCH_SKIP("the example plug-in is not built");
  Said same = shell(etch + " compare '" + library + ":gated?width=16' --a interpret 2>&1");
  INFO(same.text);
  CHECK(same.code == 0);
  CHECK(holds(same.text, "f32[3, 16]"));
  CHECK(shell(etch + " compare '" + library + ":centred' --a interpret 2>&1").code == 0);
  // Recording runs the code, and leaves no trace of that in the saved state.
  std::string file = "plugin-test-" + std::to_string(::getpid()) + ".etch";
  REQUIRE(
      shell(etch + " trace " + library + ":centred --dynamic x:0=N -o " + file + " 2>&1").code ==
      0);
  Said resumed = shell(etch + " compare " + library + ":centred --a eager --b " + file + " 2>&1");
  std::remove(file.c_str());
  INFO(resumed.text);
  CHECK((resumed.code == 0 || resumed.code == 4));
  Said missing = shell(etch + " run " + library + ":gatd 2>&1");
  CHECK(missing.code == 2);
  CHECK(holds(missing.text, "Did you mean gated?"));
}

TEST_CASE("a plug-in whose initialisers raise ends the command with an error", "[command]") {
  NEEDS_PROGRAM();
  const std::string library = std::string(std::getenv("ETCH_BINARY_DIR")) + "/lib/libbad_plugin.so";
  Said said = shell("ETCH_TEST_THROW_AT_START=1 " + etch + " run " + library + ":no_result 2>&1");
  CHECK(said.code == 5);
  CHECK(said.text == "error: [etch] the command ended early: at start\n");
}

TEST_CASE("an answer that nobody reads to its end is no error of the command", "[command]") {
  NEEDS_PROGRAM();
  Said first = shell(etch + " ops --json 2>&1 | head -n 1");
  CHECK(first.text == "{\n");
}

TEST_CASE("the library of level fast is opened at that level only", "[command]") {
  NEEDS_PROGRAM();
  const std::string files = "LD_DEBUG=files " + etch + " run zoo:lenet --engine interpret ";
  CHECK_FALSE(holds(shell(files + "2>&1").text, "etch_onednn"));
  Said fast = shell(files + "--level fast 2>&1");
  if (fast.code == 4) ETCH_SKIP("the oneDNN module is not built");
  CHECK(fast.code == 0);
  CHECK(holds(fast.text, "etch_onednn.so"));
  CHECK(holds(fast.text, "level fast: oneDNN ran 5 contractions"));
}

TEST_CASE("compare measures level fast instead of asking for every bit", "[command]") {
  NEEDS_PROGRAM();
  Said fast = shell(etch + " compare zoo:lenet --a interpret --level fast 2>/dev/null");
  if (fast.code == 4) ETCH_SKIP("the oneDNN module is not built");
  INFO(fast.text);
  CHECK(fast.code == 0);
  CHECK(holds(fast.text, "interpret at level fast against eager"));
  CHECK(holds(fast.text, "max |a - b| / |b|"));
  CHECK(holds(fast.text, "close: the largest difference is"));
  Said strict =
      shell(etch + " compare zoo:lenet --a interpret --level fast --tolerance 1e-12 2>/dev/null");
  CHECK(strict.code == 1);
  CHECK(holds(strict.text, "too far"));
  CHECK(shell(etch + " compare zoo:mlp --a eager --level fast 2>/dev/null").code == 2);
  CHECK(shell(etch + " run zoo:mlp --level fats 2>&1").text.find("Did you mean fast?") !=
        std::string::npos);
}

TEST_CASE("without the library level fast is an error, and an artifact of it runs exactly",
          "[command]") {
  NEEDS_PROGRAM();
  const std::string without = "ETCH_ONEDNN_PATH=/proc/none " + etch;
  Said missing = shell(without + " run zoo:mlp --level fast 2>&1");
  CHECK(missing.code == 4);
  CHECK(holds(missing.text, "level fast needs oneDNN"));
  CHECK(holds(missing.text, "/proc/none/etch_onednn.so"));
  std::string file = "level-test-" + std::to_string(::getpid()) + ".etch";
  REQUIRE(shell(etch + " trace zoo:mlp --level fast -o " + file + " 2>&1").code == 0);
  CHECK(holds(shell(etch + " inspect " + file + " 2>&1").text, "level fast"));
  Said fallback = shell(without + " run " + file + " --engine interpret 2>&1 >/dev/null");
  CHECK(fallback.code == 0);
  CHECK(holds(fallback.text, "exact kernels ran"));
  Said exact = shell(etch + " compare " + file + " --a interpret --level exact 2>&1");
  std::remove(file.c_str());
  CHECK(exact.code == 0);
  CHECK(holds(exact.text, "same: 0 differing bits"));
}

TEST_CASE("developer tools refuse what they do not know, too", "[command]") {
  NEEDS_PROGRAM();
  const std::string bin = etch.substr(0, etch.rfind('/') + 1);
  if (access((bin + "etch-ulp").c_str(), X_OK) == 0) {
    CHECK(shell(bin + "etch-ulp --help").code == 0);
    CHECK(shell(bin + "etch-ulp --stride 2>/dev/null").code == 2);
    CHECK(shell(bin + "etch-ulp --count -5 2>/dev/null").code == 2);
    CHECK(shell(bin + "etch-ulp expp 2>/dev/null").code == 2);
  }
  if (access((bin + "etch-difffuzz").c_str(), X_OK) == 0) {
    CHECK(shell(bin + "etch-difffuzz --n x 2>/dev/null").code == 2);
    CHECK(shell(bin + "etch-difffuzz --n -1 2>/dev/null").code == 2);
  }
  if (access((bin + "etch-opgen").c_str(), X_OK) == 0) {
    CHECK(shell(bin + "etch-opgen /proc/none 2>/dev/null").code == 4);
  }
}
