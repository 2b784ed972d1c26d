#include "tools/tracefuzz/interpret.h"

#include <cmath>
#include <cstring>

#include "etch/autograd.h"
#include "etch/control.h"
#include "etch/ops.h"
#include "ir/dtype_dispatch.h"
#include "runtime/eager.h"

namespace etch::tracefuzz {
namespace {

template <class A, class B>
bool compare(int64_t relation, const A& a, const B& b) {
  switch (relation) {
    case 0:
      return a < b;
    case 1:
      return a <= b;
    case 2:
      return a > b;
    case 3:
      return a >= b;
    case 4:
      return a == b;
    default:
      return !(a == b);
  }
}

class Interpreter {
 public:
  Interpreter(const Program& p, World& w, std::span<const Tensor> inputs, int depth = 0)
      : p_(p), w_(w), depth_(depth), vars_(inputs.begin(), inputs.end()) {
    vars_.resize(p.inputs);
    vars_.insert(vars_.end(), w.states.begin(), w.states.end());
  }
  /// True when a return was reached.
  bool run(const std::vector<Statement>& body) {
    for (const Statement& s : body) {
      if (step(s)) return true;
    }
    return false;
  }
  std::vector<NamedTensor> results;

 private:
  using S = const Statement&;

  const Tensor& var(int v) {
    if (static_cast<size_t>(v) >= vars_.size()) vars_.resize(static_cast<size_t>(v) + 1);
    return vars_[static_cast<size_t>(v)];
  }
  const Tensor& arg(S s, size_t i) {
    const Tensor& t = var(s.args.at(i));
    if (!t.defined()) fail("program", "a variable without a value");
    return t;
  }
  void set(S s, Tensor t) {
    var(s.dst);
    vars_[static_cast<size_t>(s.dst)] = std::move(t);
  }
  static int64_t at(S s, size_t i) { return i < s.n.size() ? s.n[i] : 0; }
  static int64_t axis(const Tensor& t, int64_t n) { return t.dim() == 0 ? 0 : n % t.dim(); }

  bool step(S s) {
    switch (s.kind) {
      case Kind::IfSize:
        w_.features |= kSizeGuard;
        return run(size_condition(s) ? s.body : s.other);
      case Kind::IfItem:
        w_.features |= kValueGuard;
        return run(item_condition(s) ? s.body : s.other);
      case Kind::IfLayout:
        return run(arg(s, 0).is_contiguous() ? s.body : s.other);
      case Kind::LoopSize:
        return loop_size(s);
      case Kind::LoopItem:
        return loop_item(s);
      case Kind::LoopUntil:
        w_.features |= kValueGuard;
        for (int i = 0; i < 4 && item_condition(s); ++i) {
          if (run(s.body)) return true;
        }
        return false;
      case Kind::NoGrad: {
        NoGrad no_grad;
        return run(s.body);
      }
      case Kind::Return:
        leave(s);
        return true;
      default:
        plain(s);
        return false;
    }
  }

  void leave(S s) {
    for (size_t i = 0; i < s.args.size(); ++i) {
      Tensor t = arg(s, i);
      if (at(s, i) == 1) t = t.clone();
      if (at(s, i) != 2 && t.requires_grad()) t = t.detach();
      results.push_back({cat("y", i), t});
    }
  }

  void plain(S s) {
    switch (s.kind) {
      case Kind::Apply:
        return set(s, apply(s));
      case Kind::Number:
        return set(s, binary(at(s, 0), arg(s, 0), number(s)));
      case Kind::TracedItem:
        return set(s, traced_item(s));
      case Kind::DimOperand:
        return set(s, arg(s, 0) * dim_tensor(size_of(arg(s, 0), s.n), DType::F32));
      case Kind::View:
        return set(s, view(arg(s, 0), s.n));
      case Kind::Copy:
        return set(s, copy(s));
      case Kind::Make:
        return set(s, make(s));
      case Kind::Draw:
        w_.features |= kRandom;
        return set(s, at(s, 0) % 2 == 0 ? rand(arg(s, 0).shape(), w_.rng,
                                               at(s, 1) % 2 == 0 ? DType::F32 : DType::F64)
                                        : randn({arg(s, 0).numel()}, w_.rng));
      case Kind::Join:
        return set(s, join(s));
      case Kind::HostInput:
        if (at(s, 0) % 2 == 0) return set(s, arg(s, 0) * input(w_.rate, "rate"));
        return set(s, arg(s, 0) + (input(w_.steps, "steps") * 2 + 1));
      case Kind::HostCounter:
        return set(s, arg(s, 0) * w_.counter);
      case Kind::RawSize: {
        w_.features |= kSizeGuard;
        const Tensor& t = arg(s, 0);
        if (t.dim() == 0) return set(s, t * 2);
        int64_t raw = t.sizes()[static_cast<size_t>(axis(t, at(s, 0)))];
        return set(s, t * static_cast<double>(raw));
      }
      case Kind::Assign:
        return set(s, arg(s, 0));
      case Kind::Write: {
        Tensor target = arg(s, 0);
        return write(s, target);
      }
      case Kind::WriteSlice: {
        Tensor target = view(arg(s, 0), {s.n.begin() + 1, s.n.end()});
        return write(s, target);
      }
      case Kind::Look:
        w_.looked += to_string(arg(s, 0)).size();
        return;
      case Kind::Backward:
        return backward(s);
      case Kind::GradOf: {
        w_.features |= kGradient;
        Tensor g = grad(sum(arg(s, 0)), arg(s, 1));
        return set(s, g.defined() ? g : arg(s, 1));
      }
      case Kind::ReadGrad: {
        Tensor g = arg(s, 0).grad();
        return set(s, g.defined() ? g * 1 : arg(s, 0) * 2);
      }
      case Kind::Choice:
        w_.features |= kControl;
        return set(s, cond(
                          scalar_of(arg(s, 0), at(s, 0)) > s.real,
                          [&] { return run_apart(s.body, at(s, 1)); },
                          [&] { return run_apart(s.other, at(s, 2)); }));
      case Kind::Repeat:
        return set(s, repeat(s));
      case Kind::Along:
        return set(s, along(s));
      default:
        return call(s);
    }
  }

  /// Runs statements on variables of their own; the value of `result` after them.
  Tensor run_apart(const std::vector<Statement>& body, int64_t result) {
    std::vector<Tensor> before = vars_;
    Tensor value;
    try {
      run(body);
      value = var(static_cast<int>(result));
    } catch (...) {
      vars_ = std::move(before);
      throw;
    }
    vars_ = std::move(before);
    return value;
  }
  void give(int64_t id, const Tensor& t) {
    var(static_cast<int>(id));
    vars_[static_cast<size_t>(id)] = t;
  }

  Tensor repeat(S s) {
    w_.features |= kControl;
    using Counted = std::pair<Tensor, Tensor>;
    auto go_on = [&](const Counted& v) { return logical_and(v.second<3, sum(v.first)> s.real); };
    auto trip = [&](const Counted& v) {
      give(at(s, 1), v.first);
      return Counted(run_apart(s.body, at(s, 3)), v.second + 1);
    };
    return while_loop(go_on, trip, Counted(arg(s, 0), scalar_tensor(0, DType::I64)), {.most = 5})
        .first;
  }

  Tensor along(S s) {
    w_.features |= kControl;
    auto step = [&](const Tensor& h, const Tensor& x) {
      give(at(s, 1), h);
      give(at(s, 2), x);
      Tensor next = run_apart(s.body, at(s, 3));
      return std::pair(next, sum(next));
    };
    const Tensor from = arg(s, 0), over = arg(s, 1);  // copies: variables move as there are more
    auto [h, sums] = scan(step, from, over, {.reverse = at(s, 0) == 1});
    return h + sum(sums) * 0.125;
  }

  Scalar number(S s) const {
    if (s.real == std::floor(s.real) && at(s, 1) % 2 == 0) return static_cast<int64_t>(s.real);
    return s.real;
  }
  template <class B>
  static Tensor binary(int64_t which, const Tensor& a, const B& b) {
    switch (which % 4) {
      case 0:
        return a + b;
      case 1:
        return a - b;
      case 2:
        return a * b;
      default:
        return b / a;
    }
  }

  /// Attributes by their names: axes and switches come from n, others stay at their defaults.
  Tensor apply(S s) {
    std::vector<Tensor> in;
    for (size_t i = 0; i < s.args.size(); ++i) in.push_back(arg(s, i));
    auto attrs = s.op->schema->create();
    for (int i = 0; i < s.op->schema->count; ++i) {
      const std::string_view name = s.op->schema->name(i);
      ir::AttrValue v = s.op->schema->get(attrs.get(), i);
      if (auto* axes = std::get_if<Axes>(&v); axes != nullptr && name == "axes") {
        axes->clear();
        if (at(s, 0) >= 0 && in[0].dim() > 0) axes->push_back(axis(in[0], at(s, 0)));
      } else if (auto* one = std::get_if<int64_t>(&v); one != nullptr && name == "axis") {
        *one = axis(in[0], std::max<int64_t>(0, at(s, 0)));
      } else if (auto* flag = std::get_if<bool>(&v)) {
        *flag = at(s, 1) % 2 == 1;
      }
      s.op->schema->set(attrs.get(), i, v);
    }
    return runtime::apply1(*s.op, in, attrs.get());
  }

  /// n: {size expression, axis, number}.
  static Dim size_of(const Tensor& t, std::span<const int64_t> n) {
    const int64_t which = n.empty() ? 0 : n[0], a = n.size() > 1 ? n[1] : 0;
    if (t.dim() == 0 || which % 6 == 1) return t.numel();
    Dim d = t.size(axis(t, a));
    switch (which % 6) {
      case 2:
        return d * 2 + 1;
      case 3:
        return d / 2;
      case 4:
        return d % 3;
      case 5:
        return max(d - 2, Dim(0));
      default:
        return d;
    }
  }

  /// n: {which, axis, start, stop, step}.
  static Tensor view(const Tensor& t, std::span<const int64_t> n) {
    const int64_t a = axis(t, n[1]), start = n[2], stop = n[3], step = n[4];
    switch (n[0] % 11) {
      case 0:
        return t.slice(a, start, stop, step);
      case 1:
        return t.select(a, start);
      case 2:
        return t.dim() < 2 ? t.unsqueeze(0) : t.t();
      case 3:
        return t.reshape({-1});
      case 4:
        return t.unsqueeze(a);
      case 5:
        return t.dim() < 2 ? t.unsqueeze(1) : t.reshape({t.size(1), t.size(0)});
      case 6:
        return t.dim() == 0 ? t.expand({2}) : t.flatten();
      case 7:
        return t.view({t.numel()});
      case 8:
        return t.detach();
      case 9:
        return t.dim() == 0 ? t.reshape({1}) : t.slice(a, -2, INT64_MAX, step);
      default:
        return t.unsqueeze(0).expand({2, t.numel()});
    }
  }

  Tensor copy(S s) {
    static const DType kTypes[] = {DType::F32, DType::F64,  DType::I32,
                                   DType::I64, DType::Bool, DType::U8};
    switch (at(s, 0) % 4) {
      case 0:
        return arg(s, 0).clone();
      case 1:
        return arg(s, 0).contiguous();
      case 2:
        return arg(s, 0);
      default:
        return arg(s, 0).to(kTypes[at(s, 1) % 6]);
    }
  }

  Tensor make(S s) {
    const Tensor& t = arg(s, 0);
    switch (at(s, 0) % 4) {
      case 0:
        return full(t.shape(), Scalar(s.real), DType::F32);
      case 1:
        return arange(size_of(t, {s.n.data() + 1, 2}), at(s, 2) % 2 == 0 ? DType::I64 : DType::F32);
      case 2:
        return zeros({size_of(t, {s.n.data() + 1, 2}), 3}, t.dtype());
      default:
        return ones(t.shape(), t.dtype());
    }
  }

  Tensor join(S s) {
    const Tensor &a = arg(s, 0), &b = arg(s, 1);
    switch (at(s, 0) % 5) {
      case 0: {
        const Tensor parts[] = {a, b};
        return concat(parts, axis(a, at(s, 1)));
      }
      case 1:
        return matmul(a, b);
      case 2:
        return where(a > b, a, b);
      case 3: {  // in reverse
        Dim n = a.dim() == 0 ? Dim(1) : a.size(axis(a, at(s, 1)));
        return index_select(a, dim_tensor(n - 1) - arange(n), axis(a, at(s, 1)));
      }
      default: {  // in range: an error in what nobody uses need not show in a program
        Dim n = a.dim() == 0 ? Dim(1) : a.size(axis(a, at(s, 1)));
        Tensor index = argmax(b) + zeros({min(n, Dim(1))}, DType::I64);
        return index_select(a, remainder(index, dim_tensor(n)), axis(a, at(s, 1)));
      }
    }
  }

  void write(S s, Tensor& target) {
    w_.features |= kMutation;
    if (s.args.size() < 2 && at(s, 0) % 5 == 4) {
      target.fill_(number(s));
      return;
    }
    Tensor value = s.args.size() < 2 ? full({}, number(s), DType::F32) : arg(s, 1);
    switch (at(s, 0) % 5) {
      case 0:
        target.add_(value);
        return;
      case 1:
        target.mul_(value);
        return;
      case 2:
        target.sub_(value);
        return;
      case 3:
        target.div_(value);
        return;
      default:
        target.copy_(value);
    }
  }

  bool size_condition(S s) {
    Dim a = size_of(arg(s, 0), {s.n.data() + 1, 2});
    if (s.args.size() > 1) return compare(at(s, 0), a, size_of(arg(s, 1), {s.n.data() + 3, 2}));
    return compare(at(s, 0), a, static_cast<int64_t>(s.real));
  }

  /// A rank-0 tensor of what a condition looks at.
  Tensor scalar_of(const Tensor& t, int64_t which) {
    if (which % 4 == 1) return amax(t);
    if (which % 4 == 2 && t.dim() > 0) return t.reshape({-1}).select(0, which % 2);
    if (which % 4 == 3) return sum(t > 0);
    return sum(t);
  }

  template <class T>
  bool item_holds(S s, const Tensor& t) {
    const int64_t relation = at(s, 0);
    auto a = t.item<T>();
    if constexpr (std::is_same_v<T, bool>) {
      return relation % 2 == 0 ? static_cast<bool>(a) : !a;
    } else {
      if (s.args.size() > 1) {
        Tensor u = scalar_of(arg(s, 1), at(s, 2)).to(t.dtype());
        return compare(relation, a * 2, u.item<T>() + 1);
      }
      if (at(s, 3) % 3 == 1) return compare(relation, a, static_cast<int>(s.real));
      if (at(s, 3) % 3 == 2) return compare(relation, static_cast<float>(s.real), a + 1);
      return compare(relation, a, s.real);
    }
  }

  bool item_condition(S s) {
    Tensor t = scalar_of(arg(s, 0), at(s, 1));
    bool holds = false;
    with_value_type(t.dtype(), [&](auto zero) { holds = item_holds<decltype(zero)>(s, t); });
    return holds;
  }

  Tensor traced_item(S s) {
    Tensor t = scalar_of(arg(s, 1), at(s, 1));
    Tensor out;
    with_value_type(t.dtype(), [&](auto zero) {
      using T = decltype(zero);
      auto a = t.item<T>();
      if constexpr (std::is_same_v<T, bool>) {
        out = arg(s, 0) + a;
      } else if (at(s, 2) % 3 == 0) {
        out = arg(s, 0) * a;
      } else if (at(s, 2) % 3 == 1) {
        out = arg(s, 0) + (a * 2 - static_cast<int>(s.real));
      } else {
        out = arg(s, 0) - a / 3;
      }
    });
    return out;
  }

  bool loop_size(S s) {
    w_.features |= kSizeGuard;
    const Tensor t = arg(s, 0);
    Dim n = t.dim() == 0 ? Dim(1) : t.size(axis(t, at(s, 0)));
    for (int64_t i = 0; i < n && i < 4; ++i) {
      if (run(s.body)) return true;
    }
    return false;
  }

  bool loop_item(S s) {
    w_.features |= kValueGuard;
    Traced<int64_t> n = sum(arg(s, 0) > s.real).template item<int64_t>();
    if (at(s, 0) % 2 == 0) {
      for (int64_t i = 0; i < 4 && i < n; ++i) {
        if (run(s.body)) return true;
      }
      return false;
    }
    const int64_t count = std::min<int64_t>(n, 3);
    for (int64_t i = 0; i < count; ++i) {
      if (run(s.body)) return true;
    }
    return false;
  }

  void backward(S s) {
    w_.features |= kGradient;
    if (at(s, 0) % 2 == 0) clear_grads();
    sum(arg(s, 0)).backward();
    if (at(s, 1) % 3 == 0) return;
    NoGrad no_grad;
    for (size_t i = 0; i < p_.states.size(); ++i) {
      if (!p_.states[i].parameter || !w_.states[i].grad().defined()) continue;
      Tensor g = w_.states[i].grad();
      w_.states[i].sub_(at(s, 1) % 3 == 1 ? g * 0.25 : g * input(w_.rate, "rate"));
    }
    if (at(s, 2) % 4 == 3) clear_grads();
  }
  void clear_grads() {
    for (size_t i = 0; i < p_.states.size(); ++i) {
      if (p_.states[i].parameter) w_.states[i].set_grad(Tensor());
    }
  }

  /// The inner function sees its arguments in place of the inputs, and the captured tensors.
  void call(S s) {
    w_.features |= kInnerCall;
    std::vector<Tensor> in;
    for (size_t i = 0; i < p_.inputs; ++i) in.push_back(arg(s, i % s.args.size()));
    FlatFunction f = [&p = p_, &w = w_, &s, depth = depth_ + 1](std::span<const Tensor> x) {
      Interpreter inner(p, w, x, depth);
      inner.run(s.body);
      if (inner.results.empty()) inner.results.push_back({"y0", x[0] * 2});
      return std::move(inner.results);
    };
    if (!w_.jitted) return set(s, f(in).front().tensor);
    auto it = w_.inner.find(&s);
    if (it == w_.inner.end()) {
      std::vector<std::string> names;
      for (size_t i = 0; i < p_.inputs; ++i) names.push_back(cat("x", i));
      CompileOptions compile;
      compile.mode = CompileMode::Interpret;
      it = w_.inner.emplace(&s, Jit(f, names, {}, compile)).first;
    }
    set(s, it->second(in).front());
  }

  const Program& p_;
  World& w_;
  int depth_;
  std::vector<Tensor> vars_;
};

}  // namespace

Tensor draw_tensor(DType dtype, std::span<const int64_t> sizes, uint64_t seed, double scale) {
  Random r(seed * 0x9e3779b97f4a7c15u + 7);
  const bool specials = r() % 12 == 0;
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  std::vector<std::byte> bytes(static_cast<size_t>(n) * itemsize(dtype));
  for (int64_t i = 0; i < n; ++i) {
    double v = (static_cast<double>(r() >> 11) * 0x1p-53 - 0.4) * 4 * scale;
    if (specials && r() % 4 == 0) {
      static const double kSpecial[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1e-40};
      v = kSpecial[r() % 6];
    }
    if (r() % 4 == 0) v = std::round(v);
    ir::Number number = is_float(dtype) ? ir::make_number(dtype, v)
                                        : ir::make_number(dtype, static_cast<int64_t>(r() % 7) - 2);
    if (is_bool(dtype)) number.bits = r() & 1;
    std::memcpy(bytes.data() + static_cast<size_t>(i) * itemsize(dtype), &number.bits,
                itemsize(dtype));
  }
  return from_bytes(bytes.data(), sizes, dtype);
}

World::World(const Program& p, bool jit) : rng(p.seed % 1000), jitted(jit) {
  for (const StateSpec& s : p.states) {
    std::vector<int64_t> sizes = s.sizes;
    if (s.view && !sizes.empty()) sizes[0] += 2;
    Tensor t = draw_tensor(s.dtype, sizes, s.seed, 1);
    holders.push_back(t);
    if (s.view && !sizes.empty()) t = t.slice(0, 1, 1 + s.sizes[0]);
    if (s.parameter) t.requires_grad_();
    states.push_back(t);
    if (p.pointers) pointers.push_back(t.raw_data());
  }
}

std::vector<NamedTensor> interpret(const Program& p, World& w, std::span<const Tensor> inputs) {
  Interpreter run(p, w, inputs);
  run.run(p.body);
  if (run.results.empty()) run.results.push_back({"y0", inputs[0] * 2});
  return std::move(run.results);
}

}  // namespace etch::tracefuzz
