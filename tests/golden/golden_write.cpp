#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <random>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "etch/optim.h"
#include "ir/registry.h"
#include "runtime/eager.h"
#include "runtime/io/npz.h"
#include "runtime/io/tensor_io.h"
#include "runtime/program/artifact.h"
#include "tests/golden/golden.h"
#include "tests/support/op_call.h"
#include "tools/zoo/zoo.h"

namespace etch::test {

namespace {

using runtime::TensorMap;

/// What an artifact was run on, and what eager operators gave. Names in the npz: "2/in/x" and
/// "2/out/y" of run 2, "end/w" of a state tensor after all runs.
class Record {
 public:
  void run(const FlatFunction& f, const std::vector<NamedTensor>& inputs) {
    std::vector<Tensor> in;
    for (const NamedTensor& i : inputs) {
      in.push_back(i.tensor);
      put(cat(runs_, "/in/", i.name), i.tensor);
    }
    for (const NamedTensor& o : f(in)) put(cat(runs_, "/out/", o.name), o.tensor);
    ++runs_;
  }
  void end(const std::vector<NamedTensor>& state) {
    for (const NamedTensor& s : state) put(cat("end/", s.name), s.tensor);
  }
  void put(const std::string& name, const Tensor& t) {
    map_[name] = runtime::to_host(t.detach().clone());
  }
  void write(const std::string& path) const { runtime::write_npz(path, map_); }

 private:
  TensorMap map_;
  int runs_ = 0;
};

Tensor uniform(std::vector<int64_t> sizes, uint64_t seed) {
  Generator rng(seed);
  return rand(sizes, rng);
}

/// A perceptron for any batch size.
void write_mlp(const std::string& path) {
  std::vector<ModelParameter> parameters;
  for (const ModelEntry& e : zoo::models()) {
    if (e.name == "mlp") parameters = e.parameters;
  }
  for (ModelParameter& p : parameters) {
    if (p.name == "features") p.value = 16;
    if (p.name == "hidden") p.value = 24;
    if (p.name == "classes") p.value = 10;
  }
  Model net = zoo::mlp(ModelParameters(parameters));
  TraceOptions options;
  options.state = net.state;
  options.dynamic = {{"x", 0, "N"}};
  Trace trace = trace_flat(net.function, {{"x", uniform({3, 16}, 1)}}, options);
  Compiled(trace, {.mode = CompileMode::Interpret}).save(path + ".etch");
  Record record;
  for (int64_t n : {1, 3, 8}) record.run(net.function, {{"x", uniform({n, 16}, 10)}});
  record.end(net.state);
  record.write(path + ".npz");
}

class SmallNet : public nn::Module {
 public:
  explicit SmallNet(Generator& rng) {
    using Layers = std::initializer_list<std::shared_ptr<nn::Layer>>;
    body_ = add_module(
        "net",
        std::make_shared<nn::Sequential>(Layers{
            std::make_shared<nn::Conv2d>(1, 4, 3, rng, nn::Conv2dOptions{.padding = 1}),
            std::make_shared<nn::BatchNorm2d>(4), std::make_shared<nn::Activation>(&relu),
            std::make_shared<nn::MaxPool2d>(2), std::make_shared<nn::Flatten>(),
            std::make_shared<nn::Dropout>(0.25, rng), std::make_shared<nn::Linear>(64, 10, rng)}));
  }
  Tensor operator()(const Tensor& x) { return (*body_)(x); }

 private:
  std::shared_ptr<nn::Layer> body_;
};

/// A training step that draws random numbers, moves running statistics and keeps Adam's moments.
void write_training_step(const std::string& path) {
  Generator rng(2026);
  SmallNet net(rng);
  optim::Adam optimizer(net.parameters(), 2e-3);
  FlatFunction step = [&](std::span<const Tensor> in) {
    Tensor loss = cross_entropy(net(in[0]), in[1]);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    return std::vector<NamedTensor>{{"loss", loss.detach()}};
  };
  TraceOptions options;
  options.state = net.state();
  options.state.insert(options.state.end(), optimizer.state().begin(), optimizer.state().end());
  options.state.push_back({"rng", rng.state()});
  auto batch = [](uint64_t seed) {
    std::vector<int64_t> labels;
    for (uint64_t i = 0; i < 8; ++i) labels.push_back(static_cast<int64_t>((i * 7 + seed) % 10));
    return std::vector<NamedTensor>{{"x", uniform({8, 1, 8, 8}, seed)},
                                    {"y", from_vector(labels, {8})}};
  };
  Trace trace = trace_flat(step, batch(1), options);
  Compiled(trace, {.mode = CompileMode::Interpret}).save(path + ".etch");
  Record record;
  for (uint64_t seed : {2, 3, 4, 5}) record.run(step, batch(seed));
  record.end(options.state);
  record.write(path + ".npz");
}

constexpr int64_t kElements = 18;  // more than the text form writes in full

/// Elements of every kind: ends of integers, signed zeros, infinities, denormals, a NaN.
Tensor elements_of(DType t, int64_t rows, int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const double inf = std::numeric_limits<double>::infinity();
  const double reals[] = {0.0, -0.0, inf, -inf, std::nan(""), 1e-310, -1e-42, 0.1, 1.0, -3e38};
  std::vector<std::byte> bytes(static_cast<size_t>(rows * count) * itemsize(t));
  for (size_t i = 0; i < static_cast<size_t>(rows * count); ++i) {
    uint64_t bits = random();
    if (is_bool(t)) bits &= 1;
    if (is_float(t)) {
      double v = i < std::size(reals) ? reals[i] : static_cast<double>(bits >> 40) * 0x1p-10;
      auto narrow = static_cast<float>(v);
      t == DType::F64 ? std::memcpy(&bits, &v, 8) : std::memcpy(&bits, &narrow, 4);
    } else if (!is_bool(t) && i < 2) {
      uint64_t top = uint64_t{1} << (etch::bits(t) - 1);
      bits = i == 0 ? top : is_signed_int(t) ? top - 1 : ~uint64_t{0};
    }
    std::memcpy(bytes.data() + i * itemsize(t), &bits, itemsize(t));
  }
  const int64_t sizes[] = {rows, count};
  return from_bytes(bytes.data(), {sizes + (rows == 1), sizes + 2}, t);
}

/// A constant of every element type stored by its hash, one written in full, and a state.
void write_dtypes(const std::string& path) {
  struct Type {
    DType dtype;
    Tensor large, small, state;
  };
  std::vector<Type> types;
  TraceOptions options;
  for (int i = 0; i < kDTypeCount; ++i) {
    DType t = static_cast<DType>(i);
    if (!contains(kSupported, t)) continue;
    auto seed = static_cast<uint64_t>(i);
    types.push_back({t, elements_of(t, 1, kElements, seed), elements_of(t, 1, 3, seed + 50),
                     elements_of(t, 1, kElements, seed + 100)});
    options.state.push_back({cat("state.", t), types.back().state});
  }
  FlatFunction f = [types](std::span<const Tensor> in) {
    std::vector<NamedTensor> out;
    const Tensor& mask = in[0];
    for (size_t i = 0; i < types.size(); ++i) {
      const Type& t = types[i];
      const Tensor& x = in[1 + i];
      out.push_back({cat("large.", t.dtype), where(mask, x, t.large)});
      out.push_back(
          {cat("small.", t.dtype), where(mask.slice(1, 0, 3), x.slice(1, 0, 3), t.small)});
      Tensor state = t.state;
      state.copy_(where(mask.select(0, 0), state, t.large));
    }
    return out;
  };
  auto inputs = [&](int64_t rows, uint64_t seed) {
    std::vector<NamedTensor> in{{"mask", elements_of(DType::Bool, rows, kElements, seed)}};
    if (rows == 1) in[0].tensor = in[0].tensor.unsqueeze(0);
    for (const Type& t : types) {
      Tensor x = elements_of(t.dtype, rows, kElements, ++seed);
      in.push_back({cat("x.", t.dtype), rows == 1 ? x.unsqueeze(0) : x});
    }
    return in;
  };
  std::vector<NamedTensor> example = inputs(2, 1);
  for (const NamedTensor& i : example) options.dynamic.push_back({i.name, 0, "N"});
  Trace trace = trace_flat(f, example, options);
  Compiled(trace, {.mode = CompileMode::Interpret}).save(path + ".etch");
  Record record;
  for (int64_t rows : {1, 3}) record.run(f, inputs(rows, 40));
  record.end(options.state);
  record.write(path + ".npz");
}

/// Every operator with its attributes, on operands that are states; no pass has run.
void write_operators(const std::string& path) {
  ir::Graph g;
  ir::GraphEmitter emitter(g);
  runtime::Artifact artifact;
  Record record;
  SymbolBindings sizes = case_bindings();
  Tensor carrier = ones(size_carrier(sizes).shape());
  g.add_input("sizes", {DType::F32, {Dim::symbol("N"), Dim::symbol("M")}});
  record.put("0/in/sizes", carrier);
  std::map<std::string, ir::Var> states;  // by type and contents
  NoGrad no_grad;
  for (const ir::OpDef* op : ir::all_ops()) {
    std::vector<OpCase> cases;
    for (DType t : {DType::F32, DType::I64, DType::Bool}) {
      if (cases.empty()) cases = op_cases(*op, t);
    }
    size_t taken = 0;
    for (const OpCase& c : cases) {
      if (taken++ == 2) break;
      std::vector<Dense> drawn = draw_operands(c, 7);
      ir::Vars operands;
      std::vector<Tensor> in;
      for (size_t i = 0; i < drawn.size(); ++i) {
        in.push_back(to_tensor(drawn[i]));
        std::string_view bytes(reinterpret_cast<const char*>(drawn[i].bytes.data()),
                               drawn[i].bytes.size());
        auto [known, fresh] = states.try_emplace(cat(c.in[i], bytes));
        if (fresh) {
          std::string name = cat("state", states.size());
          known->second = emitter.var(g.add_input(name, c.in[i], ir::InputKind::State));
          artifact.state.set(name, in[i]);
        }
        operands.push_back(known->second);
      }
      ir::Vars results = emitter.emit(*op, operands, c.attr_data());
      std::vector<Tensor> want = runtime::apply(*op, in, concrete(c, sizes).get());
      for (size_t i = 0; i < results.size(); ++i) {
        std::string name = cat(c.name, ".out", i);
        g.add_result(ir::GraphEmitter::value(results[i]), name);
        record.put(cat("0/out/", name), want[i]);
      }
    }
  }
  artifact.graph = g;
  artifact.traced = g;
  runtime::save_artifact(path + ".etch", artifact);
  record.write(path + ".npz");
}

}  // namespace

void write_golden(const std::string& folder) {
  namespace fs = std::filesystem;
  if (fs::exists(folder)) {
    fail_file("golden", folder, "exists already: files of a version are made once",
              "Raise the version in CMakeLists.txt first");
  }
  fs::create_directories(folder);
  write_mlp(folder + "/mlp");
  write_training_step(folder + "/training_step");
  write_dtypes(folder + "/dtypes");
  write_operators(folder + "/operators");
}

}  // namespace etch::test
