// The ONNX graph under construction: names, initialisers, sizes, casts, and what stands in the way.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "ir/graph.h"
#include "ir/onnx_writer.h"
#include "onnx_export/model.h"
#include "onnx_export/profiles.h"

namespace etch::onnx {

/// Why the graph cannot be exported as asked.
struct Blocker {
  std::string op;     // Etch's operator, or what else is at fault
  std::string scope;  // module path, or ""
  std::string where;  // "net.cpp:87", or ""
  std::string reason;
  int opset = 0;  // the first one without this blocker; 0: none
  bool operator==(const Blocker&) const = default;
};

/// Finds out whether casts through a wider type change no value of an operator's result.
enum class CastSafety : uint8_t {
  None,      // on no account
  Widening,  // integers through wider integers, wrapping included
  Any,       // through any type that holds every value, floating ones too
};
CastSafety cast_safety(std::string_view onnx_op);

class Builder {
 public:
  /// `profile` may be null.
  Builder(int opset, const Profile* profile) : opset_(opset), profile_(profile) {}

  int opset() const { return opset_; }
  GraphModel& graph() { return graph_; }

  // What the following nodes come from.
  struct Origin {
    std::string op, scope, where;
  };
  const Origin& origin() const { return origin_; }
  void set_origin(Origin o) { origin_ = std::move(o); }

  // Problems.
  void block(std::string_view reason, int opset = 0);
  bool require_opset(int n, std::string_view why);
  bool prefer_opset(int n);
  int needed_opset() const { return needed_; }
  int preferred_opset() const { return preferred_; }
  /// Each once.
  const std::vector<Blocker>& blockers() const { return blockers_; }
  /// How often something blocked, the same again included.
  size_t blocked() const { return blocked_; }

  // Values.
  /// Takes a name given by the user; false when it is taken.
  bool reserve(const std::string& name) { return used_.insert(name).second; }
  /// "<scope>/<hint>", with a number when that is taken.
  std::string fresh(std::string_view hint);
  /// `name` itself, or with a number when it is taken.
  std::string unique(const std::string& name) { return number(name, used_, next_); }
  void set_dtype(const std::string& name, DType t) { dtypes_[name] = t; }
  /// Adds a node; operands are cast where the ONNX operator lacks their type.
  void node(std::string_view op, const ir::OnnxNames& inputs, const ir::OnnxNames& outputs,
            const ir::OnnxAttrs& attrs);
  void describe(const std::string& name, const ir::TensorType& type);

  // Initialisers.
  std::string constant_bytes(DType t, std::span<const int64_t> sizes,
                             std::span<const std::byte> bytes);
  std::string constant(const ir::Constant& c);
  void named_constant(const std::string& name, const ir::Constant& c);

  // Sizes.
  void add_size_source(const std::string& input, const Shape& shape);
  std::string dim(Dim d);
  std::string shape_of(std::span<const Dim> dims);

  /// Drops initialisers that nothing reads.
  void prune();

 private:
  friend class SizeWriter;
  struct NodeTypes;
  using Names = std::unordered_set<std::string>;
  using Counters = std::unordered_map<std::string, int>;
  static std::string number(const std::string& base, Names& used, Counters& next);
  std::string in_scope(std::string_view hint) const;
  std::string add_tensor(TensorModel t, const Hash128& hash, bool named);
  DType plan_variable(std::string_view op, char letter, DType t, DTypeSet spec, DTypeSet ort);
  DType output_dtype(const NodeTypes& types, size_t i, const ir::OnnxAttrs& attrs) const;
  void append(std::string_view op, ir::OnnxNames inputs, ir::OnnxNames outputs,
              const ir::OnnxAttrs& attrs);

  int opset_;
  const Profile* profile_;
  GraphModel graph_;
  Origin origin_;
  std::vector<Blocker> blockers_;
  size_t blocked_ = 0;
  int needed_ = 0, preferred_ = 0;
  Names used_, used_nodes_;
  Counters next_, next_node_;
  std::unordered_map<std::string, DType> dtypes_;
  std::unordered_map<Hash128, std::vector<size_t>> tensors_;  // by contents: initialisers
  struct SizeSource {
    std::string input;
    Shape shape;
  };
  std::vector<SizeSource> sources_;
  std::unordered_map<std::string, std::string> sizes_;  // what is computed -> value name
};

/// ONNX's type of a tensor; symbolic sizes by their text.
TypeModel to_type_model(const ir::TensorType& t);

}  // namespace etch::onnx
