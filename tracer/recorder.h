// The recorder: turns the operator calls of one thread into a graph.
#pragma once

#include <optional>
#include <unordered_map>

#include "etch/trace.h"
#include "ir/graph.h"
#include "runtime/recorder.h"

namespace etch::tracer {

/// What Trace points to.
struct TraceData {
  ir::Graph graph;
  std::vector<NamedTensor> state;
  std::vector<Capture> captures;
  std::vector<NamedTensor> inputs;
  std::vector<Tensor> results;
};

/// Records while installed (see Recording). Buffers are functionalised: each has a current graph
/// value, and a traced view remembers the chain of view nodes from its buffer's value.
class GraphRecorder : public runtime::Recorder, public DimResolver {
 public:
  explicit GraphRecorder(const TraceOptions& options);

  /// Declares an input of the function; its dynamic axes become symbols.
  void add_input(const NamedTensor& input);
  /// The graph value of a tensor, capturing it when it is not traced.
  ir::Value value_of_tensor(const Tensor& t);
  /// Adds results and state writes; the graph is complete.
  TraceData finish(const std::vector<NamedTensor>& results);

  void record(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
              std::span<const Tensor> out) override;
  void record_write(const Tensor& self, const Tensor& value) override;
  Dim size_of(const Tensor& t, int axis, SourceLoc loc) override;
  int64_t example(Dim d) override { return dim_eval(d, examples_); }
  void host_read(const Tensor& t, SourceLoc loc, std::string_view what) override;

  int64_t value_of(Dim d) override;
  bool equal(Dim a, Dim b) override;
  bool less(Dim a, Dim b) override;

 private:
  /// One buffer that the trace knows.
  struct Buffer {
    Tensor holder;      // keeps the storage, and so its address, alive
    ir::Value current;  // of the whole buffer, shaped as `holder`
    int state = -1;     // index into data_.state
    int input = -1;     // index of the function's input
    bool made_here = false;
    bool written = false;
  };

  ir::Value append(const ir::OpDef& op, std::span<const ir::Value> in, const void* attrs);
  Buffer& buffer_of(const Tensor& t);
  ir::Value capture(const Tensor& t);
  ir::Value capture_constant(const Tensor& t);
  /// What the trace knows of a tensor: its value while its storage has this version.
  struct Note {
    ir::Value value;
    uint32_t version = 0;
  };
  std::optional<Note> note(const runtime::TensorImpl& t) const;
  void set_note(const Tensor& t, Note note);
  void bind(const Tensor& t, ir::Value v);
  bool traced(const runtime::TensorImpl& t) const { return note(t).has_value(); }
  /// View nodes from a buffer's value down to v, outermost first.
  std::vector<ir::NodeId> view_chain(ir::Value v) const;
  ir::Value replay_views(std::span<const ir::NodeId> chain, ir::Value base);
  ir::Value write_through(std::span<const ir::NodeId> chain, ir::Value base, ir::Value value);
  [[noreturn]] void refuse(const std::string& what, Dim d);
  void stamp_origin();

  const TraceOptions& options_;
  TraceData data_;
  uint64_t epoch_;
  uint64_t first_serial_;
  SymbolBindings examples_;
  std::unordered_map<const runtime::Storage*, Buffer> buffers_;
  /// Notes of tensors that are older than the recording, whichever handle looks at their window.
  /// Younger ones carry theirs; older ones may be used by recordings of several threads at once.
  struct Older {
    Tensor holder;
    Note note;
  };
  std::unordered_map<const runtime::Storage*, std::vector<Older>> older_;
  std::unordered_map<uint64_t, SourceLoc> size_locs_;
};

/// Installs a recorder on this thread while alive.
class Recording {
 public:
  explicit Recording(GraphRecorder& recorder);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  runtime::Recorder* before_;
  DimResolver* resolver_before_;
};

}  // namespace etch::tracer
