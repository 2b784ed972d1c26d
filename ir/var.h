// Var: a value while some Emitter executes or records operators. Bodies and gradients are written
// in it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "ir/support/error.h"
#include "ir/type.h"

namespace etch::ir {

struct OpDef;
struct Constant;
class Emitter;

/// A counted handle on one value of an Emitter. 16 bytes; empty by default.
class Var {
 public:
  Var() = default;
  /// Takes over one reference to `payload`.
  Var(Emitter* emitter, uint64_t payload) : emitter_(emitter), payload_(payload) {}
  Var(const Var& other);
  Var(Var&& other) noexcept
      : emitter_(std::exchange(other.emitter_, nullptr)), payload_(other.payload_) {}
  Var& operator=(Var other) noexcept {
    std::swap(emitter_, other.emitter_);
    std::swap(payload_, other.payload_);
    return *this;
  }
  ~Var();

  explicit operator bool() const { return emitter_ != nullptr; }
  Emitter& emitter() const { return *emitter_; }
  uint64_t payload() const { return payload_; }
  TensorType type() const;
  DType dtype() const { return type().dtype; }
  Shape shape() const { return type().shape; }
  int rank() const { return type().rank(); }

 private:
  Emitter* emitter_ = nullptr;
  uint64_t payload_ = 0;
};
static_assert(sizeof(Var) == 16);

using Vars = std::vector<Var>;

/// Executes or records operators. The graph builder and the eager runtime implement it.
class Emitter {
 public:
  virtual ~Emitter() = default;
  /// Runs `op` on operands that already have the operator's types (see call_op for promotion).
  /// `attrs` points to the operator's Attrs struct and is copied when kept.
  virtual Vars emit(const OpDef& op, std::span<const Var> operands, const void* attrs) = 0;
  virtual TensorType type_of(uint64_t payload) const = 0;
  /// The contents of a constant as a value.
  virtual Var constant(const std::shared_ptr<const Constant>& contents) = 0;
  virtual void retain(uint64_t) {}
  virtual void release(uint64_t) {}
};

inline Var::Var(const Var& other) : emitter_(other.emitter_), payload_(other.payload_) {
  if (emitter_ != nullptr) emitter_->retain(payload_);
}
inline Var::~Var() {
  if (emitter_ != nullptr) emitter_->release(payload_);
}
inline TensorType Var::type() const { return emitter_->type_of(payload_); }

/// Promotes operand dtypes as docs/semantics.md says (inserting casts), then emits.
Vars call_op(const OpDef& op, std::span<const Var> operands, const void* attrs);

/// A scalar constant of `like`'s dtype, rank 0.
Var constant_like(const Var& like, double value);

// Arithmetic; a number takes the Var's dtype.
Var operator+(const Var& a, const Var& b);
Var operator-(const Var& a, const Var& b);
Var operator*(const Var& a, const Var& b);
Var operator/(const Var& a, const Var& b);
Var operator-(const Var& a);
inline Var operator+(const Var& a, double b) { return a + constant_like(a, b); }
inline Var operator+(double a, const Var& b) { return constant_like(b, a) + b; }
inline Var operator-(const Var& a, double b) { return a - constant_like(a, b); }
inline Var operator-(double a, const Var& b) { return constant_like(b, a) - b; }
inline Var operator*(const Var& a, double b) { return a * constant_like(a, b); }
inline Var operator*(double a, const Var& b) { return constant_like(b, a) * b; }
inline Var operator/(const Var& a, double b) { return a / constant_like(a, b); }
inline Var operator/(double a, const Var& b) { return constant_like(b, a) / b; }

}  // namespace etch::ir
