// Sample calls of the operators that run graphs.
#include "ir/ops/control.h"
#include "ir/text.h"
#include "tests/onnx_export/op_cases.h"

namespace etch::test {

using namespace etch::ir;

namespace {

/// A graph as text, with T for the element type, and functions in front of it.
GraphRef body(DType t, std::string text, const std::string& functions = "") {
  text = cat("etch.ir 1\n", functions, "graph \"body\" {\n  symbol N\n  symbol M\n", text, "}\n");
  for (size_t at = 0; (at = text.find("T[", at)) != std::string::npos; ++at) {
    text.replace(at, 1, name(t));
  }
  return std::make_shared<const Graph>(parse(text));
}

const char* kRows = R"(
  %0 = input "a" : T[N, 3]
  %1 = input "b" : T[3]
  %2 = mul(%0, %1) : T[N, 3]
  %3 = add(%2, %0) : T[N, 3]
  result "p" = %3
  result "q" = %1
)";
const char* kOtherRows = R"(
  %0 = input "a" : T[N, 3]
  %1 = input "b" : T[3]
  %2 = sub(%0, %1) : T[N, 3]
  %3 = maximum(%1, %1) : T[3]
  result "p" = %2
  result "q" = %3
)";
// v and the trip i go from trip to trip, w stays.
const char* kBelowFive = R"(
  %0 = input "v" : T[N]
  %1 = input "i" : i64[]
  %2 = input "w" : T[N]
  %3 = constant [0x5] : i64[]
  %4 = lt(%1, %3) : bool[]
  result "go on" = %4
)";
const char* kTrip = R"(
  %0 = input "v" : T[N]
  %1 = input "i" : i64[]
  %2 = input "w" : T[N]
  %3 = mul(%0, %2) : T[N]
  %4 = sub(%3, %2) : T[N]
  %5 = constant [0x1] : i64[]
  %6 = add(%1, %5) : i64[]
  result "v" = %4
  result "i" = %6
)";
// h goes from step to step, rows of x and elements of y come along, w stays.
const char* kStep = R"(
  %0 = input "h" : T[3]
  %1 = input "x" : T[3]
  %2 = input "y" : T[]
  %3 = input "w" : T[3]
  %4 = mul(%0, %3) : T[3]
  %5 = add(%4, %1) : T[3]
  %6 = mul(%5, %2) : T[3]
  %7 = sub(%1, %3) : T[3]
  result "h" = %5
  result "scaled" = %6
  result "moved" = %7
)";
const char* kNestedFunctions = R"(
  fn @twice "twice" {
    %0 = input "a" : T[3]
    %1 = add(%0, %0) : T[3]
    result "r" = %1
  }
  fn @same "same" {
    %0 = input "a" : T[3]
    result "r" = %0
  }
)";
const char* kNestedStep = R"(
  %0 = input "h" : T[3]
  %1 = input "x" : T[3]
  %2 = input "w" : T[3]
  %3 = call(%2) {body=@twice} : T[3]
  %4 = sum(%1) {axes=[0], keepdims=false} : S[]
  %5 = sum(%2) {axes=[0], keepdims=false} : S[]
  %6 = lt(%4, %5) : bool[]
  %7 = cond(%6, %0) {yes=@twice, no=@same} : T[3]
  %8 = mul(%7, %3) : T[3]
  %9 = add(%8, %1) : T[3]
  result "h" = %9
)";

}  // namespace

std::vector<OpCase> control_cases(const OpDef& op, DType t) {
  const Dim n = Dim::symbol("N"), m = Dim::symbol("M");
  std::vector<OpCase> out;
  auto add = [&](Types in, const auto& attrs) {
    std::string label = cat(op.name(), "_", t, "_", out.size());
    out.push_back({&op, std::move(label), std::move(in), AttrBox::of(attrs), 3});
  };
  if (is_bool(t)) return out;  // their bodies compute with numbers
  const TensorType rows{t, {n, Dim(3)}}, row{t, {Dim(3)}}, values{t, {n}}, trip{DType::I64, {}};
  if (&op == &op_def<CallFunction>()) add({rows, row}, CallFunction::Attrs{body(t, kRows)});
  if (&op == &op_def<Cond>()) {
    add({{DType::Bool, {}}, rows, row}, Cond::Attrs{body(t, kRows), body(t, kOtherRows)});
  }
  if (&op == &op_def<WhileLoop>()) {
    const GraphRef test = body(t, kBelowFive), trips = body(t, kTrip);
    if (!is_float(t)) add({values, trip, values}, WhileLoop::Attrs{test, trips, 2});
    add({values, trip, values}, WhileLoop::Attrs{test, trips, 2, 40});
    add({values, trip, values}, WhileLoop::Attrs{test, trips, 2, 40, true});
  }
  if (&op == &op_def<Scan>()) {
    const GraphRef step = body(t, kStep);
    for (bool reverse : {false, true}) {
      for (bool keep : {false, true}) {
        add({row, rows, values, row}, Scan::Attrs{step, 1, 2, {n}, reverse, keep});
      }
    }
    std::string nested = kNestedStep;
    const DType sum = is_float(t) ? t : DType::I64;
    for (size_t at = 0; (at = nested.find("S[", at)) != std::string::npos; ++at) {
      nested.replace(at, 1, name(sum));
    }
    if (is_float(t)) {
      add({row, {t, {m, Dim(3)}}, row}, Scan::Attrs{body(t, nested, kNestedFunctions), 1, 1, {m}});
    }
    add({row, {t, {Dim(0), Dim(3)}}, {t, {Dim(0)}}, row}, Scan::Attrs{step, 1, 2, {Dim(0)}});
  }
  return out;
}

}  // namespace etch::test
