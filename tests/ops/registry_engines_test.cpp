// Every operator of the registry, on every dtype: the same bits from every engine.
#include <catch2/catch.hpp>

#include <set>

#include "codegen/program_source.h"
#include "etch/autograd.h"
#include "ir/ops/view.h"
#include "ir/registry.h"
#include "ir/verify.h"
#include "passes/pipeline.h"
#include "runtime/eager.h"
#include "runtime/isa.h"
#include "runtime/program/evaluator.h"
#include "runtime/program/program.h"
#include "tests/support/op_call.h"

using namespace etch;
using namespace etch::test;
using runtime::Isa;

namespace {

/// Results, or the message of the UserError that stands in their place.
struct Outcome {
  std::vector<Dense> results;
  std::string error;
};

template <class F>
Outcome outcome_of(F&& f) {
  Outcome o;
  try {
    for (const Tensor& t : f()) o.results.push_back(to_dense(t));
  } catch (const UserError& e) {
    o.error = e.what();
  }
  return o;
}

/// "" when both gave the same bits, or both raised.
std::string difference(const Outcome& a, const Outcome& b) {
  if (!a.error.empty() || !b.error.empty()) {
    return a.error.empty() == b.error.empty() ? "" : cat("one raised: ", a.error, b.error);
  }
  if (a.results.size() != b.results.size()) return "number of results";
  for (size_t i = 0; i < a.results.size(); ++i) {
    std::string d = first_difference(a.results[i], b.results[i]);
    if (!d.empty()) return cat("result ", i, ": ", d);
  }
  return "";
}

Outcome eager(const OpCase& c, std::span<const Tensor> in, const SymbolBindings& sizes) {
  return outcome_of([&] {
    NoGrad no_grad;
    return runtime::apply(*c.op, in, concrete(c, sizes).get());
  });
}

Outcome run(const runtime::Program& p, std::span<const Tensor> in, const SymbolBindings& sizes) {
  std::vector<Tensor> all(in.begin(), in.end());
  all.push_back(size_carrier(sizes));
  return outcome_of([&] {
    runtime::Context context(p);
    return p.run(context, all);
  });
}

std::vector<Isa> supported_isas() {
  std::vector<Isa> out;
  for (Isa isa : {Isa::Generic, Isa::Avx2, Isa::Avx512}) {
    if (runtime::isa_supported(isa)) out.push_back(isa);
  }
  return out;
}

/// One call on one instruction set: the raw graph interpreted, and the optimised graph compiled.
class Engines {
 public:
  Engines(const OpCase& c, Isa isa, codegen::KernelCompiler& compiler)
      : isa_(isa), raw_(runtime::Program::build(graph_of(c))) {
    if (isa == Isa::Generic) return;  // generated code begins at AVX2
    ir::Graph g = graph_of(c);
    runtime::ProgramEvaluator evaluator;
    passes::PassOptions options;
    options.context.evaluator = &evaluator;
    options.verify_each = true;
    passes::optimize(g, options);
    codegen::CompileSettings settings;
    settings.target = codegen::target_for(isa);
    settings.options.tier = 0;
    kernels_ = std::make_unique<codegen::CompiledKernels>(settings, compiler);
    runtime::BuildOptions build;
    build.kernels = kernels_.get();
    compiled_ = runtime::Program::build(std::move(g), build);
  }

  /// What differs from `want`, or "".
  std::string check(const Outcome& want, std::span<const Tensor> in, const SymbolBindings& sizes) {
    std::string d = difference(want, run(raw_, in, sizes));
    if (!d.empty()) return cat("interpreted: ", d);
    if (!compiled_) return "";
    d = difference(want, run(*compiled_, in, sizes));
    if (!d.empty()) return cat("compiled: ", d);
    runtime::ProgramStats s = compiled_->stats();
    if (s.native != s.kernels || s.interpreted_runs != 0) return "a kernel was not compiled";
    return "";
  }

  Isa isa() const { return isa_; }
  bool has_native() const { return compiled_ && compiled_->stats().native > 0; }

 private:
  Isa isa_;
  runtime::Program raw_;
  std::unique_ptr<codegen::CompiledKernels> kernels_;
  std::optional<runtime::Program> compiled_;
};

SymbolBindings sizes(int64_t n, int64_t m) {
  return {{Dim::symbol("N"), n}, {Dim::symbol("M"), m}};
}

/// squeeze() without axes asks which sizes are 1, which a symbolic size does not answer.
bool asks_for_ones(const OpCase& c) {
  return c.op == &ir::op_def<ir::Squeeze>() && c.attrs.as<ir::Squeeze::Attrs>().axes.empty();
}

struct Totals {
  std::set<std::string_view> seen, native;
  size_t calls = 0, raised = 0;
};

/// Eager against the other engines on several sizes and instruction sets.
void check_case(const OpCase& c, codegen::KernelCompiler& compiler, Totals& totals) {
  std::vector<Engines> engines;
  for (Isa isa : supported_isas()) {
    runtime::IsaOverride force(isa);
    engines.emplace_back(c, isa, compiler);
  }
  for (const SymbolBindings& s : {case_bindings(), sizes(1, 2), sizes(37, 5), sizes(0, 3)}) {
    if (s[0].value == 1 && asks_for_ones(c)) continue;
    for (bool specials : {false, true}) {
      std::vector<Tensor> in;
      for (const Dense& d : draw_sized(c, 5, s, specials)) in.push_back(to_tensor(d));
      Outcome want = eager(c, in, s);
      ++totals.calls;
      if (!want.error.empty()) ++totals.raised;
      for (Engines& e : engines) {
        runtime::IsaOverride force(e.isa());
        INFO(c.name << ", sizes " << s[0].value << " " << s[1].value << ", " << name(e.isa())
                    << (specials ? ", special values" : ""));
        std::string eager_difference = difference(want, eager(c, in, s));
        if (!eager_difference.empty()) CHECK(eager_difference == "");
        std::string d = e.check(want, in, s);
        if (!d.empty()) CHECK(d == "");
      }
    }
  }
  if (engines.back().has_native()) totals.native.insert(c.op->name());
}

std::set<std::string_view> registry_names() {
  std::set<std::string_view> names;
  for (const ir::OpDef* op : ir::all_ops()) names.insert(op->name());
  return names;
}

template <class F>
void each_case(F&& f) {
  for (const ir::OpDef* op : ir::all_ops()) {
    for (int t = 0; t < kDTypeCount; ++t) {
      if (!contains(kSupported, static_cast<DType>(t))) continue;
      for (const OpCase& c : op_cases(*op, static_cast<DType>(t))) f(c);
    }
  }
}

}  // namespace

TEST_CASE("every operator gives the same bits eagerly, interpreted and compiled", "[registry]") {
  codegen::KernelCompiler compiler(codegen::cpu_backend(), "");
  Totals totals;
  each_case([&](const OpCase& c) {
    totals.seen.insert(c.op->name());
    INFO(c.name);
    CHECK_NOTHROW(check_case(c, compiler, totals));
  });
  CHECK(totals.seen == registry_names());
  CHECK(totals.raised * 4 < totals.calls);
  // Operators whose call becomes generated code: all elementwise ones, reductions, and most bodies.
  if (runtime::best_isa() != Isa::Generic) {
    for (const ir::OpDef* op : ir::all_ops()) {
      INFO(op->name());
      if (op->is_elementwise() || op->kind == ir::OpKind::Reduction) {
        CHECK(totals.native.count(op->name()) == 1);
      }
    }
    CHECK(compiler.statistics().fallbacks == 0);
  }
}

TEST_CASE("every operator's inferred types are those of its eager results", "[registry]") {
  std::set<std::string_view> seen;
  each_case([&](const OpCase& c) {
    seen.insert(c.op->name());
    INFO(c.name);
    ir::Graph g = graph_of(c);
    ir::verify(g);
    std::vector<Tensor> in;
    for (const Dense& d : draw_operands(c, 3)) in.push_back(to_tensor(d));
    std::vector<Tensor> out = runtime::apply(*c.op, in, concrete(c).get());
    REQUIRE(out.size() == g.results().size());
    for (size_t i = 0; i < out.size(); ++i) {
      const ir::TensorType& want = g.type(g.results()[i].value);
      Sizes want_sizes = shape_eval(want.shape, case_bindings());
      const runtime::TensorImpl& got = runtime::impl(out[i]);
      if (!(got.dtype == want.dtype && got.sizes == want_sizes)) {
        CHECK(cat(got.dtype, got.sizes) == cat(want.dtype, want_sizes));
      }
    }
  });
  CHECK(seen == registry_names());
}
