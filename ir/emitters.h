// Emitters that do not compute: on types alone, and one that remembers what went through it.
#pragma once

#include "ir/op.h"

namespace etch::ir {

/// Propagates types; a Var's payload is an index. Marks which of its values were operands.
class TypeEmitter : public Emitter {
 public:
  Var value(TensorType type);
  Vars emit(const OpDef& op, std::span<const Var> operands, const void* attrs) override;
  TensorType type_of(uint64_t payload) const override { return types_[payload]; }
  Var constant(const std::shared_ptr<const Constant>& contents) override;
  /// Whether value number i was an operand of anything.
  bool used(size_t i) const { return used_[i]; }

 private:
  std::vector<TensorType> types_;
  std::vector<bool> used_;
};

/// Forwards to another emitter and keeps a tape of the calls.
class TapeEmitter : public Emitter {
 public:
  struct Entry {
    const OpDef* op;
    AttrBox attrs;
    std::vector<uint64_t> in, out;  // own payloads
  };
  explicit TapeEmitter(Emitter& inner) : inner_(inner) {}
  /// Brings a Var of the inner emitter under the tape.
  Var wrap(Var inner);
  const Var& inner(uint64_t payload) const { return values_[payload]; }
  Vars emit(const OpDef& op, std::span<const Var> operands, const void* attrs) override;
  TensorType type_of(uint64_t payload) const override { return values_[payload].type(); }
  Var constant(const std::shared_ptr<const Constant>& contents) override {
    return wrap(inner_.constant(contents));
  }
  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return values_.size(); }

 private:
  Emitter& inner_;
  std::vector<Var> values_;
  std::vector<Entry> entries_;
};

}  // namespace etch::ir
