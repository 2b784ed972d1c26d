#include "tools/cli/model.h"

#include <unistd.h>

#include <algorithm>

#include "tools/cli/plugin.h"
#include "tools/cli/text.h"
#include "tools/zoo/zoo.h"

namespace etch::cli {

namespace {

constexpr std::string_view kGrammar = "A model is zoo:NAME, libX.so:NAME or FILE.etch";

/// "NAME?k=v&k=v".
struct Query {
  std::string name;
  std::vector<Assignment> parameters;
};

Query parse_query(const std::string& text, const std::string& model) {
  size_t mark = text.find('?');
  Query out{text.substr(0, mark), {}};
  if (mark == std::string::npos || mark + 1 == text.size()) return out;
  for (const std::string& part : split(std::string_view(text).substr(mark + 1), '&')) {
    size_t at = part.find('=');
    if (at == std::string::npos || at == 0) {
      fail("model", cat(model, ": expected parameter=value, got \"", part, "\""));
    }
    out.parameters.push_back({part.substr(0, at), part.substr(at + 1)});
  }
  return out;
}

std::vector<std::string> entry_names(std::span<const ModelEntry> entries) {
  std::vector<std::string> out;
  for (const ModelEntry& e : entries) out.push_back(e.name);
  return out;
}

std::vector<ModelParameter> fill_parameters(const ModelEntry& entry, const Query& query,
                                            const std::string& model) {
  std::vector<ModelParameter> out = entry.parameters;
  std::vector<std::string> names;
  for (const ModelParameter& p : out) names.push_back(p.name);
  for (const Assignment& a : query.parameters) {
    auto it = std::find(names.begin(), names.end(), a.name);
    if (it == names.end()) {
      fail("model", cat(model, ": ", entry.name, " has no parameter ", a.name),
           nearest_hint(a.name, names, "parameters"));
    }
    for (const Assignment& other : query.parameters) {
      if (&other == &a) break;
      if (other.name == a.name) fail("model", cat(model, ": ", a.name, " is given twice"));
    }
    ModelParameter& p = out[static_cast<size_t>(it - names.begin())];
    p.value = whole_number(a.value, "model", cat(model, ": ", a.name));
    if (p.value < p.low || p.value > p.high) {
      fail("model",
           cat(model, ": ", a.name, " is ", p.value, ", the range is ", p.low, " to ", p.high));
    }
  }
  return out;
}

/// A type with the axes in `free` as symbols.
ir::TensorType spec_type(const NamedTensor& input, std::span<const DynamicDim> free) {
  ir::TensorType type{input.tensor.dtype(), to_shape(input.tensor.sizes())};
  for (const DynamicDim& d : free) {
    if (d.input != input.name) continue;
    int64_t axis = d.axis < 0 ? d.axis + type.rank() : d.axis;
    type.shape[static_cast<size_t>(axis)] = Dim::symbol(d.symbol);
  }
  return type;
}

void check_dynamic(const Model& model, const std::vector<DynamicDim>& dynamic) {
  std::vector<std::string> names;
  for (const NamedTensor& i : model.inputs) names.push_back(i.name);
  for (const DynamicDim& d : dynamic) {
    auto it = std::find(names.begin(), names.end(), d.input);
    if (it == names.end()) {
      fail("usage",
           cat("--dynamic ", d.input, ":", d.axis, "=", d.symbol, ": there is no input named ",
               d.input),
           nearest_hint(d.input, names, "inputs"));
    }
    int64_t rank = model.inputs[static_cast<size_t>(it - names.begin())].tensor.dim();
    if (d.axis < -rank || d.axis >= rank) {
      fail("usage", cat("--dynamic ", d.input, ":", d.axis, "=", d.symbol, ": ", d.input, " has ",
                        rank, " axes"));
    }
    for (const DynamicDim& other : dynamic) {
      if (&other == &d) break;
      if (other.input == d.input && (other.axis - d.axis) % rank == 0) {
        fail("usage", cat("--dynamic ", d.input, ":", d.axis, "=", d.symbol, ": this axis is ",
                          other.symbol, " already"));
      }
    }
  }
}

LoadedModel make_from(const ModelEntry& entry, const Query& query, const std::string& text,
                      const std::vector<DynamicDim>& dynamic) {
  LoadedModel out;
  out.text = text;
  out.doc = entry.doc;
  out.parameters = fill_parameters(entry, query, text);
  out.source = make_model([&] { return entry.make(ModelParameters(out.parameters)); }, text);
  check_dynamic(*out.source, dynamic);
  out.dynamic = dynamic;
  std::vector<DynamicDim> free = out.source->free_axes;
  free.insert(free.end(), dynamic.begin(), dynamic.end());
  for (const NamedTensor& i : out.source->inputs) {
    out.inputs.push_back({i.name, spec_type(i, free)});
  }
  return out;
}

const ModelEntry& find_entry(std::span<const ModelEntry> entries, const std::string& name,
                             const std::string& where) {
  for (const ModelEntry& e : entries) {
    if (e.name == name) return e;
  }
  fail("model", cat(where, " has no model named ", name.empty() ? "\"\"" : name),
       nearest_hint(name, entry_names(entries), "models"));
}

LoadedModel load_file(const std::string& path) {
  LoadedModel out;
  out.text = path;
  out.artifact = std::make_shared<runtime::Artifact>(
      runtime::load_artifact(path, runtime::ArtifactOptions{.traced = true}));
  const ir::Graph& g = out.artifact->graph;
  for (const ir::GraphInput& i : g.inputs()) {
    if (i.kind == ir::InputKind::Input) out.inputs.push_back({i.name, g.type(i.value)});
  }
  out.doc =
      cat("artifact written by ", out.artifact->producer, ", level ", name(out.artifact->level));
  return out;
}

}  // namespace

LoadedModel load_model(const std::string& text, const std::vector<DynamicDim>& dynamic) {
  if (text.empty()) fail("model", "the name of the model is empty", kGrammar);
  if (text.starts_with("zoo:")) {
    Query query = parse_query(text.substr(4), text);
    return make_from(find_entry(zoo::models(), query.name, "the zoo"), query, text, dynamic);
  }
  if (size_t at = text.rfind(".so:"); at != std::string::npos) {
    std::string path = text.substr(0, at + 3);
    Query query = parse_query(text.substr(at + 4), text);
    return make_from(find_entry(open_plugin(path), query.name, path), query, text, dynamic);
  }
  if (text.ends_with(".onnx")) {
    fail_file("model", text, "ONNX files are written by this version, and not read", kGrammar);
  }
  if (text.ends_with(".so")) {
    std::vector<std::string> names = entry_names(open_plugin(text));
    fail("model", cat(text, ": no model of the plug-in is named"),
         cat("Write ", text, ":NAME, where NAME is ", join(names, " or ")));
  }
  bool exists = access(text.c_str(), F_OK) == 0;
  if (!exists && !text.ends_with(".etch") && text.find('/') == std::string::npos) {
    std::vector<std::string> zoo;
    for (const ModelEntry& e : zoo::models()) zoo.push_back("zoo:" + e.name);
    std::string close = nearest(text.find(':') == std::string::npos ? "zoo:" + text : text, zoo);
    fail("model", cat("there is no model ", text),
         close.empty() ? std::string(kGrammar) : cat("Did you mean ", close, "? ", kGrammar));
  }
  LoadedModel out = load_file(text);
  if (!dynamic.empty()) {
    fail("usage",
         cat("--dynamic ", dynamic[0].input, ":", dynamic[0].axis, ": the sizes of ", text,
             " are settled"),
         "Trace the model again");
  }
  return out;
}

std::vector<NamedTensor> example_inputs(const LoadedModel& model) {
  std::vector<NamedTensor> out;
  // A size of 1 would broadcast, and equal sizes of different symbols would look like one.
  std::vector<std::pair<std::string, int64_t>> sizes;
  int64_t next = 2;
  for (const DynamicDim& d : model.dynamic) {
    bool known =
        std::any_of(sizes.begin(), sizes.end(), [&](const auto& s) { return s.first == d.symbol; });
    if (known) continue;
    next = std::max(next, d.low);
    sizes.push_back({d.symbol, std::min(next, d.high)});
    ++next;
  }
  uint64_t seed = 1;
  for (const NamedTensor& i : model.source->inputs) {
    Sizes shape;
    for (int64_t s : i.tensor.sizes()) shape.push_back(s);
    for (const DynamicDim& d : model.dynamic) {
      if (d.input != i.name) continue;
      size_t axis = static_cast<size_t>(d.axis < 0 ? d.axis + i.tensor.dim() : d.axis);
      for (const auto& [symbol, size] : sizes) {
        if (symbol == d.symbol) shape[axis] = size;
      }
    }
    out.push_back({i.name, random_tensor(i.tensor.dtype(), shape, seed++)});
  }
  return out;
}

StateGuard::StateGuard(const std::vector<NamedTensor>& state) : state_(state) {
  NoGrad no_grad;
  for (const NamedTensor& s : state) before_.push_back(s.tensor.detach().clone());
}

StateGuard::~StateGuard() {
  NoGrad no_grad;
  for (size_t i = 0; i < before_.size(); ++i) {
    Tensor live = state_[i].tensor.detach();
    live.copy_(before_[i]);
  }
}

Trace trace_model(const LoadedModel& model, const std::vector<NamedTensor>& inputs) {
  invariant(model.source.has_value(), "only code is traced");
  TraceOptions options;
  options.dynamic = model.dynamic;
  options.state = model.source->state;
  bool given = !inputs.empty() && model.dynamic.empty();
  StateGuard guard(options.state);  // recording runs the code once
  return trace_flat(model.source->function, given ? inputs : example_inputs(model), options);
}

std::string inputs_text(std::span<const InputSpec> inputs) {
  Columns columns;
  for (const InputSpec& i : inputs) {
    std::string type;
    append_text(type, i.type);
    columns.row({i.name, type});
  }
  return columns.text();
}

}  // namespace etch::cli
