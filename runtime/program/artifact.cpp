#include "runtime/program/artifact.h"

#include <algorithm>
#include <unordered_map>

#include "ir/verify.h"
#include "runtime/io/container.h"
#include "runtime/io/json.h"
#include "runtime/io/safetensors.h"
#include "runtime/tensor_impl.h"

namespace etch::runtime {
namespace {

constexpr int64_t kFormat = 1;
constexpr size_t kMostNative = 64;
constexpr std::string_view kConstantPrefix = "constant/";
constexpr std::string_view kStatePrefix = "state/";

void collect_constants(const ir::Graph& g, TensorMap& out) {
  for (ir::NodeId id : g) {
    const ir::Node& n = g.node(id);
    if (!ir::is_constant(n)) continue;
    const ir::Constant& c = *n.constant;
    if (shape_numel(to_shape(c.sizes)).value() <= ir::kInlineElements) continue;
    auto [at, fresh] = out.try_emplace(cat(kConstantPrefix, c.hash.to_hex()));
    HostTensor& t = at->second;
    // Equal bytes of two types are stored once, as the type that both can be read from: the wider
    // for its alignment, bool for its values.
    if (!fresh && (itemsize(t.dtype) > itemsize(c.dtype) || is_bool(t.dtype))) continue;
    t.dtype = c.dtype;
    t.shape.assign(c.sizes.begin(), c.sizes.end());
    t.bytes = Bytes(c.data, {static_cast<const std::byte*>(c.data.get()), c.bytes});
  }
}

void collect_all_constants(const ir::Graph& g, TensorMap& out) {
  collect_constants(g, out);
  for (const ir::Graph* body : ir::nested_graphs(g)) collect_constants(*body, out);
}

/// A tensor's memory stays as it is while a handle on it is alive: see State::stage().
HostTensor host_tensor(const Tensor& t) {
  const TensorImpl& i = impl(t);
  HostTensor out;
  out.dtype = i.dtype;
  out.shape.assign(i.sizes.begin(), i.sizes.end());
  out.bytes = Bytes(
      std::make_shared<Tensor>(t),
      {static_cast<const std::byte*>(i.data), static_cast<size_t>(i.numel) * itemsize(i.dtype)});
  return out;
}

/// Checks the State against the graph's state inputs; tensors may be missing.
void check_state(const ir::Graph& g, const State& state, std::string_view where) {
  for (const ir::GraphInput& in : g.inputs()) {
    if (in.kind != ir::InputKind::State) continue;
    int at = state.find(in.name);
    if (at < 0) continue;
    const TensorImpl& t = impl(state.at(static_cast<size_t>(at)));
    const ir::TensorType& type = g.type(in.value);
    bool fits = t.dtype == type.dtype && t.sizes.size() == type.shape.size();
    for (size_t a = 0; fits && a < t.sizes.size(); ++a) {
      fits = !type.shape[a].is_const() || type.shape[a].value() == t.sizes[a];
    }
    if (!fits) {
      fail_file("artifact", where,
                cat("state '", in.name, "' is ", t.dtype, t.sizes, ", the graph expects ", type));
    }
  }
}

std::string native_name(size_t i) { return cat("native.", i); }

std::string meta_text(const Artifact& a) {
  auto names = [&](JsonWriter& w, std::string_view key, auto&& each) {
    w.key(key).begin_array();
    each(w);
    w.end_array();
  };
  auto inputs = [&](ir::InputKind kind) {
    return [&a, kind](JsonWriter& w) {
      for (const ir::GraphInput& in : a.graph.inputs()) {
        if (in.kind == kind) w.value(in.name);
      }
    };
  };
  JsonWriter w(1);
  w.begin_object();
  w.member("format", kFormat);
  w.member("producer", std::string("etch " ETCH_VERSION_TEXT));
  w.member("numerics", std::string(name(a.level)));
  names(w, "inputs", inputs(ir::InputKind::Input));
  names(w, "states", inputs(ir::InputKind::State));
  names(w, "outputs", [&](JsonWriter& out) {
    for (const ir::GraphResult& r : a.graph.results()) {
      if (r.for_caller()) out.value(r.name);
    }
  });
  w.key("native").begin_array();
  for (size_t i = 0; i < a.native.size(); ++i) {
    w.begin_object();
    w.member("section", native_name(i));
    w.member("tier", a.native[i].tier);
    w.member("key", a.native[i].key);
    w.end_object();
  }
  w.end_array();
  w.end_object();
  return std::move(w).finish();
}

ContainerWriter writer_for(const Artifact& a) {
  if (a.native.size() > kMostNative) {
    fail("artifact", cat(a.native.size(), " native sections, the limit is ", kMostNative));
  }
  check_state(a.graph, a.state, "the State to be saved");
  SafeTensors weights;
  collect_all_constants(a.graph, weights.tensors);
  if (a.traced) collect_all_constants(*a.traced, weights.tensors);
  for (size_t i = 0; i < a.state.size(); ++i) {
    weights.tensors[cat(kStatePrefix, a.state.name(i))] = host_tensor(a.state.at(i));
  }
  ContainerWriter out;
  out.add("meta", Bytes::take(meta_text(a)));
  if (a.traced) out.add("traced", Bytes::take(ir::print(*a.traced)));
  out.add("graph", Bytes::take(ir::print(a.graph)));
  out.add("weights", safetensors_pieces(weights));
  for (size_t i = 0; i < a.native.size(); ++i) out.add(native_name(i), a.native[i].bytes);
  return out;
}

/// Constants of the weights section by hash; each is hashed again, once, before it is used.
class Weights {
 public:
  Weights(const Bytes& section, const std::string& where, const IoLimits& limits)
      : where_(where), content_(decode_safetensors(section, where, limits)) {}

  std::shared_ptr<const ir::Constant> constant(const Hash128& hash) {
    if (auto known = made_.find(hash); known != made_.end()) return known->second;
    std::string key = cat(kConstantPrefix, hash.to_hex());
    auto it = content_.tensors.find(key);
    if (it == content_.tensors.end()) return nullptr;
    const HostTensor& t = it->second;
    require_supported(key, t);
    auto keep = std::make_shared<Bytes>(t.bytes);
    auto c = ir::make_constant(t.dtype, t.shape, {keep, keep->data()});
    if (c->hash != hash) {
      fail_file("artifact", where_,
                cat("the contents of '", key, "' have the hash ", c->hash.to_hex()));
    }
    made_.emplace(hash, c);
    return c;
  }

  State state() const {
    State out;
    for (const auto& [key, t] : content_.tensors) {
      if (!key.starts_with(kStatePrefix)) continue;
      require_supported(key, t);
      auto keep = std::make_shared<Bytes>(t.bytes);
      out.adopt(key.substr(kStatePrefix.size()), tensor_on(keep, keep->data(), t.dtype, t.shape));
    }
    return out;
  }

 private:
  void require_supported(std::string_view key, const HostTensor& t) const {
    if (contains(kSupported, t.dtype) && t.shape.size() <= static_cast<size_t>(kMaxRank)) return;
    fail_file("artifact", where_,
              cat("tensor ", in_quotes(key), " is of type ", t.dtype, " and rank ", t.shape.size(),
                  ", which programs cannot hold"));
  }

  std::string where_;
  SafeTensors content_;
  std::unordered_map<Hash128, std::shared_ptr<const ir::Constant>> made_;
};

void read_meta(const ContainerReader& file, const ArtifactOptions& options, Artifact& out) {
  std::string where = cat(file.where(), " section meta");
  Bytes bytes = file.section("meta");
  JsonValue meta = parse_json(bytes.text(), where, "artifact", options.limits);
  if (!meta.is(JsonKind::Object)) fail_file("artifact", where, "expected a JSON object");
  int64_t format = meta.at("format").as_int("format");
  if (format != kFormat) {
    fail_file("artifact", where, cat("format ", format, ", this version reads ", kFormat),
              "Read it with a newer Etch");
  }
  out.producer = meta.at("producer").as_string("producer");
  std::string numerics = meta.at("numerics").as_string("numerics");
  std::optional<Level> level = level_from_name(numerics);
  if (!level) fail_file("artifact", where, cat("unknown numerics level ", in_quotes(numerics)));
  out.level = *level;
  if (!options.trust_native) return;
  const JsonValue::Array& native = meta.at("native").as_array("native");
  if (native.size() > kMostNative) {
    fail_file("artifact", where, cat(native.size(), " native sections, limit ", kMostNative));
  }
  for (const JsonValue& n : native) {
    out.native.push_back({n.at("tier").as_string("tier"), n.at("key").as_string("key"),
                          file.section(n.at("section").as_string("section"))});
  }
}

ir::Graph read_graph(const ContainerReader& file, std::string_view section, Weights& weights,
                     const ArtifactOptions& options) {
  std::string where = cat(file.where(), " section ", section);
  Bytes bytes = file.section(section);
  auto lookup = [&](const Hash128& hash) { return weights.constant(hash); };
  ir::Graph g = ir::parse(bytes.text(), lookup, where, options.text);
  ir::verify_untrusted(g, where);
  return g;
}

Artifact read(const ContainerReader& file, const ArtifactOptions& options) {
  Artifact out;
  read_meta(file, options, out);
  std::string where = cat(file.where(), " section weights");
  Weights weights(file.section("weights"), where, options.limits);
  out.graph = read_graph(file, "graph", weights, options);
  if (options.traced && file.has("traced")) {
    out.traced = read_graph(file, "traced", weights, options);
  }
  out.state = weights.state();
  check_state(out.graph, out.state, where);
  return out;
}

}  // namespace

void save_artifact(const std::string& path, const Artifact& artifact) {
  State::Use use(artifact.state, false);
  writer_for(artifact).write(path);
}

Bytes encode_artifact(const Artifact& artifact) {
  State::Use use(artifact.state, false);
  return writer_for(artifact).encode();
}

Artifact load_artifact(const std::string& path, const ArtifactOptions& options) {
  return read(ContainerReader::open(path, options.limits, options.access), options);
}

Artifact decode_artifact(const Bytes& file, std::string_view where,
                         const ArtifactOptions& options) {
  return read(ContainerReader::from_bytes(file, where, options.limits), options);
}

}  // namespace etch::runtime
