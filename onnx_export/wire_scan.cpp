// Looks over a model's bytes before protobuf allocates anything for them.
#include "ir/support/error.h"
#include "onnx_export/model_io.h"
#include "onnx_export/wire.h"

namespace etch::onnx {
namespace {

enum class Kind : uint8_t {
  Leaf,
  Model,
  Graph,
  Node,
  Attribute,
  Tensor,
  Sparse,
  Value,
  Type,
  TypeTensor,
  TypeElement,
  TypeMap,
  Shape,
  Function,
  Training,
};

/// A field that holds a message, and of which kind.
struct Nesting {
  Kind outer;
  uint32_t field;
  Kind inner;
};
constexpr Nesting kNestings[] = {
    {Kind::Model, 7, Kind::Graph},         {Kind::Model, 8, Kind::Leaf},
    {Kind::Model, 14, Kind::Leaf},         {Kind::Model, 20, Kind::Training},
    {Kind::Model, 25, Kind::Function},     {Kind::Graph, 1, Kind::Node},
    {Kind::Graph, 5, Kind::Tensor},        {Kind::Graph, 11, Kind::Value},
    {Kind::Graph, 12, Kind::Value},        {Kind::Graph, 13, Kind::Value},
    {Kind::Graph, 15, Kind::Sparse},       {Kind::Node, 5, Kind::Attribute},
    {Kind::Attribute, 5, Kind::Tensor},    {Kind::Attribute, 6, Kind::Graph},
    {Kind::Attribute, 10, Kind::Tensor},   {Kind::Attribute, 11, Kind::Graph},
    {Kind::Attribute, 14, Kind::Type},     {Kind::Attribute, 15, Kind::Type},
    {Kind::Attribute, 22, Kind::Sparse},   {Kind::Attribute, 23, Kind::Sparse},
    {Kind::Tensor, 3, Kind::Leaf},         {Kind::Tensor, 13, Kind::Leaf},
    {Kind::Sparse, 1, Kind::Tensor},       {Kind::Sparse, 2, Kind::Tensor},
    {Kind::Value, 2, Kind::Type},          {Kind::Type, 1, Kind::TypeTensor},
    {Kind::Type, 4, Kind::TypeElement},    {Kind::Type, 5, Kind::TypeMap},
    {Kind::Type, 8, Kind::TypeTensor},     {Kind::Type, 9, Kind::TypeElement},
    {Kind::TypeTensor, 2, Kind::Shape},    {Kind::TypeElement, 1, Kind::Type},
    {Kind::TypeMap, 2, Kind::Type},        {Kind::Shape, 1, Kind::Leaf},
    {Kind::Function, 7, Kind::Node},       {Kind::Function, 9, Kind::Leaf},
    {Kind::Function, 11, Kind::Attribute}, {Kind::Function, 12, Kind::Value},
    {Kind::Training, 1, Kind::Graph},      {Kind::Training, 2, Kind::Graph},
    {Kind::Training, 3, Kind::Leaf},       {Kind::Training, 4, Kind::Leaf},
};

const Nesting* nesting_of(Kind outer, uint32_t field) {
  for (const Nesting& n : kNestings) {
    if (n.outer == outer && n.field == field) return &n;
  }
  return nullptr;
}

// Bytes that parsing takes, rounded up from sizeof the generated classes and the structs of
// model.h.
constexpr uint64_t kMessageCost = 400;
constexpr uint64_t kStringCost = 100;
constexpr uint64_t kPackedCostPerByte = 16;  // one-byte varints become 8 bytes, twice

class Scan {
 public:
  Scan(std::string_view where, std::span<const std::byte> bytes, const ReadLimits& limits)
      : where_(where), bytes_(bytes), limits_(limits) {}

  void run() {
    if (bytes_.size() > limits_.max_bytes) {
      refuse(cat("the file has ", bytes_.size(), " bytes, the limit is ", limits_.max_bytes));
    }
    stack_.push_back({WireReader(bytes_), Kind::Model});
    while (!stack_.empty()) {
      Frame& top = stack_.back();
      if (top.reader.done()) {
        stack_.pop_back();
        continue;
      }
      WireField f;
      if (!top.reader.next(f)) malformed(top);
      field(top.kind, f);
    }
  }

 private:
  struct Frame {
    WireReader reader;
    Kind kind;
  };

  void field(Kind outer, const WireField& f) {
    if (f.type != WireType::Bytes) return charge(1, 16);
    if (const Nesting* n = nesting_of(outer, f.number)) {
      charge(1, kMessageCost);
      if (stack_.size() >= static_cast<size_t>(limits_.max_depth)) {
        refuse(cat("messages nest deeper than ", limits_.max_depth));
      }
      stack_.push_back({WireReader(f.bytes), n->inner});
      return;
    }
    bool packed = (outer == Kind::Tensor && f.number != 9 && f.number != 8 && f.number != 6) ||
                  (outer == Kind::Attribute && (f.number == 7 || f.number == 8));
    if (packed) return charge(1, f.bytes.size() * kPackedCostPerByte);
    // Tensors of the main graph stay where they are.
    bool in_place = outer == Kind::Tensor && f.number == 9 && stack_.size() == 3 &&
                    stack_[1].kind == Kind::Graph;
    charge(1, kStringCost + (in_place ? 0 : f.bytes.size() * 3));
  }

  void charge(uint64_t messages, uint64_t memory) {
    messages_ += messages;
    memory_ += memory;
    if (messages_ > limits_.max_messages) {
      refuse(cat("more than ", limits_.max_messages, " fields"));
    }
    if (memory_ > limits_.max_memory) {
      refuse(cat("parsing would take more than ", limits_.max_memory, " bytes"));
    }
  }

  [[noreturn]] void malformed(const Frame& at) const {
    fail_file("onnx", where_,
              cat("malformed protobuf, ", at.reader.left(),
                  " bytes before the end of a message at depth ", stack_.size()),
              "The file is damaged or no ONNX model");
  }
  [[noreturn]] void refuse(const std::string& what) const {
    fail_file("onnx", where_, what, "Raise the limit if the file is trusted");
  }

  std::string_view where_;
  std::span<const std::byte> bytes_;
  const ReadLimits& limits_;
  std::vector<Frame> stack_;
  uint64_t messages_ = 0;
  uint64_t memory_ = 0;
};

}  // namespace

void scan_model(std::string_view where, std::span<const std::byte> bytes,
                const ReadLimits& limits) {
  Scan(where, bytes, limits).run();
}

}  // namespace etch::onnx
