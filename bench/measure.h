// Measuring beside a peer: both run in one process and by turns, so that the machine's moods reach
// both. Programs print one JSON object; bench/run joins them and makes a table.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace etch::bench {

using Run = std::function<void()>;

struct Options {
  int threads = 1;
  int rounds = 11;   // undisturbed ones wanted
  std::string only;  // cases whose "group case size" holds this text
};
/// --threads N, --rounds N, --only TEXT; UserError for anything else.
Options parse_options(const std::string& program, int argc, char** argv);

/// Restarts the program once with the environment in which the peers are fastest (bench/README.md),
/// where that is not set already; with one thread, pins the process to one core.
void use_fair_environment(const Options& options, char** argv);

/// What is measured against: a library, or a kernel written by hand.
struct Peer {
  std::string name;
  double goal = 0;  // own time / peer's time should be at most this; 0: for information
  Run run;
};

struct Case {
  std::string group, name, size;
  double count = 1;  // operations in one call of a Run
  Run own;
  std::vector<Peer> peers;
  /// Asked after measuring, with the own time of one operation: more fields for the JSON row, e.g.
  /// `"kernels_built": 1`.
  std::function<std::string(double seconds)> details;
};

/// Runs cases and prints their rows as JSON; a case's closures live only while it is measured.
class Session {
 public:
  /// `facts`: more fields of the JSON object, such as the versions of peers.
  Session(const std::string& program, const Options& options, const std::string& facts);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool wants(const std::string& group, const std::string& name, const std::string& size) const;
  void measure(const Case& c);
  /// A row for information: the median of times, in seconds, that have no peer; `details` are more
  /// fields, as in Case.
  void record(const std::string& group, const std::string& name, const std::string& size,
              const std::vector<double>& seconds, const std::string& details);

 private:
  double calibrate();
  double seconds(const Run& run, int reps) const;
  int reps_for(const Run& run) const;
  void print_row(const Case& c, const Peer& peer, const std::vector<double>& own,
                 const std::vector<double>& other, size_t dropped, bool disturbed);
  void print_fields(const std::string& fields);

  Options options_;
  double best_calibration_ = 0;
  const char* separator_ = "\n";
};

/// The folder that the running program lies in.
std::string program_folder();

/// The program's main(): reports errors on stderr with exit code 2.
int run_program(const std::function<void()>& body);

}  // namespace etch::bench
