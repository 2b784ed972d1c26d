#include "bench/measure.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string_view>

#include "ir/support/error.h"
#include "ir/support/text.h"
#include "runtime/isa.h"

namespace etch::bench {

namespace {

constexpr double kSample = 4e-3;     // seconds that one sample lasts at least
constexpr double kDisturbed = 1.10;  // calibration above its best by this: drop the round
constexpr double kCaseBudget = 12;   // seconds after which a case takes no more rounds
constexpr size_t kFewest = 5;        // rounds; with fewer good ones, the least disturbed count
constexpr const char* kRestarted = "ETCH_BENCH_RESTARTED";

int number(const std::string& program, const char* text) {
  int value = 0;
  const auto r = std::from_chars(text, text + std::strlen(text), value);
  if (r.ec != std::errc() || *r.ptr != '\0' || value < 1) {
    fail(program, cat("'", text, "' is no positive number"), "");
  }
  return value;
}

double clock_seconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const size_t n = v.size();
  return n % 2 == 1 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string row_name(const std::string& group, const std::string& name, const std::string& size) {
  return cat("\"group\": ", quoted(group), ", \"case\": ", quoted(name),
             ", \"size\": ", quoted(size));
}

/// Five significant digits.
std::string digits(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", v);
  return text;
}

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

void pin_to_one_core() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return;
  // The last core: the first takes most interrupts.
  int last = -1;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) last = i;
  }
  if (last < 0) return;
  CPU_ZERO(&set);
  CPU_SET(last, &set);
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace

Options parse_options(const std::string& program, int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (i + 1 < argc && arg == "--threads") {
      o.threads = number(program, argv[++i]);
    } else if (i + 1 < argc && arg == "--rounds") {
      o.rounds = number(program, argv[++i]);
    } else if (i + 1 < argc && arg == "--only") {
      o.only = argv[++i];
    } else {
      fail(program, cat("unknown argument '", arg, "'"),
           "Use --threads N, --rounds N, --only TEXT");
    }
  }
  return o;
}

void use_fair_environment(const Options& options, char** argv) {
  if (std::getenv(kRestarted) == nullptr) {
    const std::string threads = std::to_string(options.threads);
    // Page faults of every large temporary would be most of a peer's time.
    setenv("GLIBC_TUNABLES",
           "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592", 1);
    setenv("OMP_NUM_THREADS", threads.c_str(), 1);
    setenv("OPENBLAS_NUM_THREADS", threads.c_str(), 1);
    if (runtime::best_isa() == runtime::Isa::Avx512) setenv("ATEN_CPU_CAPABILITY", "avx512", 0);
    setenv(kRestarted, "1", 1);
    execv("/proc/self/exe", argv);
    fail("bench", cat("cannot restart: ", std::strerror(errno)), "Is /proc mounted?");
  }
  if (options.threads == 1) pin_to_one_core();
}

Session::Session(const std::string& program, const Options& options, const std::string& facts)
    : options_(options) {
  for (int i = 0; i < 200; ++i) calibrate();
  std::printf(
      "{\"program\": %s, \"processor\": %s, \"isa\": \"%s\", \"threads\": %d, %s%s\"rows\": [",
      quoted(program).c_str(), quoted(processor()).c_str(),
      std::string(runtime::name(runtime::active_isa())).c_str(), options.threads, facts.c_str(),
      facts.empty() ? "" : ", ");
}

Session::~Session() { std::printf("\n]}\n"); }

bool Session::wants(const std::string& group, const std::string& name,
                    const std::string& size) const {
  return options_.only.empty() ||
         cat(group, " ", name, " ", size).find(options_.only) != std::string::npos;
}

/// A fixed piece of arithmetic that fills the core's multipliers, some 0.2 ms: what changes in its
/// time is the machine's doing, such as a busy sibling thread or a lower clock.
double Session::calibrate() {
  const double begin = clock_seconds(CLOCK_MONOTONIC);
  double a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
  for (int i = 0; i < 60000; ++i) {
    a = a * 0.999 + 0.1;
    b = b * 0.998 + 0.2;
    c = c * 0.997 + 0.3;
    d = d * 0.996 + 0.4;
    e = e * 0.995 + 0.5;
    f = f * 0.994 + 0.6;
    g = g * 0.993 + 0.7;
    h = h * 0.992 + 0.8;
    asm volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f), "+x"(g), "+x"(h));
  }
  const double t = clock_seconds(CLOCK_MONOTONIC) - begin;
  if (best_calibration_ == 0 || t < best_calibration_) best_calibration_ = t;
  return t;
}

/// Processor time of this thread when it is the only one at work, so that neither other programs
/// nor waiting threads of a peer count; else wall time.
double Session::seconds(const Run& run, int reps) const {
  const clockid_t clock = options_.threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const double begin = clock_seconds(clock);
  for (int i = 0; i < reps; ++i) run();
  return (clock_seconds(clock) - begin) / reps;
}

int Session::reps_for(const Run& run) const {
  run();
  run();
  const double once = std::max(1e-8, seconds(run, 1));
  return static_cast<int>(std::clamp(kSample / once, 1.0, 1e6));
}

void Session::measure(const Case& c) {
  struct Round {
    double calibration;
    std::vector<double> times;
  };
  std::vector<const Run*> runs = {&c.own};
  for (const Peer& p : c.peers) runs.push_back(&p.run);
  std::vector<int> reps;
  for (const Run* r : runs) reps.push_back(reps_for(*r));
  std::vector<Round> rounds;
  const double stop = clock_seconds(CLOCK_MONOTONIC) + kCaseBudget;
  const auto is_good = [&](const Round& r) {
    return r.calibration <= kDisturbed * best_calibration_;
  };
  const auto wanted = static_cast<size_t>(options_.rounds);
  size_t good = 0;
  while (good < wanted && rounds.size() < 4 * wanted &&
         (rounds.size() < kFewest || clock_seconds(CLOCK_MONOTONIC) < stop)) {
    Round r{calibrate(), {}};
    for (size_t i = 0; i < runs.size(); ++i) r.times.push_back(seconds(*runs[i], reps[i]));
    r.calibration = std::max(r.calibration, calibrate());
    rounds.push_back(std::move(r));
    good = static_cast<size_t>(std::count_if(rounds.begin(), rounds.end(), is_good));
  }
  // Where the machine never calmed down, the calmest rounds are all there is; the row says so.
  std::sort(rounds.begin(), rounds.end(),
            [](const Round& a, const Round& b) { return a.calibration < b.calibration; });
  const size_t kept = std::max(good, std::min(kFewest, rounds.size()));
  std::vector<std::vector<double>> times(runs.size());
  for (size_t r = 0; r < kept; ++r) {
    for (size_t i = 0; i < runs.size(); ++i) times[i].push_back(rounds[r].times[i] / c.count);
  }
  for (size_t i = 0; i < c.peers.size(); ++i) {
    print_row(c, c.peers[i], times[0], times[i + 1], rounds.size() - kept, good < kept);
  }
}

void Session::print_row(const Case& c, const Peer& peer, const std::vector<double>& own,
                        const std::vector<double>& other, size_t dropped, bool disturbed) {
  std::vector<double> ratios;
  for (size_t i = 0; i < own.size(); ++i) ratios.push_back(own[i] / other[i]);
  std::string fields =
      cat(row_name(c.group, c.name, c.size), ", \"peer\": ", quoted(peer.name),
          ", \"own_us\": ", digits(median(own) * 1e6),
          ", \"peer_us\": ", digits(median(other) * 1e6), ", \"ratio\": ", digits(median(ratios)),
          ", \"goal\": ", digits(peer.goal), ", \"rounds\": ", own.size(),
          ", \"dropped\": ", dropped, ", \"disturbed\": ", disturbed ? "true" : "false");
  if (c.details) fields += cat(", ", c.details(median(own)));
  print_fields(fields);
}

void Session::record(const std::string& group, const std::string& name, const std::string& size,
                     const std::vector<double>& seconds, const std::string& details) {
  print_fields(cat(row_name(group, name, size), ", \"own_us\": ", digits(median(seconds) * 1e6),
                   ", \"rounds\": ", seconds.size(), details.empty() ? "" : ", ", details));
}

void Session::print_fields(const std::string& fields) {
  std::printf("%s  {%s}", separator_, fields.c_str());
  std::fflush(stdout);
  separator_ = ",\n";
}

std::string program_folder() {
  char path[4096];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  if (n <= 0) fail("bench", "cannot read /proc/self/exe", "Is /proc mounted?");
  const std::string_view text(path, static_cast<size_t>(n));
  return std::string(text.substr(0, text.rfind('/')));
}

int run_program(const std::function<void()>& body) {
  try {
    body();
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

}  // namespace etch::bench
