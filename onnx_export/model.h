// An ONNX model as plain structs, between protobuf (model_io) and the exporter and importer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace etch::onnx {

/// Where written bytes go, in order.
using Sink = std::function<void(std::span<const std::byte>)>;

/// A dense tensor. Data is row-major, little endian, in raw_data's layout whatever field it came
/// from.
struct TensorModel {
  std::string name;
  int dtype = 0;  // TensorProto.DataType
  std::vector<int64_t> dims;
  std::shared_ptr<const void> data;
  size_t bytes = 0;
  std::vector<std::string> strings;  // dtype string only
  /// Stored beside the model: data is null, and this names file, offset and length (-1: to the
  /// end).
  struct External {
    std::string location;
    int64_t offset = 0;
    int64_t length = -1;
  };
  std::optional<External> external;
};

struct DimModel {
  std::optional<int64_t> value;
  std::string param;  // "" and no value: unknown
};

enum class ValueKind : uint8_t { None, Tensor, Sequence, Map, Optional, SparseTensor };

/// The type of a graph value. Sequences and optionals name their element's type in `element`.
struct TypeModel {
  ValueKind kind = ValueKind::None;
  int dtype = 0;
  bool has_shape = false;
  std::vector<DimModel> dims;
  std::shared_ptr<TypeModel> element;
};

struct ValueModel {
  std::string name;
  TypeModel type;
};

struct GraphModel;

struct AttributeModel {
  /// monostate: a reference to an attribute of the enclosing function (`reference`).
  using Value = std::variant<std::monostate, float, int64_t, std::string, TensorModel,
                             std::shared_ptr<GraphModel>, std::vector<float>, std::vector<int64_t>,
                             std::vector<std::string>, std::vector<TensorModel>,
                             std::vector<std::shared_ptr<GraphModel>>, TypeModel>;
  std::string name;
  Value value;
  std::string reference;
};

struct NodeModel {
  std::string op;
  std::string domain;
  std::string name;
  std::string overload;
  std::string doc;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<AttributeModel> attributes;
};

struct GraphModel {
  std::string name;
  std::string doc;
  std::vector<NodeModel> nodes;
  std::vector<TensorModel> initializers;
  std::vector<ValueModel> inputs;
  std::vector<ValueModel> outputs;
  std::vector<ValueModel> values;  // types of intermediates
  bool has_sparse = false;         // sparse initialisers, which Etch does not take
};

struct OpsetImport {
  std::string domain;
  int64_t version = 0;
};

struct FunctionModel {
  std::string domain;
  std::string name;
  std::string overload;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<std::string> attributes;  // required ones
  std::vector<AttributeModel> default_attributes;
  std::vector<OpsetImport> opsets;
  std::vector<NodeModel> nodes;
};

struct Model {
  int64_t ir_version = 0;
  std::string producer_name;
  std::string producer_version;
  std::string domain;
  std::string doc;
  std::vector<OpsetImport> opsets;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<FunctionModel> functions;
  GraphModel graph;
};

}  // namespace etch::onnx
