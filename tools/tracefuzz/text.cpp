// Programs as people would write them.
#include "tools/tracefuzz/program.h"

namespace etch::tracefuzz {
namespace {

constexpr const char* kRelations[] = {"<", "<=", ">", ">=", "==", "!="};

class Writer {
 public:
  explicit Writer(const Program& p) : p_(p) {}
  std::string run() {
    for (size_t i = 0; i < p_.states.size(); ++i) {
      const StateSpec& s = p_.states[i];
      line(cat("Tensor ", name(static_cast<int>(p_.inputs + i)), ";  // captured: ", s.dtype, "[",
               sizes(s.sizes), "]", s.parameter ? ", requires a gradient" : "",
               s.view ? ", a view of a larger buffer" : ""));
    }
    std::string inputs;
    for (size_t i = 0; i < p_.inputs; ++i) inputs += cat(i == 0 ? "" : ", ", "x", i);
    line(cat(p_.traced ? "trace" : "jit", p_.interpreted ? ", interpreted" : ", compiled", ": f(",
             inputs, ") {"));
    block(p_.body);
    line("}");
    if (p_.pointers) line("// captured tensors are written through data pointers");
    for (size_t i = 0; i < p_.calls.size(); ++i) call(i, p_.calls[i]);
    return std::move(out_);
  }

 private:
  std::string name(int v) const {
    if (v < static_cast<int>(p_.inputs)) return cat("x", v);
    if (p_.is_state(v)) return cat("s", v - static_cast<int>(p_.inputs));
    return cat("v", v);
  }
  std::string arg(const Statement& s, size_t i) const {
    return i < s.args.size() ? name(s.args[i]) : "?";
  }
  static int64_t at(const Statement& s, size_t i) { return i < s.n.size() ? s.n[i] : 0; }
  static std::string sizes(const std::vector<int64_t>& s) {
    std::string out;
    for (size_t i = 0; i < s.size(); ++i) out += cat(i == 0 ? "" : ",", s[i]);
    return out;
  }
  static std::string stop(int64_t n) { return n == INT64_MAX ? "end" : cat(n); }
  void line(const std::string& text) { out_ += cat(std::string(indent_ * 2, ' '), text, "\n"); }
  void block(const std::vector<Statement>& body) {
    ++indent_;
    for (const Statement& s : body) statement(s);
    --indent_;
  }

  std::string view(const std::string& x, const Statement& s, size_t from) const {
    const int64_t a = at(s, from + 1), start = at(s, from + 2);
    const std::string rest = cat(start, ", ", stop(at(s, from + 3)), ", ", at(s, from + 4), ")");
    switch (at(s, from) % 11) {
      case 0:
        return cat(x, ".slice(", a, ", ", rest);
      case 1:
        return cat(x, ".select(", a, ", ", start, ")");
      case 2:
        return cat(x, ".t()");
      case 3:
        return cat(x, ".reshape({-1})");
      case 4:
        return cat(x, ".unsqueeze(", a, ")");
      case 5:
        return cat(x, ".reshape({", x, ".size(1), ", x, ".size(0)})");
      case 6:
        return cat(x, ".flatten()");
      case 7:
        return cat(x, ".view({", x, ".numel()})");
      case 8:
        return cat(x, ".detach()");
      case 9:
        return cat(x, ".slice(", a, ", -2, end, ", at(s, from + 4), ")");
      default:
        return cat(x, ".unsqueeze(0).expand({2, ", x, ".numel()})");
    }
  }

  std::string size(const std::string& x, const Statement& s, size_t from) const {
    const std::string d = cat(x, ".size(", at(s, from + 1), ")");
    switch (at(s, from) % 6) {
      case 1:
        return cat(x, ".numel()");
      case 2:
        return cat(d, " * 2 + 1");
      case 3:
        return cat(d, " / 2");
      case 4:
        return cat(d, " % 3");
      case 5:
        return cat("max(", d, " - 2, 0)");
      default:
        return d;
    }
  }

  std::string item(const std::string& x, int64_t which) const {
    const char* kWhat[] = {"sum(", "amax(", "first(", "count_positive("};
    return cat(kWhat[which % 4], x, ").item()");
  }
  std::string item_condition(const Statement& s) const {
    const char* relation = kRelations[at(s, 0) % 6];
    const std::string a = item(arg(s, 0), at(s, 1));
    if (s.args.size() > 1) return cat(a, " * 2 ", relation, " ", item(arg(s, 1), at(s, 2)), " + 1");
    if (at(s, 3) % 3 == 2) return cat(s.real, "f ", relation, " ", a, " + 1");
    return cat(a, " ", relation, " ", s.real, at(s, 3) % 3 == 1 ? " (int)" : "");
  }

  void nest(const std::string& head, const Statement& s) {
    line(cat(head, " {"));
    block(s.body);
    if (!s.other.empty()) {
      line("} else {");
      block(s.other);
    }
    line("}");
  }

  std::string value(const Statement& s) const {
    const char* kSigns[] = {" + ", " - ", " * ", " under "};
    const std::string a = arg(s, 0);
    std::string args;
    for (size_t i = 0; i < s.args.size(); ++i) args += cat(i == 0 ? "" : ", ", arg(s, i));
    switch (s.kind) {
      case Kind::Apply:
        return s.op->schema->count == 0 ? cat(s.op->name(), "(", args, ")")
                                        : cat(s.op->name(), "(", args, ", axis ", at(s, 0),
                                              ", keepdims ", at(s, 1) % 2, ")");
      case Kind::Number:
        return cat(a, kSigns[at(s, 0) % 4], s.real, at(s, 1) % 2 == 0 ? "" : " (double)");
      case Kind::TracedItem:
        return cat(a, " with ", item(arg(s, 1), at(s, 1)), ", way ", at(s, 2) % 3);
      case Kind::DimOperand:
        return cat(a, " * dim_tensor(", size(a, s, 0), ")");
      case Kind::View:
        return view(a, s, 0);
      case Kind::Copy: {
        const char* kWays[] = {".clone()", ".contiguous()", "", ".to(type "};
        return cat(a, kWays[at(s, 0) % 4], at(s, 0) % 4 == 3 ? cat(at(s, 1) % 6, ")") : "");
      }
      case Kind::Make: {
        const char* kWays[] = {"full like ", "arange of ", "zeros {., 3} of ", "ones like "};
        return cat(kWays[at(s, 0) % 4], at(s, 0) % 4 == 0 || at(s, 0) % 4 == 3 ? a : size(a, s, 1));
      }
      case Kind::Draw:
        return cat(at(s, 0) % 2 == 0 ? "rand(" : "randn(numel of ", a, ")");
      case Kind::Join: {
        const char* kWays[] = {"concat", "matmul", "where(a > b, a, b)", "reversed",
                               "select_at_argmax"};
        return cat(kWays[at(s, 0) % 5], "(", args, "), axis ", at(s, 1));
      }
      case Kind::HostInput:
        return at(s, 0) % 2 == 0 ? cat(a, " * input(rate)") : cat(a, " + (input(steps) * 2 + 1)");
      case Kind::HostCounter:
        return cat(a, " * counter");
      case Kind::RawSize:
        return cat(a, " * (double)", a, ".sizes()[", at(s, 0), "]");
      case Kind::GradOf:
        return cat("grad(sum(", a, "), ", arg(s, 1), ")");
      case Kind::ReadGrad:
        return cat(a, ".grad()");
      default:
        return a;
    }
  }

  std::string write(const Statement& s, const std::string& target) const {
    const char* kOps[] = {".add_(", ".mul_(", ".sub_(", ".div_(", ".copy_("};
    return cat(target, kOps[at(s, 0) % 5], s.args.size() > 1 ? arg(s, 1) : cat(s.real), ");");
  }

  void statement(const Statement& s) {
    const std::string a = s.args.empty() ? "" : arg(s, 0);
    switch (s.kind) {
      case Kind::Write:
        return line(write(s, a));
      case Kind::WriteSlice:
        return line(write(s, view(a, s, 1)));
      case Kind::IfSize:
        return nest(cat("if (", size(a, s, 1), " ", kRelations[at(s, 0) % 6], " ",
                        s.args.size() > 1 ? size(arg(s, 1), s, 3) : cat(s.real), ")"),
                    s);
      case Kind::IfItem:
        return nest(cat("if (", item_condition(s), ")"), s);
      case Kind::IfLayout:
        return nest(cat("if (", a, ".is_contiguous())"), s);
      case Kind::LoopSize:
        return nest(cat("for (i < ", a, ".size(", at(s, 0), ") && i < 4)"), s);
      case Kind::LoopItem:
        return nest(cat("for (i < sum(", a, " > ", s.real, ").item(), at most ",
                        at(s, 0) % 2 == 0 ? "4)" : "3, raw)"),
                    s);
      case Kind::LoopUntil:
        return nest(cat("while (", item_condition(s), ", at most 4 times)"), s);
      case Kind::NoGrad:
        return nest("NoGrad", s);
      case Kind::Look:
        return line(cat("print(", a, ");"));
      case Kind::Backward:
        return line(cat(at(s, 0) % 2 == 0 ? "zero_grad(); " : "", "sum(", a, ").backward();",
                        at(s, 1) % 3 == 0   ? ""
                        : at(s, 1) % 3 == 1 ? " parameters -= 0.25 * grad;"
                                            : " parameters -= input(rate) * grad;",
                        at(s, 1) % 3 != 0 && at(s, 2) % 4 == 3 ? " zero_grad();" : ""));
      case Kind::Choice:
        line(cat(name(s.dst), " = cond(", item(a, at(s, 0)), " > ", s.real, "): {"));
        block(s.body);
        line(cat("-> ", name(static_cast<int>(at(s, 1))), " } else {"));
        block(s.other);
        return line(cat("-> ", name(static_cast<int>(at(s, 2))), " }"));
      case Kind::Repeat:
        line(cat(name(s.dst), " = while_loop(sum > ", s.real, ", at most 3 times, ",
                 name(static_cast<int>(at(s, 1))), " = ", a, ") {"));
        block(s.body);
        return line(cat("-> ", name(static_cast<int>(at(s, 3))), " }"));
      case Kind::Along:
        line(cat(name(s.dst), at(s, 0) == 1 ? " = reverse scan(" : " = scan(",
                 name(static_cast<int>(at(s, 1))), " = ", a, ", ", name(static_cast<int>(at(s, 2))),
                 " of ", arg(s, 1), ") {"));
        block(s.body);
        return line(cat("-> ", name(static_cast<int>(at(s, 3))), " }"));
      case Kind::Call: {
        std::string args;
        for (int v : s.args) args += cat(args.empty() ? "" : ", ", name(v));
        line(cat("inner = jit([](x...) {"));
        block(s.body);
        return line(cat("}); ", name(s.dst), " = inner(", args, ");"));
      }
      case Kind::Return: {
        std::string args;
        for (size_t i = 0; i < s.args.size(); ++i) {
          args += cat(i == 0 ? "" : ", ", arg(s, i), at(s, i) == 1 ? ".clone()" : "",
                      at(s, i) == 2 ? "" : ".detach()");
        }
        return line(cat("return {", args, "};"));
      }
      default:
        return line(cat(name(s.dst), " = ", value(s), ";"));
    }
  }

  void call(size_t index, const CallSpec& c) {
    const char* kKinds[] = {"", "input ", "a slice of input ", "captured ", "earlier result "};
    const char* kLayouts[] = {"", " transposed", " strided", " expanded"};
    const char* kActions[] = {"captured.add_ ", "zero_grad ", "toggle requires_grad ",
                              "earlier result.fill_ ", "reseed "};
    std::string text = cat("call ", index, ":");
    for (const Action& a : c.actions) {
      text += cat(" [", kActions[static_cast<size_t>(a.kind)], a.index, " ", a.value, "]");
    }
    for (const InputSpec& in : c.inputs) {
      text +=
          in.kind == InputKind::Fresh
              ? cat(" ", in.dtype, "[", sizes(in.sizes), "]",
                    kLayouts[static_cast<size_t>(in.layout)],
                    in.requires_grad ? " requires_grad" : "", " *", in.scale, " #", in.seed % 1000)
              : cat(" ", kKinds[static_cast<size_t>(in.kind)], in.index);
    }
    if (c.rate != 1) text += cat(" rate=", c.rate);
    if (c.steps != 0) text += cat(" steps=", c.steps);
    if (c.no_grad) text += " in NoGrad";
    line(text);
  }

  const Program& p_;
  std::string out_;
  size_t indent_ = 0;
};

}  // namespace

std::string to_text(const Program& p) { return Writer(p).run(); }

}  // namespace etch::tracefuzz
