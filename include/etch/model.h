// Models that others load by name: what the command's zoo is made of, and its plug-ins.
//
//   ETCH_MODEL(affine, "y = a x + b", {"width", 4, 1, 4096, "elements of a row"}) {
//     auto net = std::make_shared<Affine>(parameters.at("width"));
//     return etch::module_model(net, {{"x", etch::zeros({1, parameters.at("width")})}}, "y");
//   }
//
// A shared library with such lines is opened as `etch run libnets.so:affine?width=8 ...`.
#pragma once

#include "etch/autograd.h"
#include "etch/nn.h"
#include "etch/trace.h"

namespace etch {

/// A whole number that a model is made from, with its default and the range it may take.
struct ModelParameter {
  std::string name;
  int64_t value = 0;
  int64_t low = 0;
  int64_t high = INT64_MAX;
  std::string doc;
};

/// The parameters of one model, checked and with their defaults filled in.
class ModelParameters {
 public:
  ModelParameters() = default;
  explicit ModelParameters(std::vector<ModelParameter> list) : list_(std::move(list)) {}
  /// The value; UserError for a name that the model did not declare.
  int64_t at(std::string_view name) const;
  const std::vector<ModelParameter>& list() const { return list_; }

 private:
  std::vector<ModelParameter> list_;
};

/// One made model.
struct Model {
  /// Names, dtypes and example sizes of what it takes.
  std::vector<NamedTensor> inputs;
  FlatFunction function;
  /// Parameters and buffers; see TraceOptions::state.
  std::vector<NamedTensor> state;
  /// Axes that may be of any size, such as the batch: the axis is `symbol` where it is made
  /// dynamic.
  std::vector<DynamicDim> free_axes;
};

/// A model's name, what it is, and how to make one.
struct ModelEntry {
  std::string name;
  std::string doc;
  std::vector<ModelParameter> parameters;
  Model (*make)(const ModelParameters& parameters) = nullptr;
};

/// Changes whenever ModelEntry does.
inline constexpr int kModelAbi = 1;

/// A model from a module that is called with the tensors of `inputs`, without gradients; its only
/// result is named `result`.
template <class M>
Model module_model(std::shared_ptr<M> module, std::vector<NamedTensor> inputs, std::string result,
                   std::vector<DynamicDim> free_axes = {}) {
  if (std::is_invocable_v<M&, const Tensor&> && inputs.size() != 1) {
    fail("module_model", cat("the module takes one tensor, ", inputs.size(), " inputs are named"));
  }
  Model out;
  out.inputs = std::move(inputs);
  out.state = module->state();
  out.free_axes = std::move(free_axes);
  out.function = [module, result](std::span<const Tensor> in) {
    NoGrad no_grad;
    if constexpr (std::is_invocable_v<M&, const Tensor&>) {
      return std::vector<NamedTensor>{{result, (*module)(in[0])}};
    } else {
      return std::vector<NamedTensor>{{result, (*module)(in)}};
    }
  };
  return out;
}

namespace detail {

/// The models of this library. Hidden, so that each plug-in has a list of its own.
[[gnu::visibility("hidden")]] inline std::vector<ModelEntry>& library_models() {
  static std::vector<ModelEntry> models;
  return models;
}
[[gnu::visibility("hidden")]] inline bool add_model(ModelEntry entry) {
  library_models().push_back(std::move(entry));
  return true;
}

}  // namespace detail

inline int64_t ModelParameters::at(std::string_view name) const {
  for (const ModelParameter& p : list_) {
    if (p.name == name) return p.value;
  }
  fail("model", cat("no parameter named ", name, " was declared"), "Name it in ETCH_MODEL");
}

}  // namespace etch

/// What the command looks up in a plug-in: its models, or null when it was built for another
/// interface.
extern "C" [[gnu::visibility("default"), gnu::used]] inline const std::vector<etch::ModelEntry>*
etch_models(int abi) {
  return abi == etch::kModelAbi ? &etch::detail::library_models() : nullptr;
}

/// Defines and publishes a model; what follows in braces makes it from `parameters` and returns an
/// etch::Model. After name and text come the parameters: {"classes", 10, 2, 1000, "how many"}.
#define ETCH_MODEL(model_name, text, ...)                                                   \
  static etch::Model etch_make_##model_name(const etch::ModelParameters& parameters);       \
  [[maybe_unused]] static const bool etch_added_##model_name =                              \
      etch::detail::add_model({#model_name, text, {__VA_ARGS__}, &etch_make_##model_name}); \
  static etch::Model etch_make_##model_name(                                                \
      [[maybe_unused]] const etch::ModelParameters& parameters)
