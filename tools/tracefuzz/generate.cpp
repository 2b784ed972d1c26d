#include <algorithm>
#include <numeric>

#include "tools/tracefuzz/operators.h"
#include "tools/tracefuzz/program.h"

namespace etch::tracefuzz {
namespace {

/// What the generator believes of a variable; a wrong belief makes an error that both runs raise.
struct Var {
  int id = 0;
  std::vector<std::string> dims = {};
  DType dtype = DType::F32;
  bool parameter = false;
  bool differentiable = false;
  bool input = false;  // or a view of one: writing there keeps the function eager
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : r_(seed * 0x9e3779b97f4a7c15u + 3) { p_.seed = seed; }

  Program run() {
    p_.traced = chance(15);
    p_.interpreted = chance(50);
    p_.sizes_change = chance(60);
    gradients_ = chance(25);
    aliasing_ = chance(15);
    p_.pointers = !p_.traced && chance(10);
    p_.inputs = static_cast<size_t>(1 + below(3));
    declare();
    std::vector<Var> scope = vars_;
    p_.body = block(scope, 3 + below(chance(20) ? 12 : 6), 0);
    p_.body.push_back(leave(scope));
    const int64_t calls = 6 + below(7);
    for (int64_t i = 0; i < calls; ++i) p_.calls.push_back(call(i));
    return std::move(p_);
  }

 private:
  int64_t below(int64_t n) { return static_cast<int64_t>(r_() % static_cast<uint64_t>(n)); }
  bool chance(int percent) { return below(100) < percent; }
  template <class T>
  const T& pick(const std::vector<T>& items) {
    return items[static_cast<size_t>(below(static_cast<int64_t>(items.size())))];
  }

  void declare() {
    static const std::vector<std::vector<std::string>> kShapes = {
        {"N"}, {"N"}, {"N", "3"}, {"N", "M"}, {"3"},
        {},    {"M"}, {"N", "1"}, {"2", "N"}, {"N", "2", "M"}};
    static const std::vector<DType> kRare = {DType::F64, DType::I64, DType::I32, DType::U8,
                                             DType::Bool};
    for (size_t i = 0; i < p_.inputs; ++i) {
      Var v{next_++, pick(kShapes), chance(80) ? DType::F32 : pick(kRare)};
      v.input = true;
      vars_.push_back(v);
    }
    const int64_t states = gradients_ ? 1 + below(3) : below(3);
    static const std::vector<std::vector<int64_t>> kStates = {{}, {3}, {3}, {1}, {2, 3}, {4}, {0}};
    for (int64_t i = 0; i < states; ++i) {
      StateSpec s;
      s.sizes = chance(90) ? kStates[static_cast<size_t>(below(6))] : kStates[6];
      s.parameter = gradients_ && (i == 0 || chance(40));
      s.dtype = s.parameter || chance(80) ? DType::F32 : pick(kRare);
      s.view = !p_.traced && !s.parameter && chance(12);
      s.seed = r_();
      p_.states.push_back(s);
      Var v{next_++, {}, s.dtype, s.parameter, s.parameter};
      for (int64_t d : s.sizes) v.dims.push_back(std::to_string(d));
      vars_.push_back(v);
    }
  }

  // Statements.

  const Var& any(const std::vector<Var>& scope) {
    if (chance(55))
      return scope[scope.size() - 1 -
                   static_cast<size_t>(
                       below(std::min<int64_t>(3, static_cast<int64_t>(scope.size()))))];
    return pick(scope);
  }
  static bool fits(const Var& a, const Var& b) {
    for (size_t i = 0; i < std::min(a.dims.size(), b.dims.size()); ++i) {
      const std::string &x = a.dims[a.dims.size() - 1 - i], &y = b.dims[b.dims.size() - 1 - i];
      if (x != y && x != "1" && y != "1") return false;
    }
    return true;
  }
  static bool fits_into(const Var& value, const Var& target) {
    if (value.dims.size() > target.dims.size()) return false;
    for (size_t i = 0; i < value.dims.size(); ++i) {
      const std::string& x = value.dims[value.dims.size() - 1 - i];
      if (x != "1" && x != target.dims[target.dims.size() - 1 - i]) return false;
    }
    return true;
  }
  template <class F>
  const Var* find(const std::vector<Var>& scope, F&& good) {
    for (int tries = 0; tries < 12; ++tries) {
      const Var& v = any(scope);
      if (good(v)) return &v;
    }
    return nullptr;
  }

  Var result(Statement& s, const Var& like) {
    Var v = like;
    v.id = s.dst = next_++;
    v.parameter = v.input = false;
    return v;
  }
  void joined(Var& v, const Var& b) {
    if (b.dims.size() > v.dims.size()) v.dims = b.dims;
    for (size_t i = 0; i < b.dims.size(); ++i) {
      std::string& x = v.dims[v.dims.size() - 1 - i];
      if (x == "1") x = b.dims[b.dims.size() - 1 - i];
    }
    v.differentiable |= b.differentiable;
  }

  std::vector<Statement> block(std::vector<Var>& scope, int64_t count, int depth) {
    std::vector<Statement> out;
    for (int64_t i = 0; i < count; ++i) statement(out, scope, depth);
    return out;
  }
  std::vector<Statement> inner(const std::vector<Var>& scope, int depth) {
    std::vector<Var> own = scope;
    std::vector<Statement> out = block(own, 1 + below(3), depth + 1);
    // What happened inside shows outside through a variable that was there before.
    if (chance(60)) {
      const Var& to = pick(scope);
      const Var* from = find(own, [&](const Var& v) { return v.dims == to.dims && v.id != to.id; });
      if (from != nullptr && to.id >= static_cast<int>(p_.inputs + p_.states.size())) {
        Statement s{.kind = Kind::Assign, .dst = to.id, .args = {from->id}};
        out.push_back(s);
      }
    }
    if (chance(15)) out.push_back(leave(own));
    return out;
  }

  Statement leave(const std::vector<Var>& scope) {
    Statement s{.kind = Kind::Return};
    const int64_t count = 1 + below(chance(30) ? 3 : 1);
    for (int64_t i = 0; i < count; ++i) {
      s.args.push_back(any(scope).id);
      s.n.push_back(p_.traced || chance(50) ? below(2) : below(20) == 0 ? 2 : 1);
    }
    return s;
  }

  void statement(std::vector<Statement>& out, std::vector<Var>& scope, int depth) {
    if (gradients_ && chance(12)) return learn(out, scope);
    const int64_t roll = below(100);
    if (roll < 26) return compute(out, scope);
    if (roll < 34) return view(out, scope);
    if (roll < 40) return write(out, scope);
    if (roll < 46) return write_slice(out, scope);
    if (roll < 51) return other_values(out, scope);
    if (roll < 57) return scalars(out, scope);
    if (roll < 60) return join(out, scope);
    if (roll < 63) return copy(out, scope);
    if (roll < 65 && gradients_) return backward(out, scope);
    if (roll < 67 && gradients_) return gradient(out, scope);
    if (roll < 68) {
      out.push_back({.kind = Kind::Look, .args = {any(scope).id}});
      return;
    }
    if (depth >= 2) return compute(out, scope);
    nest(out, scope, depth);
  }

  void compute(std::vector<Statement>& out, std::vector<Var>& scope) {
    Var a = any(scope);
    Statement s{.kind = Kind::Apply, .args = {a.id}, .n = {below(4) - 1, below(4)}};
    const int64_t roll = below(100);
    if (roll < 30) {
      s.kind = Kind::Number;
      s.real = static_cast<double>(below(13) - 4) / (chance(40) ? 2 : 1);
      s.n = {below(chance(80) ? 3 : 4), below(2)};
      scope.push_back(result(s, a));
    } else if (roll < 55) {
      s.op = pick(operators().unary);
      scope.push_back(result(s, a));
    } else if (roll < 80) {
      const Var* b = find(scope, [&](const Var& v) { return fits(a, v); });
      if (b == nullptr) return;
      const bool compare = chance(15);
      s.op = pick(compare ? operators().compare : operators().binary);
      s.args.push_back(b->id);
      Var v = result(s, a);
      joined(v, *b);
      if (compare) v.dtype = DType::Bool, v.differentiable = false;
      scope.push_back(v);
    } else if (roll < 94) {
      s.op = pick(operators().reductions);
      Var v = result(s, a);
      if (s.n[0] < 0 || a.dims.empty()) {
        for (std::string& d : v.dims) d = "1";
        if (s.n[1] % 2 == 0) v.dims.clear();
      } else {
        const auto k = static_cast<ptrdiff_t>(s.n[0] % static_cast<int64_t>(a.dims.size()));
        v.dims[static_cast<size_t>(k)] = "1";
        if (s.n[1] % 2 == 0) v.dims.erase(v.dims.begin() + k);
      }
      scope.push_back(v);
    } else {
      s.op = pick(operators().along_axis);
      scope.push_back(result(s, a));
    }
    out.push_back(s);
  }

  /// {which, axis, start, stop, step}, and what it makes of `v`.
  std::vector<int64_t> draw_view(Var& v) {
    const auto rank = static_cast<int64_t>(v.dims.size());
    const int64_t which = chance(45) ? 0 : below(11);
    const int64_t a = rank == 0 ? 0 : below(rank);
    std::vector<int64_t> n = {which, a, below(3), 1 + below(4), 1 + below(chance(30) ? 2 : 1)};
    if (chance(25)) n[2] = -1 - below(3);
    if (chance(40)) n[3] = INT64_MAX;
    if (chance(10)) n[3] = -1;
    auto axis = v.dims.begin() + static_cast<ptrdiff_t>(a);
    const std::string all = std::accumulate(v.dims.begin(), v.dims.end(), std::string("*"));
    switch (which) {
      case 0:
      case 9:
        if (rank != 0 && !(which == 0 && n[2] == 0 && n[3] == INT64_MAX && n[4] == 1)) {
          *axis = cat(*axis, "[", n[2], ":", n[3], ":", n[4], ",", which, "]");
        } else if (rank == 0) {
          v.dims = {"1"};
        }
        break;
      case 1:
        n[2] = chance(70) ? below(2) : -1;
        if (rank != 0) v.dims.erase(axis);
        break;
      case 2:
        rank < 2 ? void(v.dims.insert(v.dims.begin(), "1"))
                 : std::swap(v.dims[v.dims.size() - 1], v.dims[v.dims.size() - 2]);
        break;
      case 3:
      case 6:
      case 7:
        if (rank != 1) v.dims = {rank == 0 ? "2" : all};
        break;
      case 4:
        v.dims.insert(axis, "1");
        break;
      case 5:
        rank < 2 ? void(v.dims.insert(v.dims.begin() + std::min<int64_t>(rank, 1), "1"))
                 : std::swap(v.dims[0], v.dims[1]);
        break;
      case 10:
        v.dims = {"2", rank == 1 ? v.dims[0] : all};
        break;
      default:
        break;
    }
    return n;
  }
  void view(std::vector<Statement>& out, std::vector<Var>& scope) {
    Var v = any(scope);
    const bool input = v.input;
    Statement s{.kind = Kind::View, .args = {v.id}};
    s.n = draw_view(v);
    scope.push_back(result(s, v));
    scope.back().input = input;
    out.push_back(s);
  }

  void write(std::vector<Statement>& out, std::vector<Var>& scope, bool slice = false) {
    // Inputs may be written too, but that keeps the function eager.
    const Var* target = find(scope, [&](const Var& v) {
      return (!v.parameter || chance(3)) && (!v.input || chance(3));
    });
    if (target == nullptr) return;
    Statement s{
        .kind = slice ? Kind::WriteSlice : Kind::Write, .args = {target->id}, .n = {below(5)}};
    Var window = *target;
    if (slice) {
      for (int64_t k : draw_view(window)) s.n.push_back(k);
    }
    const Var* value =
        chance(50) ? nullptr : find(scope, [&](const Var& v) { return fits_into(v, window); });
    if (value != nullptr) s.args.push_back(value->id);
    s.real = static_cast<double>(below(7) - 2);
    if (slice) s.n[2] = std::max<int64_t>(s.n[2], 0);
    out.push_back(s);
  }
  void write_slice(std::vector<Statement>& out, std::vector<Var>& scope) {
    write(out, scope, true);
  }

  void other_values(std::vector<Statement>& out, std::vector<Var>& scope) {
    Var v = any(scope);
    Statement s{.kind = chance(60) ? Kind::Make : Kind::Draw,
                .args = {v.id},
                .n = {below(4), below(6), below(2)}};
    s.real = static_cast<double>(below(5) - 1);
    const std::string size = cat(
        "size", s.n[1], v.dims.empty() ? "" : v.dims[static_cast<size_t>(s.n[2]) % v.dims.size()]);
    if (s.kind == Kind::Draw && s.n[0] % 2 == 1)
      v.dims = {std::accumulate(v.dims.begin(), v.dims.end(), std::string("*"))};
    if (s.kind == Kind::Make && s.n[0] == 1) v.dims = {size};
    if (s.kind == Kind::Make && s.n[0] == 2) v.dims = {size, "3"};
    v.differentiable = false;
    scope.push_back(result(s, v));
    out.push_back(s);
  }

  void scalars(std::vector<Statement>& out, std::vector<Var>& scope) {
    Var v = any(scope);
    Statement s{.kind = Kind::TracedItem, .args = {v.id}, .n = {below(6), below(4), below(3)}};
    s.real = static_cast<double>(below(5) - 1);
    const int64_t roll = below(100);
    if (roll < 40) {
      s.args.push_back(any(scope).id);
    } else if (roll < 60) {
      s.kind = Kind::DimOperand;
      s.n[1] = below(3);
    } else if (roll < 88) {
      s.kind = Kind::HostInput;
    } else if (roll < 93 && !p_.traced) {
      s.kind = Kind::HostCounter;
    } else {
      s.kind = Kind::RawSize;
    }
    scope.push_back(result(s, v));
    out.push_back(s);
  }

  void join(std::vector<Statement>& out, std::vector<Var>& scope) {
    Var v = any(scope);
    Statement s{.kind = Kind::Join, .args = {v.id}, .n = {below(5), below(3)}};
    const size_t a = v.dims.empty() ? 0 : static_cast<size_t>(s.n[1]) % v.dims.size();
    const Var* b = find(scope, [&](const Var& o) {
      if (s.n[0] == 0)
        return o.dims.size() == v.dims.size() && !v.dims.empty() &&
               (o.dims == v.dims || v.dims.size() == 1);
      if (s.n[0] == 1) return o.dims.size() == 2 && v.dims.size() == 2 && o.dims[0] == v.dims[1];
      return s.n[0] != 2 || fits(v, o);
    });
    if (b == nullptr) return;
    s.args.push_back(b->id);
    if (s.n[0] == 0) v.dims[a] = cat(v.dims[a], "+", b->dims[a]);
    if (s.n[0] == 1) v.dims[1] = b->dims[1];
    if (s.n[0] == 2) joined(v, *b);
    if (s.n[0] == 4 && !v.dims.empty()) v.dims[a] = "1";
    scope.push_back(result(s, v));
    out.push_back(s);
  }

  void copy(std::vector<Statement>& out, std::vector<Var>& scope) {
    const Var v = any(scope);
    Statement s{.kind = Kind::Copy, .args = {v.id}, .n = {below(4), below(6)}};
    scope.push_back(result(s, v));
    scope.back().input = v.input && s.n[0] != 0;
    out.push_back(s);
  }

  void backward(std::vector<Statement>& out, std::vector<Var>& scope) {
    const Var* v = find(scope, [](const Var& o) { return o.differentiable && !o.parameter; });
    if (v == nullptr) v = find(scope, [](const Var& o) { return o.differentiable; });
    if (v == nullptr) return;
    out.push_back({.kind = Kind::Backward,
                   .args = {v->id},
                   .n = {p_.traced || chance(70) ? 0 : 1, below(3), below(4)}});
  }
  /// A parameter meets a value, and the product's gradient is taken.
  void learn(std::vector<Statement>& out, std::vector<Var>& scope) {
    const Var* p = find(scope, [](const Var& o) { return o.parameter; });
    if (p == nullptr) return;
    Var v = *p;
    const Var* x = find(scope, [&](const Var& o) { return fits(v, o); });
    if (x == nullptr) return;
    Statement s{.kind = Kind::Apply, .args = {v.id, x->id}, .op = pick(operators().binary)};
    joined(v, *x);
    scope.push_back(result(s, v));
    out.push_back(s);
    if (chance(50)) compute(out, scope);
    if (chance(60)) backward(out, scope);
  }
  void gradient(std::vector<Statement>& out, std::vector<Var>& scope) {
    const Var* v = find(scope, [](const Var& o) { return o.differentiable; });
    const Var* p = find(scope, [](const Var& o) { return o.parameter; });
    if (v == nullptr || p == nullptr) return;
    Statement s{.kind = Kind::GradOf, .args = {v->id, p->id}};
    if (!p_.traced && chance(30)) s = {.kind = Kind::ReadGrad, .args = {p->id}};
    Var g = result(s, *p);
    g.differentiable = false;
    scope.push_back(g);
    out.push_back(s);
  }

  void nest(std::vector<Statement>& out, std::vector<Var>& scope, int depth) {
    Statement s{.args = {any(scope).id}};
    const int64_t roll = below(100);
    s.real = static_cast<double>(below(7) - 2);
    if (roll < 28) {
      s.kind = Kind::IfSize;
      s.n = {below(6), below(6), below(2), below(6), below(2)};
      if (chance(30)) s.args.push_back(any(scope).id);
      s.real = static_cast<double>(below(6));
    } else if (roll < 62) {
      s.kind = Kind::IfItem;
      s.n = {below(6), below(4), below(4), below(3)};
      if (chance(25)) s.args.push_back(any(scope).id);
    } else if (roll < 66) {
      s.kind = Kind::IfLayout;
    } else if (roll < 73) {
      s.kind = Kind::LoopSize;
      s.n = {below(3)};
    } else if (roll < 82) {
      s.kind = Kind::LoopItem;
      s.n = {below(2)};
    } else if (roll < 88) {
      s.kind = Kind::LoopUntil;
      s.n = {below(6), below(4), below(4), below(3)};
    } else if (roll < 90) {
      s.kind = Kind::NoGrad;
    } else if (roll < 94) {
      return call_inner(out, scope, depth);
    } else {
      return in_graph(out, scope);
    }
    s.body = inner(scope, depth);
    if (s.kind <= Kind::IfLayout && s.kind >= Kind::IfSize && chance(50))
      s.other = inner(scope, depth);
    out.push_back(s);
  }

  /// Statements without decisions of the host, which may use all of `scope`, and the id of a
  /// variable like `like` after them.
  std::vector<Statement> graph_body(std::vector<Var> scope, const Var& like, int64_t& result_id) {
    std::vector<Statement> out;
    for (int64_t i = 1 + below(4); i > 0; --i) {
      const int64_t roll = below(100);
      if (roll < 55) {
        compute(out, scope);
      } else if (roll < 67) {
        view(out, scope);
      } else if (roll < 80) {
        write(out, scope, chance(50));
      } else if (roll < 90) {
        other_values(out, scope);
      } else {
        copy(out, scope);
      }
    }
    result_id = like.id;
    for (const Var& v : scope) {
      if (v.dims == like.dims && v.dtype == like.dtype) result_id = v.id;
    }
    return out;
  }

  /// Choices and loops that stay in the graph.
  void in_graph(std::vector<Statement>& out, std::vector<Var>& scope) {
    Var like = any(scope);
    Statement s{.kind = Kind::Choice, .args = {any(scope).id, like.id}, .n = {below(4), 0, 0}};
    s.real = static_cast<double>(below(5) - 2);
    const int64_t roll = below(100);
    const Var* xs = find(scope, [](const Var& v) { return !v.dims.empty(); });
    if (roll < 50 || xs == nullptr) {
      s.body = graph_body(scope, like, s.n[1]);
      s.other = graph_body(scope, like, s.n[2]);
    } else {
      std::vector<Var> own = scope;
      Var carried = like, element = *xs;
      carried.id = next_++;
      element.id = next_++;
      element.dims.erase(element.dims.begin());
      carried.parameter = carried.input = element.parameter = element.input = false;
      s.kind = roll < 75 ? Kind::Along : Kind::Repeat;
      s.args = {like.id, xs->id};
      s.n = {below(2), carried.id, element.id, 0, 0};
      own.push_back(carried);
      if (s.kind == Kind::Along) own.push_back(element);
      s.body = graph_body(own, carried, s.n[3]);
      s.n[4] = own.back().id;
    }
    like.differentiable = gradients_;
    scope.push_back(result(s, like));
    out.push_back(s);
  }

  void call_inner(std::vector<Statement>& out, std::vector<Var>& scope, int depth) {
    Statement s{.kind = Kind::Call};
    std::vector<Var> own;
    for (size_t i = 0; i < p_.inputs; ++i) {
      Var v = any(scope);
      s.args.push_back(v.id);
      v.id = static_cast<int>(i);
      v.parameter = false;
      own.push_back(v);
    }
    for (size_t i = p_.inputs; i < p_.inputs + p_.states.size(); ++i) own.push_back(vars_[i]);
    s.body = block(own, 1 + below(3), depth + 1);
    Statement end = leave(own);
    end.args.resize(1);
    s.body.push_back(end);
    Var v = own.back();
    for (const Var& o : own) v = o.id == end.args[0] ? o : v;
    v.differentiable = false;
    scope.push_back(result(s, v));
    out.push_back(s);
  }

  // Calls.

  int64_t draw_size() {
    static const std::vector<int64_t> kUsual = {2, 3, 4, 5, 6}, kRare = {0, 1, 7, 9, 17};
    return chance(85) ? pick(kUsual) : pick(kRare);
  }

  CallSpec call(int64_t index) {
    CallSpec c;
    if (index == 0 || (p_.sizes_change && chance(60))) n_ = draw_size(), m_ = draw_size();
    if (p_.traced && index == 0) n_ = 4 + below(2), m_ = 6 + below(2);
    for (size_t i = 0; i < p_.inputs; ++i) c.inputs.push_back(input(i, index));
    c.rate = chance(50) ? 1 : static_cast<double>(below(5)) / 2;
    c.steps = below(3);
    c.no_grad = !p_.traced && chance(4);
    if (chance(25)) c.actions.push_back(action(index));
    return c;
  }

  InputSpec input(size_t i, int64_t call) {
    InputSpec in;
    const Var& v = vars_[i];
    in.dtype = v.dtype;
    for (const std::string& d : v.dims) {
      in.sizes.push_back(d == "N" ? n_ : d == "M" ? m_ : std::stoll(d));
    }
    in.seed = chance(30) ? 5 : r_();
    in.scale = static_cast<double>(1 + below(3)) * (chance(35) ? -1 : 1);
    if (p_.traced && call == 0) return in;
    if (!p_.traced && chance(5)) in.layout = static_cast<Layout>(1 + below(3));
    if (p_.sizes_change && chance(6) && !in.sizes.empty())
      in.sizes[static_cast<size_t>(below(static_cast<int64_t>(in.sizes.size())))] = draw_size();
    if (chance(3))
      in.dtype = pick(std::vector<DType>{DType::F32, DType::F64, DType::I64, DType::Bool});
    if (p_.traced) return in;
    if (gradients_ && is_float(in.dtype) && chance(5)) in.requires_grad = true;
    if (chance(aliasing_ ? 35 : 3)) {
      static const std::vector<InputKind> kKinds = {InputKind::Same, InputKind::Overlap,
                                                    InputKind::State, InputKind::Result};
      in.kind = pick(kKinds);
      in.index = static_cast<size_t>(below(3));
    }
    return in;
  }

  Action action(int64_t call) {
    static const std::vector<ActionKind> kKinds = {ActionKind::WriteState, ActionKind::ClearGrads,
                                                   ActionKind::ToggleGrad, ActionKind::WriteResult,
                                                   ActionKind::Reseed};
    Action a{pick(kKinds), static_cast<size_t>(below(3)), static_cast<double>(below(7) - 3)};
    const bool plain = a.kind == ActionKind::WriteState || a.kind == ActionKind::Reseed;
    if (p_.traced && !plain) a.kind = ActionKind::WriteState;
    if (a.kind == ActionKind::ToggleGrad && chance(60)) a.kind = ActionKind::ClearGrads;
    if (call == 0) a.kind = ActionKind::WriteState;
    return a;
  }

  Random r_;
  Program p_;
  std::vector<Var> vars_;
  int next_ = 0;
  bool gradients_ = false;
  bool aliasing_ = false;  // inputs are often other inputs, captured tensors, earlier results
  int64_t n_ = 3, m_ = 2;
};

}  // namespace

Program generate(uint64_t seed) { return Generator(seed).run(); }

}  // namespace etch::tracefuzz
