// Executing operators on tensors at once.
#pragma once

#include "ir/var.h"
#include "runtime/tensor_impl.h"

namespace etch::runtime {

/// Runs an operator: promotion, inference, kernel, tape, recorder. `attrs` is the operator's Attrs.
/// Raises UserError with current_loc().
std::vector<Tensor> apply(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs);
Tensor apply1(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs);

/// apply1() for the public functions: works for the caller's line `loc`. At most 8 operands in a
/// list; null attributes are none.
Tensor apply_at(const std::source_location& loc, const ir::OpDef& op, std::span<const Tensor> in,
                const void* attrs = nullptr);
Tensor apply_at(const std::source_location& loc, const ir::OpDef& op,
                std::initializer_list<const Tensor*> in, const void* attrs = nullptr);

template <class Op>
Tensor run(const typename Op::Attrs& attrs, std::span<const Tensor> in) {
  return apply1(ir::op_def<Op>(), in, &attrs);
}

template <class Op>
Tensor run1(const typename Op::Attrs& attrs, const Tensor& x) {
  return run<Op>(attrs, {&x, 1});
}
/// `axis` counted from the front; raises UserError when `t` is undefined or has no such axis.
int checked_axis(const Tensor& t, int64_t axis, std::string_view what);

/// Sets current_loc() while alive; public functions open one.
class At {
 public:
  explicit At(SourceLoc loc) : before_(current_loc()) {
    if (UserLine& line = user_line(); !line.kept) line.loc = loc;
  }
  ~At() { current_loc() = before_; }
  At(const At&) = delete;
  At& operator=(const At&) = delete;

 private:
  SourceLoc before_;
};

/// Keeps current_loc() while alive: for code of the library that calls public functions on behalf
/// of the user's line.
class KeepLine {
 public:
  KeepLine() : before_(std::exchange(user_line().kept, true)) {}
  ~KeepLine() { user_line().kept = before_; }
  KeepLine(const KeepLine&) = delete;
  KeepLine& operator=(const KeepLine&) = delete;

 private:
  bool before_;
};

/// The eager runtime as an Emitter; a Var's payload is a TensorImpl.
class EagerEmitter : public ir::Emitter {
 public:
  static EagerEmitter& instance();
  ir::Vars emit(const ir::OpDef& op, std::span<const ir::Var> operands, const void* attrs) override;
  ir::TensorType type_of(uint64_t payload) const override;
  ir::Var constant(const std::shared_ptr<const ir::Constant>& contents) override;
  void retain(uint64_t payload) override;
  void release(uint64_t payload) override;
  static ir::Var var(const Tensor& t);
  static Tensor tensor(const ir::Var& v);
};

/// Copies elements between tensors of equal shape and dtype, any strides.
void copy_elements(const Tensor& from, const Tensor& to);

/// Runs the kernel of an operator on concrete tensors: no promotion, no tape, no recording. Results
/// are fresh and dense. Raises what inference of their types raises. Not for views.
std::vector<Tensor> execute(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs);

}  // namespace etch::runtime
