// Type rules and gradients of the operators that run graphs.
#include "ir/ops/control.h"

#include <algorithm>

#include "ir/facts.h"
#include "ir/grad.h"
#include "ir/graph.h"
#include "ir/ops/create.h"

namespace etch::ir {
namespace {

size_t index(int64_t i) { return static_cast<size_t>(i); }

/// Raises unless `body` can run on operands of these types.
void check_signature(const Infer& c, const GraphRef& body, std::string_view role,
                     std::span<const TensorType> operands) {
  if (body == nullptr) c.fail(cat("has no ", role));
  for (const GraphResult& r : body->results()) {
    if (!r.for_caller()) c.fail(cat("its ", role, " writes a state or guards a value"));
  }
  if (body->inputs().size() != operands.size()) {
    c.fail(cat("its ", role, " takes ", body->inputs().size(), " values, got ", operands.size()));
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    const GraphInput& in = body->inputs()[i];
    const TensorType& expected = body->type(in.value);
    if (in.kind != InputKind::Input) c.fail(cat("its ", role, " has the state '", in.name, "'"));
    if (expected.dtype != operands[i].dtype) {
      c.fail(cat("its ", role, " takes ", expected, " as '", in.name, "', got ", operands[i]));
    }
    unify(c, expected.shape, operands[i].shape, cat("types of '", in.name, "'"));
  }
}

TensorType result_type(const Graph& g, size_t i) { return g.type(g.results()[i].value); }

/// Raises unless result i of `body` has the type of what takes it.
void check_result(const Infer& c, const Graph& body, size_t i, const TensorType& like,
                  std::string_view role) {
  TensorType t = result_type(body, i);
  bool same = t.dtype == like.dtype && t.rank() == like.rank();
  for (size_t a = 0; same && a < t.shape.size(); ++a) {
    same = dim_equal(t.shape[a], like.shape[a]) != Truth::No;
  }
  if (!same) c.fail(cat(role, " is ", like, " and ", t), "Keep dtype and shape the same");
  unify(c, like.shape, t.shape, role);
}

void check_count(const Infer& c, int64_t count, size_t most, std::string_view what) {
  if (count < 0 || static_cast<uint64_t>(count) > most) {
    c.fail(cat(count, " ", what, ", but ", most, " in all"));
  }
}

TensorType stacked(Dim length, TensorType t) {
  t.shape.insert(0, length);
  return t;
}

Var zeros(Emitter& e, const TensorType& t) {
  const Full::Attrs attrs{t.shape, make_number(t.dtype, int64_t{0})};
  return std::move(e.emit(op_def<Full>(), {}, &attrs).front());
}

/// The gradient of result i, zeros where nothing came.
Var grad_or_zeros(const Call& c, int i) {
  return c.has_grad(i) ? c.grad(i) : zeros(c.in(0).emitter(), c.out(i).type());
}

std::vector<bool> wanted(const Call& c, int from) {
  std::vector<bool> out;
  for (int i = from; i < c.count(); ++i) out.push_back(c.wants(i) && is_float(c.in(i).dtype()));
  return out;
}

/// Adds one input per type.
Vars add_inputs(GraphEmitter& e, std::string_view prefix, const Types& types) {
  Vars out;
  for (size_t i = 0; i < types.size(); ++i) {
    out.push_back(e.var(e.graph().add_input(cat(prefix, i), types[i])));
  }
  return out;
}

void add_results(Graph& g, std::span<const Var> values) {
  for (const Var& v : values) g.add_result(GraphEmitter::value(v), cat("r", g.results().size()));
}

Types types_of(std::span<const Var> values) {
  Types out;
  for (const Var& v : values) out.push_back(v.type());
  return out;
}

std::shared_ptr<Graph> graph_like(const Graph& from, std::string_view suffix) {
  auto g = std::make_shared<Graph>();
  g->name = cat(from.name, suffix);
  g->assume_sizes(from);
  return g;
}

void append(Vars& to, std::span<const Var> values) {
  to.insert(to.end(), values.begin(), values.end());
}

/// Takes its turn through a list.
class Taker {
 public:
  explicit Taker(std::span<const Var> list) : list_(list) {}
  Var one() { return list_[at_++]; }
  std::span<const Var> many(size_t n) { return list_.subspan(std::exchange(at_, at_ + n), n); }

 private:
  std::span<const Var> list_;
  size_t at_ = 0;
};

/// The parts of a loop's backward pass that scan and while_loop share. A step goes from the
/// gradients of the values after it to those of the values before it, and adds to the gradients of
/// the values that stay the same.
struct BackwardStep {
  std::vector<bool> of_sequences, of_same;  // whose gradients are wanted
  GraphRef gradient;                        // of the body

  BackwardStep(const GraphRef& body, int64_t carried, std::vector<bool> wanted_sequences,
               std::vector<bool> wanted_same)
      : of_sequences(std::move(wanted_sequences)), of_same(std::move(wanted_same)) {
    std::vector<bool> wants;
    for (size_t i = 0; i < index(carried); ++i) {
      wants.push_back(is_float(body->type(body->inputs()[i].value).dtype));
    }
    wants.insert(wants.end(), of_sequences.begin(), of_sequences.end());
    wants.insert(wants.end(), of_same.begin(), of_same.end());
    gradient = gradient_graph(body, wants);
  }

  /// `grads`: of the carried floating values after the step, then sums for wanted unchanging
  /// values. Returns the same before the step, then the gradients of wanted sequence elements.
  Vars run(Emitter& e, std::span<const Var> grads, std::span<const Var> body_inputs,
           std::span<const Var> element_grads) const {
    size_t same = static_cast<size_t>(std::count(of_same.begin(), of_same.end(), true));
    size_t moving = grads.size() - same;
    Vars operands(body_inputs.begin(), body_inputs.end());
    append(operands, grads.first(moving));
    append(operands, element_grads);
    Vars out = replay(*gradient, e, operands);
    Taker take(out);
    Vars before, elements;
    append(before, take.many(moving));
    append(elements, take.many(out.size() - moving - same));
    for (size_t i = 0; i < same; ++i) before.push_back(grads[moving + i] + take.one());
    append(before, elements);
    return before;
  }
};

}  // namespace

GraphRef gradient_graph(const GraphRef& body, const std::vector<bool>& wants) {
  // One body has one gradient: calls of one function stay calls of one function.
  struct Entry {
    GraphRef body;
    std::vector<bool> wants;
    GraphRef gradient;
  };
  constexpr size_t kMost = 64;
  thread_local std::vector<Entry> known_gradients;
  for (const Entry& e : known_gradients) {
    if (e.body == body && e.wants == wants) return e.gradient;
  }
  std::shared_ptr<Graph> g = graph_like(*body, ".vjp");
  KnownFacts known(facts_of(*body));
  GraphEmitter e(*g);
  Vars in;
  for (const GraphInput& i : body->inputs()) {
    in.push_back(e.var(g->add_input(i.name, body->type(i.value))));
  }
  Vars grads;
  for (const GraphResult& r : body->results()) {
    const TensorType& t = body->type(r.value);
    bool moves = is_float(t.dtype);
    grads.push_back(moves ? e.var(g->add_input(cat("grad.", r.name), t)) : Var());
  }
  auto run = [&](Emitter& tape, std::span<const Var> operands) {
    return replay(*body, tape, operands);
  };
  Grads found = backprop(e, in, wants, grads, run, true);
  for (size_t i = 0; i < in.size(); ++i) {
    if (!wants[i]) continue;
    Var v = found[i] ? found[i] : zeros(e, in[i].type());
    g->add_result(GraphEmitter::value(v), cat("grad.", body->inputs()[i].name));
  }
  if (known_gradients.size() == kMost) known_gradients.erase(known_gradients.begin());
  known_gradients.push_back({body, wants, g});
  return g;
}

void CallFunction::infer(const Infer& c, Types& out) {
  const GraphRef& body = c.as<Attrs>().body;
  check_signature(c, body, "body", c.in);
  for (size_t i = 0; i < body->results().size(); ++i) out.push_back(result_type(*body, i));
}

Vars CallFunction::body(const Call& c) {
  Vars in;
  for (int i = 0; i < c.count(); ++i) in.push_back(c.in(i));
  return replay(*c.as<Attrs>().body, c.in(0).emitter(), in);
}

Grads CallFunction::vjp(const Call& c) {
  const GraphRef& body = c.as<Attrs>().body;
  std::vector<bool> wants = wanted(c, 0);
  Vars operands;
  for (int i = 0; i < c.count(); ++i) operands.push_back(c.in(i));
  for (size_t i = 0; i < body->results().size(); ++i) {
    if (is_float(result_type(*body, i).dtype)) {
      operands.push_back(grad_or_zeros(c, static_cast<int>(i)));
    }
  }
  Vars found = ops<CallFunction>({gradient_graph(body, wants)}, operands);
  Grads out(wants.size());
  Taker take(found);
  for (size_t i = 0; i < wants.size(); ++i) {
    if (wants[i]) out[i] = take.one();
  }
  return out;
}

void Cond::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  if (c.in.empty() || !is_bool(c.in[0].dtype) || c.in[0].rank() != 0) {
    c.fail("expected one bool of rank 0 as the first operand", "Compare, and reduce to one value");
  }
  check_signature(c, a.yes, "first graph", c.in.subspan(1));
  check_signature(c, a.no, "second graph", c.in.subspan(1));
  const size_t count = a.yes->results().size();
  if (a.no->results().size() != count) {
    c.fail(cat("expected the same results of both graphs, got ", count, " and ",
               a.no->results().size()));
  }
  for (size_t i = 0; i < count; ++i) {
    out.push_back(result_type(*a.yes, i));
    check_result(c, *a.no, i, out.back(), cat("result ", i, " of the two graphs"));
  }
}

Grads Cond::vjp(const Call& c) {
  const auto& a = c.as<Attrs>();
  std::vector<bool> wants = wanted(c, 1);
  Vars operands;
  for (int i = 0; i < c.count(); ++i) operands.push_back(c.in(i));
  for (size_t i = 0; i < a.yes->results().size(); ++i) {
    if (is_float(result_type(*a.yes, i).dtype)) {
      operands.push_back(grad_or_zeros(c, static_cast<int>(i)));
    }
  }
  Vars found = ops<Cond>({gradient_graph(a.yes, wants), gradient_graph(a.no, wants)}, operands);
  Grads out(wants.size() + 1);
  Taker take(found);
  for (size_t i = 0; i < wants.size(); ++i) {
    if (wants[i]) out[i + 1] = take.one();
  }
  return out;
}

void WhileLoop::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  check_count(c, a.carried, c.in.size(), "carried values");
  if (a.most < 0) c.fail(cat("at most ", a.most, " trips"));
  if (a.keep && a.most == 0) c.fail("keeps every trip's values, but has no bound of trips");
  check_signature(c, a.condition, "condition", c.in);
  check_signature(c, a.body, "body", c.in);
  const bool one = a.condition->results().size() == 1;
  TensorType test = one ? result_type(*a.condition, 0) : TensorType{};
  if (!one || !is_bool(test.dtype) || test.rank() != 0) {
    c.fail("expected one bool of rank 0 from the condition", "Compare, and reduce to one value");
  }
  if (a.body->results().size() != index(a.carried)) {
    c.fail(cat("its body gives ", a.body->results().size(), " values for ", a.carried,
               " that are carried"));
  }
  for (size_t i = 0; i < index(a.carried); ++i) {
    check_result(c, *a.body, i, c.in[i], cat("carried value ", i));
    out.push_back(c.in[i]);
  }
  out.push_back({DType::I64, {}});
  for (size_t i = 0; a.keep && i < index(a.carried); ++i) {
    out.push_back(stacked(Dim(a.most), c.in[i]));
  }
}

Grads WhileLoop::vjp(const Call& c) {
  Attrs a = c.as<Attrs>();
  if (a.most == 0) {
    fail(info.name, "has no gradient without a bound of trips", "Give the most trips there can be",
         current_loc());
  }
  Emitter& e = c.in(0).emitter();
  const size_t carried = index(a.carried);
  Vars in, kept;
  for (int i = 0; i < c.count(); ++i) in.push_back(c.in(i));
  const bool was_kept = a.keep;
  if (was_kept) {
    for (size_t i = 0; i < carried; ++i) kept.push_back(c.out(static_cast<int>(carried + 1 + i)));
  } else {
    a.keep = true;
    Vars again = ops<WhileLoop>(a, in);
    kept.assign(again.begin() + static_cast<std::ptrdiff_t>(carried) + 1, again.end());
  }
  const BackwardStep step(a.body, a.carried, {}, wanted(c, static_cast<int>(carried)));

  // One trip: the gradient when it happened, nothing otherwise.
  Vars grads, same_in, kept_grads;
  for (size_t i = 0; i < carried; ++i) {
    if (!is_float(in[i].dtype())) continue;
    grads.push_back(grad_or_zeros(c, static_cast<int>(i)));
    if (was_kept) kept_grads.push_back(grad_or_zeros(c, static_cast<int>(carried + 1 + i)));
  }
  for (size_t i = carried; i < in.size(); ++i) {
    same_in.push_back(in[i]);
    if (step.of_same[i - carried]) grads.push_back(zeros(e, in[i].type()));
  }
  const Types grad_types = types_of(grads), same_types = types_of(same_in);
  const Types carried_types = types_of(std::span(in).first(carried));
  const Types kept_grad_types(grad_types.begin(),
                              grad_types.begin() + static_cast<std::ptrdiff_t>(kept_grads.size()));
  auto branch = [&](bool happened) {
    std::shared_ptr<Graph> g = graph_like(*a.body, happened ? ".trip" : ".none");
    GraphEmitter inner(*g);
    Vars of = add_inputs(inner, "grad", grad_types);
    Vars body_in = add_inputs(inner, "carried", carried_types);
    Vars of_kept = add_inputs(inner, "kept", kept_grad_types);
    append(body_in, add_inputs(inner, "same", same_types));
    if (happened) of = step.run(inner, of, body_in, {});
    for (size_t i = 0; happened && i < of_kept.size(); ++i) of[i] = of[i] + of_kept[i];
    add_results(*g, of);
    return g;
  };
  auto whole_trip = [&] {
    KnownFacts known(facts_of(*a.body));
    std::shared_ptr<Graph> trip = graph_like(*a.body, ".back");
    GraphEmitter inner(*trip);
    Vars of = add_inputs(inner, "grad", grad_types);
    Vars values = add_inputs(inner, "carried", carried_types);
    Var number = inner.var(trip->add_input("trip", {DType::I64, {}}));
    Vars of_kept = add_inputs(inner, "kept", kept_grad_types);
    Var trips = inner.var(trip->add_input("trips", {DType::I64, {}}));
    Vars same = add_inputs(inner, "same", same_types);
    Vars operands{op<Lt>(number, trips)};
    append(operands, of);
    append(operands, values);
    append(operands, of_kept);
    append(operands, same);
    Vars results = ops<Cond>({branch(true), branch(false)}, operands);
    add_results(*trip, results);
    return trip;
  };

  Vars scanned = grads;
  append(scanned, kept);
  scanned.push_back(op_beside<Arange>(in[0], {{Dim(a.most)}, 0, 1, DType::I64}));
  append(scanned, kept_grads);
  scanned.push_back(c.out(static_cast<int>(carried)));
  append(scanned, same_in);
  const auto sequences = static_cast<int64_t>(kept.size() + 1 + kept_grads.size());
  Vars found = ops<Scan>(
      {whole_trip(), static_cast<int64_t>(grads.size()), sequences, {Dim(a.most)}, true}, scanned);
  Grads out(in.size());
  Taker take(found);
  for (size_t i = 0; i < carried; ++i) {
    if (is_float(in[i].dtype())) out[i] = take.one();
  }
  for (size_t i = carried; i < in.size(); ++i) {
    if (step.of_same[i - carried]) out[i] = take.one();
  }
  return out;
}

void Scan::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  check_count(c, a.carried, c.in.size(), "carried values");
  check_count(c, a.sequences, c.in.size() - index(a.carried), "sequences");
  if (a.length.size() != 1) c.fail("expected one length");
  const Dim length = a.length[0];
  Types in(c.in.begin(), c.in.end());
  const size_t carried = index(a.carried), after = carried + index(a.sequences);
  for (size_t i = carried; i < after; ++i) {
    if (in[i].rank() == 0)
      c.fail(cat("sequence ", i - carried, " is one value"), "Give it an axis");
    unify(c, length, in[i].shape[0], cat("lengths of the sequences"));
    in[i].shape.erase(0);
  }
  check_signature(c, a.body, "body", in);
  const size_t count = a.body->results().size();
  if (count < carried) {
    c.fail(cat("its body gives ", count, " values for ", a.carried, " that are carried"));
  }
  for (size_t i = 0; i < carried; ++i) {
    check_result(c, *a.body, i, in[i], cat("carried value ", i));
    out.push_back(in[i]);
  }
  for (size_t i = carried; i < count; ++i) {
    out.push_back(stacked(length, result_type(*a.body, i)));
  }
  for (size_t i = 0; a.keep && i < carried; ++i) out.push_back(stacked(length, in[i]));
}

Grads Scan::vjp(const Call& c) {
  Attrs a = c.as<Attrs>();
  Emitter& e = c.in(0).emitter();
  const size_t carried = index(a.carried), after = carried + index(a.sequences);
  const size_t results = a.body->results().size();
  Vars in, kept;
  for (int i = 0; i < c.count(); ++i) in.push_back(c.in(i));
  const bool was_kept = a.keep;
  if (was_kept) {
    for (size_t i = 0; i < carried; ++i) kept.push_back(c.out(static_cast<int>(results + i)));
  } else {
    a.keep = true;
    Vars again = ops<Scan>(a, in);
    kept.assign(again.begin() + static_cast<std::ptrdiff_t>(results), again.end());
  }
  std::vector<bool> wants = wanted(c, static_cast<int>(carried));
  const auto middle = wants.begin() + static_cast<std::ptrdiff_t>(after - carried);
  const BackwardStep step(a.body, a.carried, {wants.begin(), middle}, {middle, wants.end()});

  Vars grads, kept_grads, element_grads;
  for (size_t i = 0; i < carried; ++i) {
    if (!is_float(in[i].dtype())) continue;
    grads.push_back(grad_or_zeros(c, static_cast<int>(i)));
    if (was_kept) kept_grads.push_back(grad_or_zeros(c, static_cast<int>(results + i)));
  }
  for (size_t i = after; i < in.size(); ++i) {
    if (step.of_same[i - after]) grads.push_back(zeros(e, in[i].type()));
  }
  Types element_types;
  for (size_t i = carried; i < results; ++i) {
    TensorType t = result_type(*a.body, i);
    if (!is_float(t.dtype)) continue;
    element_grads.push_back(grad_or_zeros(c, static_cast<int>(i)));
    element_types.push_back(t);
  }
  const Types grad_types = types_of(grads);
  Types body_types;
  for (const GraphInput& i : a.body->inputs()) body_types.push_back(a.body->type(i.value));
  const auto split = body_types.begin() + static_cast<std::ptrdiff_t>(after);

  auto whole_step = [&] {
    KnownFacts known(facts_of(*a.body));
    std::shared_ptr<Graph> back = graph_like(*a.body, ".back");
    GraphEmitter inner(*back);
    Vars of = add_inputs(inner, "grad", grad_types);
    Vars body_in = add_inputs(inner, "in", {body_types.begin(), split});
    Vars of_elements = add_inputs(inner, "element", element_types);
    Vars of_kept = add_inputs(
        inner, "kept",
        {grad_types.begin(), grad_types.begin() + static_cast<std::ptrdiff_t>(kept_grads.size())});
    append(body_in, add_inputs(inner, "same", {split, body_types.end()}));
    Vars before = step.run(inner, of, body_in, of_elements);
    for (size_t i = 0; i < of_kept.size(); ++i) before[i] = before[i] + of_kept[i];
    add_results(*back, before);
    return back;
  };

  Vars scanned = grads;
  append(scanned, kept);
  append(scanned, std::span(in).subspan(carried, after - carried));
  append(scanned, element_grads);
  append(scanned, kept_grads);
  append(scanned, std::span(in).subspan(after));
  const auto sequences = static_cast<int64_t>(kept.size() + (after - carried) +
                                              element_grads.size() + kept_grads.size());
  Vars found = ops<Scan>(
      {whole_step(), static_cast<int64_t>(grads.size()), sequences, a.length, !a.reverse}, scanned);
  Grads out(in.size());
  Taker take(found);
  for (size_t i = 0; i < carried; ++i) {
    if (is_float(in[i].dtype())) out[i] = take.one();
  }
  for (size_t i = after; i < in.size(); ++i) {
    if (step.of_same[i - after]) out[i] = take.one();
  }
  for (size_t i = carried; i < after; ++i) {
    if (step.of_sequences[i - carried]) out[i] = take.one();
  }
  return out;
}

}  // namespace etch::ir
