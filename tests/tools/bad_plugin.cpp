// Models that are wrong in every way a plug-in can be; tests/tools/mistakes_test.cpp opens it.
#include <cstdlib>
#include <stdexcept>

#include "etch/model.h"
#include "etch/ops.h"

using namespace etch;

namespace {

struct AtStart {
  AtStart() {
    if (std::getenv("ETCH_TEST_THROW_AT_START") != nullptr) throw std::runtime_error("at start");
  }
} at_start;

Model returning(std::vector<NamedTensor> inputs, FlatFunction f) {
  Model m;
  m.inputs = std::move(inputs);
  m.function = std::move(f);
  return m;
}

std::vector<NamedTensor> one_input() { return {{"x", zeros({2, 3})}}; }

struct Unary : nn::Module {
  Tensor operator()(const Tensor& x) { return x; }
};

}  // namespace

ETCH_MODEL(make_throws, "raises while it is made") { throw std::runtime_error("disk on fire"); }
ETCH_MODEL(make_throws_number, "raises a number while it is made") { throw 42; }
ETCH_MODEL(run_throws, "raises when it runs") {
  return returning(one_input(),
                   [](std::span<const Tensor>) -> std::vector<NamedTensor> { throw 42; });
}
ETCH_MODEL(run_misuses, "calls an operator on what does not fit") {
  return returning(one_input(), [](std::span<const Tensor> in) {
    return std::vector<NamedTensor>{{"y", matmul(in[0], in[0])}};
  });
}
ETCH_MODEL(no_result, "gives an undefined tensor") {
  return returning(one_input(),
                   [](std::span<const Tensor>) { return std::vector<NamedTensor>{{"y", {}}}; });
}
ETCH_MODEL(no_function, "has no function") { return returning(one_input(), nullptr); }
ETCH_MODEL(no_inputs, "names no input of a module that takes one") {
  return module_model(std::make_shared<Unary>(), {}, "y");
}
ETCH_MODEL(undefined_input, "has an input without a tensor") {
  return module_model(std::make_shared<Unary>(), {{"x", Tensor()}}, "y");
}
ETCH_MODEL(same_inputs, "has two inputs of one name") {
  return returning({{"x", zeros({2})}, {"x", zeros({2})}}, [](std::span<const Tensor> in) {
    return std::vector<NamedTensor>{{"y", in[0]}};
  });
}
ETCH_MODEL(undeclared, "reads a parameter that it did not declare") {
  return returning({{"x", zeros({parameters.at("width")})}}, nullptr);
}
