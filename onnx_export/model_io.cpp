#include "onnx_export/model_io.h"

#include "etch_onnx.pb.h"
#include "ir/support/checked.h"
#include "ir/support/error.h"
#include "onnx_export/model_sink.h"
#include "onnx_export/op_table.h"
#include "onnx_export/tensor_data.h"
#include "onnx_export/wire.h"

namespace etch::onnx {
namespace pb = ::etch_onnx;
namespace {

constexpr int kString = 8;
constexpr uint64_t kProtobufLimit = (uint64_t{1} << 31) - 1;

// AttributeProto.AttributeType.
enum AttributeType {
  kFloat = 1,
  kInt,
  kStringType,
  kTensor,
  kGraph,
  kFloats,
  kInts,
  kStrings,
  kTensors,
  kGraphs,
  kSparse,
  kSparses,
  kType,
  kTypes,
};

// Reading.

class Reader {
 public:
  explicit Reader(std::string_view where) : where_(where) {}

  Model model(std::shared_ptr<const void> owner, std::span<const std::byte> bytes) {
    owner_ = std::move(owner);
    std::string rest;
    Model out;
    pb::GraphProto graph;
    split(bytes, 7, rest, [&](auto part) { read_graph(part, graph, out.graph); });
    pb::ModelProto m;
    parse(m, rest, "the model");
    out.ir_version = m.ir_version();
    out.producer_name = text(m.producer_name());
    out.producer_version = text(m.producer_version());
    out.domain = text(m.domain());
    out.doc = text(m.doc_string());
    out.opsets = opsets(m.opset_import());
    for (const auto& p : m.metadata_props()) {
      out.metadata.emplace_back(text(p.key()), text(p.value()));
    }
    for (const auto& f : m.functions()) out.functions.push_back(function(f));
    return out;
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    fail_file("onnx", where_, what, "The file is damaged or no ONNX model");
  }
  /// Hands every bytes field `number` to `part`; the others go to `rest` as they are.
  template <class F>
  void split(std::span<const std::byte> bytes, uint32_t number, std::string& rest, F&& part) const {
    for (WireReader fields(bytes); !fields.done();) {
      WireField f;
      if (!fields.next(f)) bad("malformed protobuf");
      if (f.number == number && f.type == WireType::Bytes)
        part(f.bytes);
      else
        rest.append(reinterpret_cast<const char*>(f.encoded.data()), f.encoded.size());
    }
  }
  template <class M>
  void parse(M& m, const std::string& bytes, std::string_view what) const {
    if (bytes.size() > kProtobufLimit || !m.ParseFromString(bytes)) {
      bad(cat(what, " is malformed"));
    }
  }

  /// Names must be UTF-8 without NUL.
  const std::string& text(const std::string& s) const {
    if (!is_utf8_name(s)) bad("a name is not UTF-8 text");
    return s;
  }
  template <class List>
  std::vector<std::string> texts(const List& list) const {
    std::vector<std::string> out;
    for (const std::string& s : list) out.push_back(text(s));
    return out;
  }
  template <class List>
  static std::vector<OpsetImport> opsets(const List& list) {
    std::vector<OpsetImport> out;
    for (const auto& o : list) out.push_back({o.domain(), o.version()});
    return out;
  }

  /// Initialisers one by one, so that their data stay in place; the rest through protobuf.
  void read_graph(std::span<const std::byte> bytes, pb::GraphProto& rest_proto, GraphModel& out) {
    std::string rest;
    split(bytes, 5, rest, [&](auto part) { out.initializers.push_back(split_tensor(part)); });
    parse(rest_proto, rest, "the graph");
    graph(rest_proto, out);
  }

  TensorModel split_tensor(std::span<const std::byte> bytes) {
    std::string rest;
    std::optional<std::span<const std::byte>> raw;
    split(bytes, 9, rest, [&](auto part) {
      if (raw) bad("a tensor has raw_data twice");
      raw = part;
    });
    pb::TensorProto t;
    parse(t, rest, "a tensor");
    return tensor(t, raw);
  }

  void graph(const pb::GraphProto& g, GraphModel& out) {
    out.name = text(g.name());
    out.doc = text(g.doc_string());
    for (const auto& n : g.node()) out.nodes.push_back(node(n));
    for (const auto& t : g.initializer()) out.initializers.push_back(tensor(t, std::nullopt));
    for (const auto& v : g.input()) out.inputs.push_back(value(v));
    for (const auto& v : g.output()) out.outputs.push_back(value(v));
    for (const auto& v : g.value_info()) out.values.push_back(value(v));
    out.has_sparse = out.has_sparse || g.sparse_initializer_size() != 0;
  }

  NodeModel node(const pb::NodeProto& n) {
    NodeModel out;
    out.op = text(n.op_type());
    out.domain = text(n.domain());
    out.name = text(n.name());
    out.overload = text(n.overload());
    out.doc = text(n.doc_string());
    out.inputs = texts(n.input());
    out.outputs = texts(n.output());
    for (const auto& a : n.attribute()) out.attributes.push_back(attribute(a));
    return out;
  }

  std::shared_ptr<GraphModel> shared_graph(const pb::GraphProto& g) {
    auto out = std::make_shared<GraphModel>();
    graph(g, *out);
    return out;
  }

  AttributeModel attribute(const pb::AttributeProto& a) {
    AttributeModel out;
    out.name = text(a.name());
    out.reference = text(a.ref_attr_name());
    if (!out.reference.empty()) return out;
    int type = a.has_type() && a.type() != 0 ? a.type() : guess_type(a);
    switch (type) {
      case kFloat:
        out.value = a.f();
        break;
      case kInt:
        out.value = static_cast<int64_t>(a.i());
        break;
      case kStringType:
        out.value = a.s();
        break;
      case kTensor:
        out.value = tensor(a.t(), std::nullopt);
        break;
      case kGraph:
        out.value = shared_graph(a.g());
        break;
      case kFloats:
        out.value = std::vector<float>(a.floats().begin(), a.floats().end());
        break;
      case kInts:
        out.value = std::vector<int64_t>(a.ints().begin(), a.ints().end());
        break;
      case kStrings:
        out.value = std::vector<std::string>(a.strings().begin(), a.strings().end());
        break;
      case kTensors: {
        std::vector<TensorModel> list;
        for (const auto& t : a.tensors()) list.push_back(tensor(t, std::nullopt));
        out.value = std::move(list);
        break;
      }
      case kGraphs: {
        std::vector<std::shared_ptr<GraphModel>> list;
        for (const auto& g : a.graphs()) list.push_back(shared_graph(g));
        out.value = std::move(list);
        break;
      }
      case kType:
        out.value = type_of(a.tp());
        break;
      default:
        bad(cat("attribute ", out.name, " has the unsupported type ", type));
    }
    return out;
  }

  /// IR versions 1 and 2 wrote no type.
  static int guess_type(const pb::AttributeProto& a) {
    if (a.has_f()) return kFloat;
    if (a.has_i()) return kInt;
    if (a.has_s()) return kStringType;
    if (a.has_t()) return kTensor;
    if (a.has_g()) return kGraph;
    if (a.floats_size() != 0) return kFloats;
    if (a.strings_size() != 0) return kStrings;
    return kInts;
  }

  TypeModel type_of(const pb::TypeProto& t) {
    TypeModel out;
    auto tensor_like = [&](const auto& x, ValueKind kind) {
      out.kind = kind;
      out.dtype = x.elem_type();
      out.has_shape = x.has_shape();
      for (const auto& d : x.shape().dim()) {
        DimModel m;
        if (d.value_case() == pb::TensorShapeProto::Dimension::kDimValue) m.value = d.dim_value();
        m.param = text(d.dim_param());
        out.dims.push_back(std::move(m));
      }
    };
    if (t.has_tensor_type()) tensor_like(t.tensor_type(), ValueKind::Tensor);
    if (t.has_sparse_tensor_type()) tensor_like(t.sparse_tensor_type(), ValueKind::SparseTensor);
    auto element = [&](const pb::TypeProto& e, ValueKind kind) {
      out.kind = kind;
      out.element = std::make_shared<TypeModel>(type_of(e));
    };
    if (t.has_sequence_type()) element(t.sequence_type().elem_type(), ValueKind::Sequence);
    if (t.has_optional_type()) element(t.optional_type().elem_type(), ValueKind::Optional);
    if (t.has_map_type()) {
      element(t.map_type().value_type(), ValueKind::Map);
      out.dtype = t.map_type().key_type();
    }
    return out;
  }
  ValueModel value(const pb::ValueInfoProto& v) { return {text(v.name()), type_of(v.type())}; }

  FunctionModel function(const pb::FunctionProto& f) {
    FunctionModel out;
    out.domain = text(f.domain());
    out.name = text(f.name());
    out.overload = text(f.overload());
    out.inputs = texts(f.input());
    out.outputs = texts(f.output());
    out.attributes = texts(f.attribute());
    for (const auto& a : f.attribute_proto()) out.default_attributes.push_back(attribute(a));
    out.opsets = opsets(f.opset_import());
    for (const auto& n : f.node()) out.nodes.push_back(node(n));
    return out;
  }

  // Tensors.

  TensorModel tensor(const pb::TensorProto& t, std::optional<std::span<const std::byte>> raw) {
    TensorModel out;
    out.name = text(t.name());
    out.dtype = t.data_type();
    out.dims.assign(t.dims().begin(), t.dims().end());
    if (t.has_segment()) bad(cat("tensor ", out.name, " is segmented"));
    bool in_proto = t.has_raw_data();
    int fields = (raw || in_proto) + (t.float_data_size() != 0) + (t.int32_data_size() != 0) +
                 (t.int64_data_size() != 0) + (t.double_data_size() != 0) +
                 (t.uint64_data_size() != 0) + (t.string_data_size() != 0);
    if (t.data_location() == 1) {
      if (fields != 0) bad(cat("tensor ", out.name, " has external data and data of its own"));
      out.external = external(t, out.name);
      return out;
    }
    if (fields > 1) bad(cat("tensor ", out.name, " has more than one data field"));
    std::optional<int64_t> count = checked_numel(out.dims);
    if (!count) bad(cat("tensor ", out.name, " has impossible sizes"));
    if (out.dtype == kString) {
      if (t.string_data_size() != *count) bad(cat("tensor ", out.name, " lacks strings"));
      out.strings.assign(t.string_data().begin(), t.string_data().end());
      return out;
    }
    std::optional<DType> dtype = dtype_of_onnx(out.dtype);
    std::optional<uint64_t> want = dtype ? checked_nbytes(*dtype, out.dims) : std::nullopt;
    if (!want) bad(cat("tensor ", out.name, " has the unsupported element type ", out.dtype));
    out.bytes = static_cast<size_t>(*want);
    if (raw) return place(std::move(out), *raw, true);
    if (in_proto) return place(std::move(out), std::as_bytes(std::span(t.raw_data())), false);
    typed_data(t, *dtype, static_cast<size_t>(*count), out);
    return out;
  }

  TensorModel::External external(const pb::TensorProto& t, const std::string& name) const {
    TensorModel::External e;
    auto number = [&](const std::string& s) {
      int64_t v = 0;
      auto r = std::from_chars(s.data(), s.data() + s.size(), v);
      if (r.ec != std::errc() || r.ptr != s.data() + s.size() || v < 0) {
        bad(cat("tensor ", name, " has the external offset or length '", s, "'"));
      }
      return v;
    };
    for (const auto& p : t.external_data()) {
      if (p.key() == "location") e.location = text(p.value());
      if (p.key() == "offset") e.offset = number(p.value());
      if (p.key() == "length") e.length = number(p.value());
    }
    if (e.location.empty()) bad(cat("tensor ", name, " names no external file"));
    return e;
  }

  TensorModel place(TensorModel t, std::span<const std::byte> raw, bool lives_on) const {
    if (raw.size() != t.bytes) {
      bad(cat("tensor ", t.name, " has ", raw.size(), " bytes of data, its type and sizes say ",
              t.bytes));
    }
    keep_bytes(t, raw, lives_on ? owner_ : nullptr);
    return t;
  }

  template <class List>
  void pack(const List& list, DType dtype, size_t count, TensorModel& t) const {
    size_t want = stored_entries(dtype, count);
    if (static_cast<size_t>(list.size()) != want) {
      bad(cat("tensor ", t.name, " has ", list.size(), " elements, its sizes say ", want));
    }
    keep_entries(t, list, want);
  }

  void typed_data(const pb::TensorProto& t, DType dtype, size_t count, TensorModel& out) const {
    switch (dtype) {
      case DType::F32:
      case DType::C64:
        return pack(t.float_data(), dtype, count, out);
      case DType::F64:
      case DType::C128:
        return pack(t.double_data(), dtype, count, out);
      case DType::I64:
        return pack(t.int64_data(), dtype, count, out);
      case DType::U32:
      case DType::U64:
        return pack(t.uint64_data(), dtype, count, out);
      default:
        return pack(t.int32_data(), dtype, count, out);
    }
  }

  std::string_view where_;
  std::shared_ptr<const void> owner_;
};

// Writing.

void write_tensor_head(const TensorModel& t, pb::TensorProto& p) {
  for (int64_t d : t.dims) p.add_dims(d);
  p.set_data_type(t.dtype);
  if (!t.name.empty()) p.set_name(t.name);
  for (const std::string& s : t.strings) p.add_string_data(s);
  if (!t.external) return;
  p.set_data_location(1);
  auto add = [&](const char* key, std::string value) {
    auto* e = p.add_external_data();
    e->set_key(key);
    e->set_value(std::move(value));
  };
  add("location", t.external->location);
  add("offset", cat(t.external->offset));
  if (t.external->length >= 0) add("length", cat(t.external->length));
}

void write_tensor(const TensorModel& t, pb::TensorProto& p) {
  write_tensor_head(t, p);
  if (t.data) p.set_raw_data(t.data.get(), t.bytes);
}

void write_type(const TypeModel& t, pb::TypeProto& p) {
  auto tensor_like = [&](auto* x) {
    x->set_elem_type(t.dtype);
    if (!t.has_shape) return;
    auto* shape = x->mutable_shape();
    for (const DimModel& d : t.dims) {
      auto* dim = shape->add_dim();
      if (d.value)
        dim->set_dim_value(*d.value);
      else if (!d.param.empty())
        dim->set_dim_param(d.param);
    }
  };
  switch (t.kind) {
    case ValueKind::None:
      break;
    case ValueKind::Tensor:
      tensor_like(p.mutable_tensor_type());
      break;
    case ValueKind::SparseTensor:
      tensor_like(p.mutable_sparse_tensor_type());
      break;
    case ValueKind::Sequence:
      write_type(*t.element, *p.mutable_sequence_type()->mutable_elem_type());
      break;
    case ValueKind::Optional:
      write_type(*t.element, *p.mutable_optional_type()->mutable_elem_type());
      break;
    case ValueKind::Map:
      p.mutable_map_type()->set_key_type(t.dtype);
      write_type(*t.element, *p.mutable_map_type()->mutable_value_type());
      break;
  }
}

void write_graph(const GraphModel& g, pb::GraphProto& p);

struct AttributeWriter {
  pb::AttributeProto& p;
  void operator()(std::monostate) const {}
  void operator()(float v) const { p.set_f(v), p.set_type(kFloat); }
  void operator()(int64_t v) const { p.set_i(v), p.set_type(kInt); }
  void operator()(const std::string& v) const { p.set_s(v), p.set_type(kStringType); }
  void operator()(const TensorModel& v) const {
    write_tensor(v, *p.mutable_t());
    p.set_type(kTensor);
  }
  void operator()(const std::shared_ptr<GraphModel>& v) const {
    write_graph(*v, *p.mutable_g());
    p.set_type(kGraph);
  }
  void operator()(const std::vector<float>& v) const {
    for (float x : v) p.add_floats(x);
    p.set_type(kFloats);
  }
  void operator()(const std::vector<int64_t>& v) const {
    for (int64_t x : v) p.add_ints(x);
    p.set_type(kInts);
  }
  void operator()(const std::vector<std::string>& v) const {
    for (const auto& x : v) p.add_strings(x);
    p.set_type(kStrings);
  }
  void operator()(const std::vector<TensorModel>& v) const {
    for (const auto& x : v) write_tensor(x, *p.add_tensors());
    p.set_type(kTensors);
  }
  void operator()(const std::vector<std::shared_ptr<GraphModel>>& v) const {
    for (const auto& x : v) write_graph(*x, *p.add_graphs());
    p.set_type(kGraphs);
  }
  void operator()(const TypeModel& v) const {
    write_type(v, *p.mutable_tp());
    p.set_type(kType);
  }
};

void write_attribute(const AttributeModel& a, pb::AttributeProto& p) {
  p.set_name(a.name);
  if (!a.reference.empty()) p.set_ref_attr_name(a.reference);
  std::visit(AttributeWriter{p}, a.value);
}

void write_node(const NodeModel& n, pb::NodeProto& p) {
  for (const auto& s : n.inputs) p.add_input(s);
  for (const auto& s : n.outputs) p.add_output(s);
  if (!n.name.empty()) p.set_name(n.name);
  p.set_op_type(n.op);
  for (const auto& a : n.attributes) write_attribute(a, *p.add_attribute());
  if (!n.doc.empty()) p.set_doc_string(n.doc);
  if (!n.domain.empty()) p.set_domain(n.domain);
  if (!n.overload.empty()) p.set_overload(n.overload);
}

void write_graph_head(const GraphModel& g, pb::GraphProto& p) {
  for (const auto& n : g.nodes) write_node(n, *p.add_node());
  p.set_name(g.name);
}

void write_graph_tail(const GraphModel& g, pb::GraphProto& p) {
  if (!g.doc.empty()) p.set_doc_string(g.doc);
  auto values = [](const std::vector<ValueModel>& list, auto add) {
    for (const ValueModel& v : list) {
      pb::ValueInfoProto* x = add();
      x->set_name(v.name);
      if (v.type.kind != ValueKind::None) write_type(v.type, *x->mutable_type());
    }
  };
  values(g.inputs, [&] { return p.add_input(); });
  values(g.outputs, [&] { return p.add_output(); });
  values(g.values, [&] { return p.add_value_info(); });
}

void write_graph(const GraphModel& g, pb::GraphProto& p) {
  write_graph_head(g, p);
  for (const auto& t : g.initializers) write_tensor(t, *p.add_initializer());
  write_graph_tail(g, p);
}

void write_opsets(const std::vector<OpsetImport>& list, auto add) {
  for (const OpsetImport& o : list) {
    auto* p = add();
    p->set_domain(o.domain);
    p->set_version(o.version);
  }
}

void write_function(const FunctionModel& f, pb::FunctionProto& p) {
  p.set_name(f.name);
  p.set_domain(f.domain);
  if (!f.overload.empty()) p.set_overload(f.overload);
  for (const auto& s : f.inputs) p.add_input(s);
  for (const auto& s : f.outputs) p.add_output(s);
  for (const auto& s : f.attributes) p.add_attribute(s);
  for (const auto& a : f.default_attributes) write_attribute(a, *p.add_attribute_proto());
  for (const auto& n : f.nodes) write_node(n, *p.add_node());
  write_opsets(f.opsets, [&] { return p.add_opset_import(); });
}

StreamedTensor prepare(const TensorModel& t, ModelSink& sink) {
  StreamedTensor out;
  out.tensor = &t;
  pb::TensorProto p;
  out.raw = t.data != nullptr && !sink.goes_outside(t);
  write_tensor_head(sink.goes_outside(t) ? sink.move_outside(t) : t, p);
  out.head = p.SerializeAsString();
  return out;
}

void write_to(const Model& m, ModelSink& sink) {
  pb::ModelProto before, after;
  before.set_ir_version(m.ir_version);
  if (!m.producer_name.empty()) before.set_producer_name(m.producer_name);
  if (!m.producer_version.empty()) before.set_producer_version(m.producer_version);
  if (!m.domain.empty()) before.set_domain(m.domain);
  if (!m.doc.empty()) before.set_doc_string(m.doc);
  write_opsets(m.opsets, [&] { return after.add_opset_import(); });
  for (const auto& [key, value] : m.metadata) {
    auto* p = after.add_metadata_props();
    p->set_key(key);
    p->set_value(value);
  }
  for (const auto& f : m.functions) write_function(f, *after.add_functions());

  pb::GraphProto head, tail;
  write_graph_head(m.graph, head);
  write_graph_tail(m.graph, tail);
  std::string head_bytes = head.SerializeAsString(), tail_bytes = tail.SerializeAsString();
  std::vector<StreamedTensor> tensors;
  uint64_t size = head_bytes.size() + tail_bytes.size();
  for (const TensorModel& t : m.graph.initializers) {
    tensors.push_back(prepare(t, sink));
    size += tensors.back().field_size();
  }
  if (size > kProtobufLimit) {
    fail("onnx", cat("the model would have ", size, " bytes, protobuf ends at ", kProtobufLimit),
         "Write the weights as external data");
  }
  sink.put(before.SerializeAsString());
  std::string header;
  append_bytes_header(header, 7, size);
  sink.put(header + head_bytes);
  for (const StreamedTensor& t : tensors) sink.put_tensor(t);
  sink.put(tail_bytes);
  sink.put(after.SerializeAsString());
}

}  // namespace

Model read_model(std::string_view where, std::shared_ptr<const void> owner,
                 std::span<const std::byte> bytes, const ReadLimits& limits) {
  scan_model(where, bytes, limits);
  return Reader(where).model(std::move(owner), bytes);
}

Written write_model(const Model& model, const Sink& sink, const WriteOptions& options) {
  ModelSink out(sink, options);
  write_to(model, out);
  return out.written();
}

}  // namespace etch::onnx
