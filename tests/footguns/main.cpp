// etch-footguns [NAME...]: runs the programs with tracing and without, compares what they did, and
// prints a table. With names it prints both logs as well. `--run NAME` is one program alone.
// Without tracing (etch-footguns-eager) it prints what they do.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include <unistd.h>

#include "tests/footguns/footgun.h"

namespace etch::footguns {
namespace {

constexpr unsigned kSecondsEach = 60;
constexpr const char* kLogStarts = "=== log";
constexpr const char* kStatsStart = "=== stats";
constexpr const char* kReasonStarts = "=== reason";
constexpr const char* kErrorStarts = "=== error";
constexpr const char* kEnd = "=== end";

/// Runs one program and prints everything about it, for the process that compares.
int run_alone(const Program& program) {
  alarm(kSecondsEach);  // a program that hangs is a crash
  Log log;
  std::string error;
  try {
    program.run(log);
  } catch (const std::exception& e) {
    error = e.what();
  }
  JitStats total;
  std::string reason;
  for (const Jit& j : log.jits()) {
    const JitStats s = j.stats();
    total.leaves = std::max(total.leaves, s.leaves);
    total.recordings = std::max(total.recordings, s.recordings);
    total.replays += s.replays;
    total.eager_calls += s.eager_calls + !s.eager_because.empty();
    total.fallbacks += s.fallbacks;
    if (reason.empty() || !s.eager_because.empty()) {
      reason = s.eager_because.empty() ? j.explain_last_miss() : s.eager_because;
    }
  }
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  std::replace(error.begin(), error.end(), '\n', ' ');
  std::cout << "\n" << kLogStarts << "\n" << log.text() << kStatsStart << "\n";
  std::cout << total.leaves << " " << total.recordings << " " << total.replays << " "
            << total.eager_calls << " " << total.fallbacks << "\n";
  std::cout << kReasonStarts << "\n" << reason << "\n" << kErrorStarts << "\n" << error << "\n";
  std::cout << kEnd << std::endl;
  return 0;
}

/// What one program did in a process of its own.
struct Run {
  bool finished = false;
  std::string log, reason, error;
  size_t leaves = 0, recordings = 0, replays = 0, eager = 0, fallbacks = 0;
};

Run run_in_process(const std::string& executable, const std::string& name) {
  std::string text;
  FILE* pipe = popen((executable + " --run " + name).c_str(), "r");
  if (pipe == nullptr) return {};
  char buffer[4096];
  while (size_t n = std::fread(buffer, 1, sizeof(buffer), pipe)) text.append(buffer, n);
  const int status = pclose(pipe);
  Run run;
  auto part = [&](const char* from, const char* to) {
    const std::string a = std::string(from) + "\n", b = std::string(to) + "\n";
    const size_t start = text.find(a), end = text.find(b);
    if (start == std::string::npos || end == std::string::npos) return std::string();
    return text.substr(start + a.size(), end - start - a.size());
  };
  run.finished = status == 0 && text.find(kEnd) != std::string::npos;
  run.log = part(kLogStarts, kStatsStart);
  std::istringstream(part(kStatsStart, kReasonStarts)) >> run.leaves >> run.recordings >>
      run.replays >> run.eager >> run.fallbacks;
  auto line = [](std::string s) { return s.substr(0, s.find('\n')); };
  run.reason = line(part(kReasonStarts, kErrorStarts));
  run.error = line(part(kErrorStarts, kEnd));
  return run;
}

/// What a program's file says about it.
struct Expectation {
  std::string outcome;     // "right", ...; empty when the first line has none
  std::string error_line;  // "file.cpp:12"
};

Expectation expectation_of(const std::string& root, const Program& program) {
  Expectation out;
  std::ifstream file(root + "/" + program.file);
  const std::string name = program.file.substr(program.file.rfind('/') + 1);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (number == 1) {
      for (const char* known : {"right", "right, eager", "retraces", "error", "documented limit"}) {
        if (line.starts_with(std::string("// ") + known + ": ")) out.outcome = known;
      }
    }
    if (line.ends_with("// error here")) out.error_line = cat(name, ":", number);
  }
  return out;
}

/// The outcome in the words of the expectations, or what is wrong.
std::string outcome_of(const Run& traced, const Run& eager, const Expectation& expected) {
  if (!eager.finished || !eager.error.empty()) return "the judge failed: " + eager.error;
  if (!traced.finished) return "crashed";
  if (!traced.error.empty()) {
    if (!eager.log.starts_with(traced.log)) return "silently wrong before its error";
    const std::string& line = expected.error_line;
    const bool named = !line.empty() && traced.error.find("(" + line + ")") != std::string::npos;
    return named ? "error" : "error elsewhere: " + traced.error;
  }
  if (traced.log != eager.log) {
    return expected.outcome == "documented limit" ? "documented limit" : "silently wrong";
  }
  if (traced.fallbacks != 0) return "right with kernels that were not compiled";
  if (traced.eager != 0) return "right, eager";
  if (traced.leaves > 1 || traced.recordings > 2) return "retraces";
  return "right";
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

[[maybe_unused]] int compare_all(const std::string& self, const std::vector<std::string>& names) {
  const char* set = std::getenv("ETCH_SOURCE_DIR");
  const std::string root = set != nullptr ? set : ETCH_ROOT;
  const std::string limits = text_of(root + "/docs/semantics.md");
  std::vector<Program> list = programs();
  std::sort(list.begin(), list.end(),
            [](const Program& a, const Program& b) { return a.file < b.file; });
  std::map<std::string, int> counts;
  int wrong = 0, unexpected = 0;
  for (const Program& p : list) {
    if (!names.empty() && std::find(names.begin(), names.end(), p.name) == names.end()) continue;
    const Run traced = run_in_process(self, p.name);
    const Run eager = run_in_process(self + "-eager", p.name);
    const Expectation expected = expectation_of(root, p);
    const std::string outcome = outcome_of(traced, eager, expected);
    ++counts[outcome];
    wrong += outcome.starts_with("silently wrong");
    std::string at = outcome == "error" ? expected.error_line : place_in(traced.reason);
    if (at.empty() || outcome == "right")
      at = cat(p.file.substr(p.file.rfind('/') + 1), ":", p.line);
    std::printf("%-36s %-17s %s\n", p.name.c_str(), outcome.c_str(), at.c_str());
    if (outcome != expected.outcome) {
      ++unexpected;
      std::printf("    expected: %s\n", expected.outcome.c_str());
    }
    if (outcome == "documented limit" && limits.find("`" + p.name + "`") == std::string::npos) {
      ++unexpected;
      std::printf("    docs/semantics.md does not name it\n");
    }
    if (!names.empty()) {
      std::printf("--- eager\n%s--- traced\n%s", eager.log.c_str(), traced.log.c_str());
      std::printf("--- leaves %zu, recordings %zu, replays %zu, eager %zu\n%s\n%s\n", traced.leaves,
                  traced.recordings, traced.replays, traced.eager, traced.reason.c_str(),
                  traced.error.c_str());
    }
  }
  std::printf(
      "\nprograms: %zu\nright: %d\nright, eager: %d\nretraces: %d\nerrors with their line: %d\n",
      names.empty() ? list.size() : names.size(), counts["right"], counts["right, eager"],
      counts["retraces"], counts["error"]);
  std::printf("silently wrong: %d\ndocumented limit: %d\nnot as expected: %d\n", wrong,
              counts["documented limit"], unexpected);
  return unexpected == 0 ? 0 : 1;
}

}  // namespace
}  // namespace etch::footguns

int main(int argc, char** argv) {
  using namespace etch::footguns;
  std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() == 2 && args[0] == "--run") {
    for (const Program& p : programs()) {
      if (p.name == args[1]) return run_alone(p);
    }
    std::cerr << "no program named " << args[1] << "\n";
    return 2;
  }
#ifdef ETCH_NOTRACE
  for (const Program& p : programs()) {
    if (args.empty() || std::find(args.begin(), args.end(), p.name) != args.end()) run_alone(p);
  }
  return 0;
#else
  return compare_all(argv[0], args);
#endif
}
