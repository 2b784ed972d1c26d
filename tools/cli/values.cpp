#include "tools/cli/values.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "etch/autograd.h"
#include "etch/ops.h"
#include "etch/random.h"
#include "runtime/io/npy.h"
#include "runtime/io/npz.h"
#include "runtime/io/tensor_io.h"
#include "tools/cli/text.h"

namespace etch::cli {

namespace {

constexpr std::string_view kForms =
    "Write random:SEED, zeros, @FILE.npy, @FILE.npz:KEY or a list like [1, 2, 3]";

/// Far above what a made-up input is good for, and far below what a size product may reach.
constexpr double kMostBytes = 0x1p46;

constexpr std::string_view kDynamicForm = "INPUT:AXIS=SYMBOL[:LOW:HIGH]";

/// The numbers of a literal list, brackets and commas apart.
std::vector<std::string> literal_items(const std::string& text, const std::string& input) {
  std::vector<std::string> out;
  int depth = 0;
  std::string item;
  auto finish = [&] {
    if (!item.empty()) out.push_back(std::move(item));
    item.clear();
  };
  for (char c : text) {
    if (c == '[') ++depth;
    if (c == ']') --depth;
    bool between = c == '[' || c == ']' || c == ',' || c == ' ';
    if (depth < 0 || (depth == 0 && c != ']')) {
      fail("input", cat("the list for ", input, " has unbalanced brackets"), kForms);
    }
    if (between) finish();
    if (!between) item += c;
  }
  finish();
  if (depth != 0) fail("input", cat("the list for ", input, " has unbalanced brackets"), kForms);
  return out;
}

double parse_float(std::string_view text, const std::string& input) {
  double v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail("input", cat("the list for ", input, " holds \"", text, "\", which is no number"));
  }
  return v;
}

Tensor literal_tensor(const InputSpec& spec, const Sizes& sizes, const std::string& text) {
  std::vector<std::string> items = literal_items(text, spec.name);
  int64_t wanted = shape_numel(to_shape(sizes)).value();
  if (static_cast<int64_t>(items.size()) != wanted) {
    fail("input", cat("the list for ", spec.name, " has ", items.size(), " numbers, ",
                      spec.type.dtype, sizes, " takes ", wanted));
  }
  NoGrad no_grad;
  if (is_float(spec.type.dtype)) {
    std::vector<double> values;
    for (const std::string& i : items) values.push_back(parse_float(i, spec.name));
    return from_vector(values, to_shape(sizes)).to(spec.type.dtype);
  }
  std::vector<int64_t> values;
  for (const std::string& i : items) {
    bool word = i == "true" || i == "false";
    values.push_back(word ? i == "true"
                          : whole_number(i, "input", cat("the list for ", spec.name)));
  }
  Tensor wide = from_vector(values, to_shape(sizes)), out = wide.to(spec.type.dtype);
  std::vector<int64_t> kept = out.to(DType::I64).to_vector<int64_t>();
  if (!is_bool(spec.type.dtype) && kept != values) {
    fail("input",
         cat("the list for ", spec.name, " holds a number that ", spec.type.dtype, " cannot"));
  }
  return out;
}

std::vector<std::string> keys_of(const runtime::TensorMap& arrays) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : arrays) keys.push_back(key);
  return keys;
}

runtime::HostTensor read_array(const InputSpec& spec, const std::string& name) {
  size_t at = name.rfind(".npz:");
  if (at != std::string::npos) {
    std::string path = name.substr(0, at + 4), key = name.substr(at + 5);
    runtime::TensorMap all = runtime::read_npz(path);
    auto it = all.find(key);
    if (it != all.end()) return it->second;
    fail_file("input", path, cat("there is no array named ", key),
              nearest_hint(key, keys_of(all), "arrays"));
  }
  if (name.ends_with(".npz")) {
    runtime::TensorMap all = runtime::read_npz(name);
    fail("input", cat("which array of ", name, " is ", spec.name, "?"),
         cat("Write @", name, ":KEY, where KEY is ", join(keys_of(all), " or ")));
  }
  return runtime::read_npy(name);
}

Tensor file_tensor(const InputSpec& spec, std::string_view name) {
  runtime::HostTensor host = read_array(spec, std::string(name));
  if (!contains(kSupported, host.dtype)) {
    fail_file("input", name,
              cat("holds ", host.dtype, ", which cannot be computed with; ", spec.name, " takes ",
                  spec.type.dtype),
              "Convert the array first");
  }
  return runtime::to_tensor(host);
}

/// Raises unless a tensor has the declared dtype, rank and sizes; binds symbols on the way.
void check_type(const InputSpec& spec, const Tensor& t, DimValues& dims) {
  std::string got = cat(t.dtype(), t.sizes()), expected;
  append_text(expected, spec.type);
  bool ok = t.dtype() == spec.type.dtype && t.dim() == spec.type.rank();
  for (size_t a = 0; ok && a < spec.type.shape.size(); ++a) {
    Dim want = spec.type.shape[a];
    int64_t size = t.sizes()[a];
    if (want.is_const()) {
      ok = want.value() == size;
      continue;
    }
    std::string symbol = to_text(want);
    if (symbol.find_first_of(" *(") != std::string::npos)
      continue;  // the program checks expressions
    auto [it, fresh] = dims.emplace(symbol, size);
    if (!fresh && it->second != size) {
      fail("input", cat(spec.name, ": axis ", a, " is ", symbol, " = ", it->second, ", got ", size),
           "Inputs must agree on the size of each symbol");
    }
  }
  if (!ok) {
    fail("input", cat(spec.name, ": expected ", expected, ", got ", got),
         t.dtype() != spec.type.dtype ? "Convert the array to the expected element type"
                                      : "Give an array of the expected shape");
  }
}

Sizes sizes_of(const InputSpec& spec, const DimValues& dims, int64_t default_size) {
  SymbolBindings bindings;
  SmallVec<Dim, 4> symbols;
  for (Dim d : spec.type.shape) dim_symbols(d, symbols);
  for (Dim s : symbols) {
    auto it = dims.find(to_text(s));
    bindings.push_back({s, it != dims.end() ? it->second : default_size});
  }
  return shape_eval(spec.type.shape, bindings);
}

/// sizes_of(), once it is sure that the tensor can be held.
Sizes known_sizes(const InputSpec& spec, const DimValues& dims, int64_t default_size) {
  Sizes sizes = sizes_of(spec, dims, default_size);
  double bytes = static_cast<double>(itemsize(spec.type.dtype));
  for (int64_t s : sizes) bytes *= static_cast<double>(s);
  if (bytes > kMostBytes) {
    fail("input",
         cat(spec.name, ": ", spec.type.dtype, sizes, " takes ", number_text(bytes),
             " bytes, beyond any machine"),
         "Check the sizes");
  }
  return sizes;
}

Tensor made_tensor(const InputSpec& spec, const Sizes& sizes, const std::string& value) {
  if (value == "zeros") return zeros(to_shape(sizes), spec.type.dtype);
  if (value.starts_with("random:")) {
    int64_t seed =
        whole_number(std::string_view(value).substr(7), "input", cat("the seed for ", spec.name));
    return random_tensor(spec.type.dtype, sizes, static_cast<uint64_t>(seed));
  }
  if (value.starts_with("[")) return literal_tensor(spec, sizes, value);
  fail("input", cat("the value for ", spec.name, " is \"", value, "\""), kForms);
}

}  // namespace

Assignment parse_assignment(const std::string& text, std::string_view option,
                            std::string_view form) {
  size_t at = text.find('=');
  if (at == std::string::npos || at == 0 || at + 1 == text.size()) {
    fail("usage", cat("--", option, " ", text, ": expected ", form));
  }
  return {text.substr(0, at), text.substr(at + 1)};
}

DynamicDim parse_dynamic(const std::string& text) {
  Assignment a = parse_assignment(text, "dynamic", kDynamicForm);
  size_t colon = a.name.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    fail("usage", cat("--dynamic ", text, ": expected ", kDynamicForm), "For example x:0=N");
  }
  DynamicDim out;
  out.input = a.name.substr(0, colon);
  out.axis = whole_number(a.name.substr(colon + 1), "usage", cat("--dynamic ", text));
  std::vector<std::string> parts = split(a.value, ':');
  out.symbol = parts[0];
  auto letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  bool word = !out.symbol.empty() && letter(out.symbol[0]);
  for (char c : out.symbol) word &= letter(c) || (c >= '0' && c <= '9');
  if (!word || (parts.size() != 1 && parts.size() != 3)) {
    fail("usage", cat("--dynamic ", text, ": expected ", kDynamicForm),
         "A symbol is a word such as N or batch");
  }
  if (parts.size() == 3) {
    out.low = whole_number(parts[1], "usage", cat("--dynamic ", text));
    out.high = whole_number(parts[2], "usage", cat("--dynamic ", text));
    if (out.low < 0 || out.high < std::max<int64_t>(out.low, 2)) {
      fail("usage",
           cat("--dynamic ", text, ": the range ", out.low, " to ", out.high,
               " holds no size of 2 or more"),
           "A trace is recorded with a size of at least 2");
    }
  }
  return out;
}

DimValues parse_dims(const std::vector<std::string>& texts) {
  DimValues out;
  for (const std::string& text : texts) {
    Assignment a = parse_assignment(text, "dim", "SYMBOL=SIZE");
    int64_t size = whole_number(a.value, "usage", cat("--dim ", text));
    if (size < 0) fail("usage", cat("--dim ", text, ": a size is at least 0, got ", size));
    auto [it, fresh] = out.emplace(a.name, size);
    if (!fresh) fail("usage", cat("--dim ", text, ": ", a.name, " is ", it->second, " already"));
  }
  return out;
}

Tensor random_tensor(DType dtype, std::span<const int64_t> sizes, uint64_t seed) {
  NoGrad no_grad;
  Generator rng(seed);
  if (is_float(dtype)) return randn(sizes, rng, dtype);
  Tensor u = rand(sizes, rng);
  if (is_bool(dtype)) return u < 0.5;
  return floor(u * 10).to(dtype);
}

Given read_inputs(std::span<const InputSpec> inputs, const std::vector<std::string>& assignments,
                  const DimValues& dims, int64_t default_size) {
  std::vector<std::string> names, values(inputs.size());
  for (const InputSpec& i : inputs) names.push_back(i.name);
  for (const std::string& text : assignments) {
    Assignment a = parse_assignment(text, "input", "NAME=VALUE");
    auto it = std::find(names.begin(), names.end(), a.name);
    if (it == names.end()) {
      fail("input", cat("there is no input named ", a.name), nearest_hint(a.name, names, "inputs"));
    }
    std::string& value = values[static_cast<size_t>(it - names.begin())];
    if (!value.empty()) fail("input", cat("the input ", a.name, " is given twice"));
    value = a.value;
  }
  std::vector<std::string> symbols;
  for (const InputSpec& i : inputs) {
    SmallVec<Dim, 4> found;
    for (Dim d : i.type.shape) dim_symbols(d, found);
    for (Dim s : found) symbols.push_back(to_text(s));
  }
  std::sort(symbols.begin(), symbols.end());
  symbols.erase(std::unique(symbols.begin(), symbols.end()), symbols.end());
  for (const auto& [name, size] : dims) {
    if (!std::binary_search(symbols.begin(), symbols.end(), name)) {
      fail("usage", cat("--dim ", name, "=", size, ": no input has a size named ", name),
           nearest_hint(name, symbols, "named sizes"));
    }
  }
  Given out;
  out.tensors.resize(inputs.size());
  DimValues known = dims;
  // Files first: they settle the sizes that made-up values then take.
  for (bool files : {true, false}) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (values[i].empty()) values[i] = cat("random:", i + 1);
      if (values[i].starts_with("@") != files) continue;
      Tensor t =
          files ? file_tensor(inputs[i], std::string_view(values[i]).substr(1))
                : made_tensor(inputs[i], known_sizes(inputs[i], known, default_size), values[i]);
      check_type(inputs[i], t, known);
      out.tensors[i] = {inputs[i].name, t};
    }
  }
  out.described = std::move(values);
  return out;
}

}  // namespace etch::cli
