// What the runtime tells a tracer, and asks it. One thread-local branch per operator.
#pragma once

#include "runtime/tensor_impl.h"

namespace etch::runtime {

/// Sees every operator call of its thread while installed. Implemented by the tracer.
class Recorder {
 public:
  virtual ~Recorder() = default;
  /// `op` ran on `in` and gave `out`; `attrs` may hold symbolic sizes.
  virtual void record(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs,
                      std::span<const Tensor> out) = 0;
  /// `self` is about to be overwritten in place by `value` (same shape and dtype). Called before
  /// the memory changes.
  virtual void record_write(const Tensor& self, const Tensor& value) = 0;
  /// The size of an axis as the trace sees it.
  virtual Dim size_of(const Tensor& t, int axis, SourceLoc loc) = 0;
  /// The host learns a number (an item, a branch on one) that follows from `source`, a rank-0
  /// tensor: guarded when it is a bool or an integer, refused when it is_float.
  virtual void host_number(const Tensor& source, int64_t integer, bool is_float, SourceLoc loc) = 0;
  /// The host learns all sizes of `t` as raw numbers.
  virtual void host_sizes(const Tensor& t, SourceLoc loc) = 0;
  /// The host branches on a flag of its own that it may switch between calls.
  virtual void host_flag(const std::shared_ptr<const bool>& flag, const std::string& what) = 0;
  /// The host looks at the gradient of `leaf`, or adds to it; and: has given it another one.
  virtual void grad_read(const Tensor& leaf) = 0;
  virtual void grad_written(const Tensor& leaf) = 0;
  /// The host asks whether `t` takes part in gradients.
  virtual void leaf_flag(const Tensor& t) = 0;
  /// Whether `t` came into being during the recording.
  virtual bool made_here(const Tensor& t) const = 0;
  /// Something happens that no recording holds: it ends, or raises UserError.
  virtual void unrecordable(std::string_view what, SourceLoc loc) = 0;
  /// A variable of the host that each replay reads again: a rank-0 tensor that is an input.
  virtual Tensor host_input(const void* address, DType dtype, std::string_view name,
                            SourceLoc loc) = 0;
  /// The number that a symbolic size has in this run; guards nothing.
  virtual int64_t example(Dim d) = 0;
  /// The host read the contents of `t` (a pointer, a copy). Raises UserError when t is traced.
  virtual void host_read(const Tensor& t, SourceLoc loc, std::string_view what) = 0;
};

Recorder* recorder();
Recorder* exchange_recorder(Recorder* next);

/// Suspends recording on this thread while alive.
class PauseRecording {
 public:
  PauseRecording() : before_(exchange_recorder(nullptr)) {}
  ~PauseRecording() { exchange_recorder(before_); }
  PauseRecording(const PauseRecording&) = delete;
  PauseRecording& operator=(const PauseRecording&) = delete;

 private:
  Recorder* before_;
};

}  // namespace etch::runtime
