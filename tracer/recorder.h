// The recorder: turns the operator calls of one thread into a graph.
#pragma once

#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "etch/trace.h"
#include "ir/facts.h"
#include "ir/graph.h"
#include "runtime/recorder.h"

namespace etch::tracer {

/// A decision of the host that the rest of the recording follows from.
struct TraceGuard {
  size_t at = 0;    // operators recorded before it
  int result = -1;  // on a value: its place among the graph's results; on sizes: -1, and
  Dim lhs, rhs;     // what was found to hold
  Relation relation = Relation::Equal;
  std::string what;  // "gt(sum, 0.5)", "N < 4"
  ir::GraphLoc loc;
  bool on_sizes() const { return result < 0; }
};

/// A result that is not a new tensor, but the input, state or earlier result itself.
struct ResultAlias {
  enum class Kind : uint8_t { None, Input, State, Result } kind = Kind::None;
  size_t index = 0;
  bool detached = false;  // another handle on it, cut off from gradients
};

/// A number that the host keeps and may change between calls; read again by each.
struct HostInput {
  std::string name;
  const void* address = nullptr;
  DType dtype = DType::F32;
};

/// A switch of the host (training or evaluation) that the recorded course depends on.
struct HostFlag {
  std::shared_ptr<const bool> live;
  bool value = false;
  std::string what;
  bool holds() const { return *live == value; }
};

/// Whether a tensor from outside took part in gradients when the run first used it.
struct LeafSeen {
  Tensor tensor;
  bool requires_grad = false;
};

/// What Trace points to.
struct TraceData {
  ir::Graph graph;
  std::vector<NamedTensor> state;
  std::vector<Capture> captures;
  std::vector<NamedTensor> inputs;
  std::vector<Sizes> input_sizes;      // of `inputs` in the recorded run
  std::vector<HostInput> host_inputs;  // after `inputs` in the graph's signature
  std::vector<Tensor> results;
  std::vector<ResultAlias> aliases;  // per result
  /// What the run left in grad() of a tensor: an output of the program beyond `results`, or
  /// nothing.
  struct GradLeft {
    Tensor leaf;
    int input = -1;  // its place when the leaf is an input
    int output = -1;
  };
  std::vector<LeafSeen> leaves;
  std::vector<GradLeft> grads;
  /// What the run found in grad() of a tensor before it wrote there.
  struct GradFound {
    Tensor leaf;
    int input = -1;
    Tensor grad;  // undefined: none
  };
  std::vector<GradFound> grads_found;
  std::vector<TraceGuard> guards;
  std::vector<HostFlag> flags;
  SymbolBindings examples;
  bool refused_once = false;  // the reason lies in this call's inputs, not in the function
  std::string refusal;        // why the recording does not count; empty: it does
};

enum class RecordMode : uint8_t {
  Trace,  // what cannot be recorded is an error at its line
  Jit,    // it is noted in TraceData::refusal, and the function goes on undisturbed
  Body,   // as Trace, and captured tensors become inputs: a graph inside another
};

/// What a body used from around it, shared by the bodies of one operator.
struct Captures {
  std::vector<Tensor> tensors;
  ir::Types types;
  /// The place of t, another handle on the same window counting as t.
  size_t add(const Tensor& t, const ir::TensorType& type);
};

/// A function recorded as a graph of its own, whose inputs are its operands and then captures.
struct BodyData {
  ir::Graph graph;               // results: the function's, then new values of changed captures
  size_t results = 0;            // of the function
  std::vector<size_t> captured;  // into Captures, one per input after the operands
  std::vector<bool> gradients;   // whether it takes part in gradients, one per capture
  std::vector<size_t> written;   // into Captures, one per result after the function's
};

/// Records while installed (see Recording). Buffers are functionalised: each has a current graph
/// value, and a traced view remembers the chain of view nodes from its buffer's value.
class GraphRecorder : public runtime::Recorder, public DimResolver {
 public:
  explicit GraphRecorder(const TraceOptions& options, RecordMode mode = RecordMode::Trace);
  /// Records a body. Sizes are those of `outer`, the recording around it, which may be null.
  explicit GraphRecorder(GraphRecorder* outer);
  /// Puts back what a body changed.
  ~GraphRecorder() override;

  /// Declares an input of the function; its dynamic axes become symbols.
  void add_input(const NamedTensor& input);
  /// Declares an operand of a body.
  void add_operand(const Tensor& t, std::string name, ir::TensorType type);
  /// The body's graph, complete, and what it captured.
  BodyData finish_body(std::span<const Tensor> results, Captures& captures);
  bool is_jit() const { return mode_ == RecordMode::Jit; }
  /// In jit ends the recording; elsewhere the answer is no.
  bool give_up(const std::string& reason) {
    if (mode_ != RecordMode::Jit) return false;
    data_.refusal = reason;
    return true;
  }
  /// The type of a tensor as this recording sees it, with symbolic sizes.
  ir::TensorType type_of(const Tensor& t);
  /// Whether the recording was given up; then everything is as outside a trace.
  bool given_up() const { return !data_.refusal.empty(); }
  /// The graph value of a tensor, capturing it when it is not traced.
  ir::Value value_of_tensor(const Tensor& t);
  /// Adds results and state writes; the graph is complete.
  TraceData finish(const std::vector<NamedTensor>& results);

  void record(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
              std::span<const Tensor> out) override;
  void record_write(const Tensor& self, const Tensor& value) override;
  Dim size_of(const Tensor& t, int axis, SourceLoc loc) override;
  int64_t example(Dim d) override {
    return outer_ != nullptr ? outer_->example(d) : dim_eval(d, data_.examples);
  }
  void host_read(const Tensor& t, SourceLoc loc, std::string_view what) override;
  void host_number(const Tensor& source, int64_t integer, bool is_float, SourceLoc loc) override;
  void host_sizes(const Tensor& t, SourceLoc loc) override;
  void grad_read(const Tensor& leaf) override;
  void grad_written(const Tensor& leaf) override;
  void host_flag(const std::shared_ptr<const bool>& flag, const std::string& what) override;
  void leaf_flag(const Tensor& t) override;
  bool made_here(const Tensor& t) const override { return runtime::impl(t).born > first_serial_; }
  void unrecordable(std::string_view what, SourceLoc loc) override;
  Tensor host_input(const void* address, DType dtype, std::string_view name,
                    SourceLoc loc) override;

  int64_t value_of(Dim d) override;
  bool equal(Dim a, Dim b) override;
  bool less(Dim a, Dim b) override;
  const DimFacts* facts() const override { return outer_ != nullptr ? outer_->facts() : &facts_; }

 private:
  /// One buffer that the trace knows.
  struct Buffer {
    Tensor holder;      // keeps the storage, and so its address, alive
    ir::Value current;  // of the whole buffer, shaped as `holder`
    int state = -1;     // index into data_.state
    int input = -1;     // index of the function's input
    bool made_here = false;
    bool written = false;
    uint32_t version = 0;  // of the storage after the last write that was recorded
    ir::Value origin;      // the first value of one that was made here
    bool layout =
        false;  // a view operator copied it from an input, and with other strides would not
    bool window = false;  // a discovered state that is a view of a larger buffer
  };

  void require_seen_writes(const runtime::Storage& s, const Buffer& b) const;
  void seen(const Tensor& t);
  ir::Value append(const ir::OpDef& op, std::span<const ir::Value> in, const void* attrs);
  void decide_inside(const ir::OpDef& op, const ir::Types& in, const void* attrs);
  void declare_symbols(const NamedTensor& input, ir::TensorType& type);
  ir::Value capture(const Tensor& t);
  ir::Value capture_constant(const Tensor& t);
  void discover(const Tensor& t);
  void require_older(const runtime::TensorImpl& t) const;
  /// What the trace knows of a tensor: its value while its storage has this version.
  struct Note {
    ir::Value value;
    uint32_t version = 0;
  };
  /// Notes of tensors that are older than the recording, whichever handle looks at their window.
  /// Younger ones carry theirs; older ones may be used by recordings of several threads at once.
  struct Older {
    Tensor holder;
    Note note;
  };
  static const Older* find_older(const std::vector<Older>& windows, const runtime::TensorImpl& t);
  std::optional<Note> note(const runtime::TensorImpl& t) const;
  void set_note(const Tensor& t, Note note);
  void bind(const Tensor& t, ir::Value v);
  bool traced(const runtime::TensorImpl& t) const { return note(t).has_value(); }
  void add_operator(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
                    std::span<const Tensor> out);
  /// View nodes from a buffer's value down to v, outermost first.
  std::vector<ir::NodeId> view_chain(ir::Value v, const Buffer& buffer) const;
  bool views_input(ir::Value v) const;
  /// v, or its elements in a buffer of their own where v is a view: there chains of views end.
  ir::Value own_buffer(ir::Value v);
  ir::Value replay_views(std::span<const ir::NodeId> chain, ir::Value base);
  ir::Value write_through(std::span<const ir::NodeId> chain, ir::Value base, ir::Value value);
  void write(const Tensor& self, const Tensor& value);
  void stamp_origin();

  // recorder_guards.cpp
  std::string describe(ir::Value v) const;
  void guard_value(ir::Value v, int64_t value);
  int input_of(const Tensor& leaf) const;
  bool decide(Dim a, Relation relation, Dim b, bool holds);
  [[noreturn]] void refuse(const std::string& what, Dim d);
  void refuse_if_fixed(Dim d, const std::string& what);
  SourceLoc loc_of(Dim d) const;

  // recorder_finish.cpp
  void require_followed() const;
  void add_results(const std::vector<NamedTensor>& results);
  void add_grads();
  void add_state_writes();
  void require_any_layout(const Buffer& b) const;
  ResultAlias alias_of(const Tensor& t, size_t result, ir::Value v) const;

  /// Runs `f`; in jit a UserError ends the recording instead of the function.
  template <class F>
  void attempt(F&& f) {
    if (given_up()) return;
    if (mode_ != RecordMode::Jit) return f();
    try {
      f();
    } catch (const UserError& e) {
      data_.refusal = e.what();
    }
  }

  // recorder_body.cpp
  ir::Value gradient_value(const Tensor& t, ir::Value v);
  void carry(ir::NodeId id);
  void keep_contents(const Tensor& holder);
  bool knows(const runtime::TensorImpl& t) const {
    return traced(t) || buffers_.contains(t.storage);
  }

  const TraceOptions& options_;
  RecordMode mode_;
  GraphRecorder* outer_ = nullptr;  // whose sizes a body uses
  /// A captured tensor that a body changed, as it was before.
  struct Kept {
    Tensor tensor, contents;
    uint32_t version = 0;
  };
  std::vector<Kept> kept_;
  // Values of a body through which gradients go, as they do on the tape of its first run.
  std::unordered_set<ir::Value, ir::ValueHash> carrying_;
  TraceData data_;
  uint64_t epoch_;
  uint64_t first_serial_;
  std::vector<ir::Value> input_values_;  // of data_.inputs
  size_t declared_inputs_ = 0;
  size_t operators_ = 0;  // recorded so far, views replayed by the recorder included
  DimFacts facts_;
  std::unordered_map<const runtime::Storage*, Buffer> buffers_;
  std::unordered_map<const runtime::Storage*, std::vector<Older>> older_;
  std::unordered_map<uint64_t, SourceLoc> size_locs_;
  std::unordered_set<const runtime::TensorImpl*> leaves_;  // those in data_.leaves
  uint64_t errors_before_;
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
