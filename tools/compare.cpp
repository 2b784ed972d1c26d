#include <algorithm>

#include "tools/cli/result.h"
#include "tools/cli/text.h"
#include "tools/cli/verbs.h"

namespace etch::cli {

namespace {

/// One side: an engine, outputs from a file, or an artifact's run.
struct Side {
  std::string text;
  std::optional<Engine> engine;
  std::vector<NamedTensor> outputs;
  CompiledStats stats;
  Level level = Level::Exact;
};

/// An artifact that is one side takes the other's inputs.
void check_inputs(const LoadedModel& artifact, const std::vector<NamedTensor>& inputs) {
  bool fits = artifact.inputs.size() == inputs.size();
  for (size_t i = 0; fits && i < inputs.size(); ++i) {
    const ir::TensorType& type = artifact.inputs[i].type;
    fits = type.dtype == inputs[i].tensor.dtype() && type.rank() == inputs[i].tensor.dim();
    for (int64_t a = 0; fits && a < type.rank(); ++a) {
      Dim d = type.shape[static_cast<size_t>(a)];
      fits = !d.is_const() || d.value() == inputs[i].tensor.sizes()[static_cast<size_t>(a)];
    }
  }
  if (fits) return;
  std::vector<std::string> given;
  for (const NamedTensor& i : inputs) {
    given.push_back(cat(i.name, " ", i.tensor.dtype(), i.tensor.sizes()));
  }
  fail("compare", cat(artifact.text, " takes other inputs than the model: the model's are ",
                      join(given), ", the artifact's are\n", inputs_text(artifact.inputs)));
}

Side run_side(const LoadedModel& model, const std::string& text,
              const std::vector<NamedTensor>& inputs, std::optional<Level> level) {
  Side out;
  out.text = text;
  out.engine = engine_from_name(text);
  if (!out.engine && level) {
    fail("usage",
         cat("--level ", name(*level), ": side a is ", text, ", which has a level of its own"),
         "Take --a jit or --a interpret");
  }
  if (!out.engine && text.ends_with(".npz")) {
    out.outputs = read_outputs(text);
    return out;
  }
  const bool artifact = !out.engine && text.ends_with(".etch");
  if (!out.engine && !artifact) {
    const std::vector<std::string> known = {"jit", "interpret", "eager", "FILE.npz", "FILE.etch"};
    fail("usage", cat("cannot compare with ", text), nearest_hint(text, known, "sides"));
  }
  if (artifact) out.engine = Engine::Jit;
  LoadedModel other;
  if (artifact) {
    other = load_model(text);
    check_inputs(other, inputs);
  }
  RunResult result =
      run_engine(artifact ? other : model, *out.engine, inputs, *out.engine == Engine::Jit, level);
  out.outputs = std::move(result.outputs);
  out.stats = result.stats;
  out.level = result.level;
  return out;
}

const NamedTensor* find_output(const Side& side, const std::string& name) {
  for (const NamedTensor& o : side.outputs) {
    if (o.name == name) return &o;
  }
  return nullptr;
}

std::string spread_text(const std::optional<double>& spread) {
  return spread ? number_text(*spread, 3) : "-";
}

/// Collects the table, the JSON and the verdict.
class Comparison {
 public:
  Comparison(const Side& a, const Side& b, const CompareRequest& request)
      : a_(a),
        b_(b),
        allow_constant_(request.allow_constant),
        measured_(a.level == Level::Fast || b.level == Level::Fast),
        tolerance_(request.tolerance) {
    table_.row({"output", "type", "differing", measured_ ? "max |a - b|" : "bits",
                measured_ ? "max |a - b| / |b|" : "spread over inputs",
                measured_ ? "of the root mean square" : "over classes"});
  }

  void add(const NamedTensor& x) {
    const NamedTensor* y = find_output(b_, x.name);
    std::string type = cat(x.tensor.dtype(), x.tensor.sizes());
    runtime::JsonValue json = tensor_json(x);
    bool same_type = y != nullptr && y->tensor.dtype() == x.tensor.dtype() &&
                     std::ranges::equal(y->tensor.sizes(), x.tensor.sizes());
    if (!same_type) {
      ++mismatched_;
      problem(y == nullptr ? cat(x.name, " is missing in ", b_.text)
                           : cat(x.name, " is ", type, " in ", a_.text, " and ", y->tensor.dtype(),
                                 y->tensor.sizes(), " in ", b_.text));
      outputs_.push_back(std::move(json));
      return;
    }
    Difference d = difference(x.tensor, y->tensor);
    Spread s = spread_of(x.tensor);
    elements_ += d.elements;
    bits_ += d.bits;
    if (measured_) {
      measure(x, *y, type, d.elements, json);
    } else {
      table_.row({x.name, type, cat(d.elements), cat(d.bits), spread_text(s.inputs),
                  spread_text(s.classes)});
    }
    if (d.first >= 0 && !measured_) {
      problem(cat(x.name, " first differs at ", index_text(d.first, x.tensor.sizes()), ": ",
                  element_text(x.tensor, d.first), " in ", a_.text, ", ",
                  element_text(y->tensor, d.first), " in ", b_.text));
    }
    if (s.nearly_constant && !allow_constant_) {
      ++constant_;
      problem(cat(x.name, s.finite ? " is nearly constant, so that it shows little"
                                   : " holds values that are not finite"));
    }
    json.set("differing_elements", d.elements);
    json.set("differing_bits", d.bits);
    if (s.inputs) json.set("spread_inputs", *s.inputs);
    if (s.classes) json.set("spread_classes", *s.classes);
    json.set("nearly_constant", s.nearly_constant);
    outputs_.push_back(std::move(json));
  }

  void add_missing_in_a() {
    for (const NamedTensor& y : b_.outputs) {
      if (find_output(a_, y.name) != nullptr) continue;
      ++mismatched_;
      problem(cat(y.name, " is missing in ", a_.text));
    }
  }

  Answer finish() {
    Answer out;
    bool fits = measured_ ? far_ == 0 : bits_ == 0;
    out.code = fits && mismatched_ == 0 && constant_ == 0 ? kDone : kNo;
    out.text = table_.text() + problems_;
    std::string hash_a = output_hash(a_.outputs), hash_b = output_hash(b_.outputs);
    out.text += hash_a == hash_b ? cat("output hash ", hash_a, "\n")
                                 : cat("output hash ", hash_a, " of ", a_.text, "\n            ",
                                       hash_b, " of ", b_.text, "\n");
    for (const Side* side : {&a_, &b_}) {
      if (side->engine != Engine::Jit) continue;
      out.text += cat("kernels built ", side->stats.kernels_built, ", run ",
                      side->stats.kernels_run, ", fallbacks ", side->stats.fallbacks, "\n");
      out.json.set("kernels_built", side->stats.kernels_built);
      out.json.set("kernels_run", side->stats.kernels_run);
      out.json.set("fallbacks", side->stats.fallbacks);
    }
    if (measured_) {
      out.text +=
          cat("contractions run by the library: ", a_.stats.vendor_run + b_.stats.vendor_run, "\n",
              far_ == 0 && mismatched_ == 0 ? "close" : "too far", ": the largest difference is ",
              number_text(worst_), " of the root mean square, ", "the tolerance ",
              number_text(tolerance_), "\n");
      out.json.set("library_run", a_.stats.vendor_run + b_.stats.vendor_run);
      out.json.set("close", far_ == 0 && mismatched_ == 0);
      out.json.set("tolerance", tolerance_);
    } else {
      out.text += cat(elements_ == 0 && mismatched_ == 0 ? "same" : "different", ": ", bits_,
                      " differing bits in ", elements_, " elements\n");
    }
    out.json.set("outputs", std::move(outputs_));
    out.json.set("hash_a", hash_a);
    out.json.set("hash_b", hash_b);
    out.json.set("differing_elements", elements_);
    out.json.set("differing_bits", bits_);
    out.json.set("same", bits_ == 0 && mismatched_ == 0);
    return out;
  }

 private:
  /// A level that is not exact: how far it is off, rather than whether every bit is right.
  void measure(const NamedTensor& x, const NamedTensor& y, const std::string& type,
               int64_t elements, runtime::JsonValue& json) {
    Distance d = distance(x.tensor, y.tensor);
    bool apart = !(d.absolute <= tolerance_ * d.size);
    double share = d.absolute == 0 ? 0 : d.absolute / d.size;
    worst_ = std::max(worst_, share);
    table_.row({x.name, type, cat(elements), number_text(d.absolute), number_text(d.relative),
                number_text(share)});
    if (apart) {
      ++far_;
      problem(cat(x.name, " is ", number_text(d.absolute), " off, more than ",
                  number_text(tolerance_), " of its root mean square ", number_text(d.size)));
    }
    json.set("max_abs", d.absolute);
    json.set("max_rel", d.relative);
    json.set("root_mean_square", d.size);
  }
  void problem(const std::string& text) { problems_ += cat("  ", text, "\n"); }

  const Side& a_;
  const Side& b_;
  bool allow_constant_, measured_;
  double tolerance_, worst_ = 0;
  Columns table_;
  std::string problems_;
  runtime::JsonValue::Array outputs_;
  int64_t elements_ = 0, bits_ = 0;
  size_t mismatched_ = 0, constant_ = 0, far_ = 0;
};

/// Enough rows to see whether outputs vary with the input.
constexpr int64_t kRows = 3;

}  // namespace

Answer compare_verb(const CompareRequest& request, Console&) {
  std::vector<DynamicDim> dynamic;
  for (const std::string& d : request.dynamic) dynamic.push_back(parse_dynamic(d));
  LoadedModel model = load_model(request.model, dynamic);
  Given given = read_inputs(model.inputs, request.inputs, parse_dims(request.dims), kRows);
  // Side b is what level fast is measured against.
  std::optional<Level> level = parse_level(request.level);
  Side a = run_side(model, request.a, given.tensors, level);
  Side b = run_side(model, request.b, given.tensors, std::nullopt);
  Comparison comparison(a, b, request);
  for (const NamedTensor& o : a.outputs) comparison.add(o);
  comparison.add_missing_in_a();
  Answer out = comparison.finish();

  Columns columns(2);
  for (size_t i = 0; i < given.tensors.size(); ++i) {
    const NamedTensor& t = given.tensors[i];
    columns.row({"input", t.name, cat(t.tensor.dtype(), t.tensor.sizes()), given.described[i]});
  }
  auto title = [](const Side& s) {
    return s.level == Level::Fast ? cat(s.text, " at level fast") : s.text;
  };
  out.text = cat(model.text, ": ", title(a), " against ", title(b), "\n", columns.text(), out.text);
  out.json.set("model", model.text);
  out.json.set("a", a.text);
  out.json.set("b", b.text);
  out.json.set("level_a", name(a.level));
  out.json.set("level_b", name(b.level));
  return out;
}

}  // namespace etch::cli
