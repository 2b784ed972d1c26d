// .etch files: a program with its constants and its State in one file.
//
// Sections of the container (runtime/io/container.h):
//   meta      JSON: producer, format, numerics, names of inputs, outputs and states, native
//   sections traced    text form of the graph as recorded (optional) graph     text form of the
//   graph after passes, with its fusion groups weights   safetensors: "constant/<hash>" for every
//   constant that the texts name by hash,
//             "state/<name>" for every tensor of the State
//   native.N  machine code, as the code generator stores it (optional)
// A graph section of an older grammar is upgraded while it is parsed; unknown sections are skipped.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/text.h"
#include "runtime/io/file.h"
#include "runtime/program/program.h"

namespace etch::runtime {

/// Machine code for one tier of processors. The runtime stores and returns it without looking
/// inside.
struct NativeSection {
  std::string tier;  // "avx2", "avx512"
  std::string key;   // everything the code depends on; to be compared in full before use
  Bytes bytes;
};

/// What an artifact holds.
struct Artifact {
  ir::Graph graph;                  // after passes: what Program::build() takes
  std::optional<ir::Graph> traced;  // as recorded
  State state;                      // initial, or where a saved program stopped
  std::string producer;             // filled in by save
  Level level = Level::Exact;       // what it was compiled for
  std::vector<NativeSection> native;
};

struct ArtifactOptions {
  IoLimits limits = {};
  ir::TextLimits text = {};
  FileAccess access = FileAccess::Copy;
  bool traced = false;        // parse the recorded graph, too
  bool trust_native = false;  // hand out machine code: only for files from a trusted place
};

/// Writes the file under a temporary name and renames it. Raises UserError when a tensor has no
/// stored form, or a State tensor does not fit the graph's input of that name.
void save_artifact(const std::string& path, const Artifact& artifact);
Bytes encode_artifact(const Artifact& artifact);

/// Reads a file that may be hostile: nothing in it is run, every size is checked and the graphs are
/// verified. Raises UserError (Unreadable) naming file and section.
Artifact load_artifact(const std::string& path, const ArtifactOptions& options = {});
Artifact decode_artifact(const Bytes& file, std::string_view where,
                         const ArtifactOptions& options = {});

}  // namespace etch::runtime
