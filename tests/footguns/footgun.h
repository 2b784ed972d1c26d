// Small programs about what goes wrong with tracers, each in a file of its own. The first comment
// of a file is the outcome that is expected of it:
//
//   // right: ...             compiled, and what eager computes
//   // right, eager: ...      the same, by staying eager
//   // retraces: ...          the same, with more than one course or recording and nothing eager
//   // error: ...             UserError naming the line that ends in `// error here`
//   // documented limit: ...  differs from eager; docs/semantics.md names the program
//
// Every file is compiled twice: as usual, and with tracing compiled out (ETCH_NOTRACE). The second
// is the judge: what it logs has to come out of the first, bit for bit.
#pragma once

#include <deque>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "etch/optim.h"

namespace etch::footguns {

/// What a program was seen to do.
class Log {
 public:
  /// A jit function whose statistics count for the outcome.
  template <class F>
  Jit& jit(F f, std::vector<std::string> names, TraceOptions trace = {}, JitOptions options = {}) {
    return jits_.emplace_back(
        etch::jit(std::move(f), std::move(names), std::move(trace), {}, std::move(options)));
  }
  /// Calls it on the tensors and logs every result.
  template <class... T>
  std::vector<Tensor> call(Jit& f, const T&... x) {
    const Tensor in[] = {x...};
    std::vector<Tensor> out = f(std::span<const Tensor>(in));
    for (const Tensor& t : out) emit("result", t);
    return out;
  }
  /// Type, sizes and elements; "undefined" for no tensor.
  void emit(const std::string& label, const Tensor& t);
  void emit(const std::string& label, int64_t number);
  /// Runs `f`; a UserError is logged with the line it names, other exceptions with their text.
  void attempt(const std::function<void()>& f);

  const std::string& text() const { return text_; }
  const std::deque<Jit>& jits() const { return jits_; }

 private:
  std::string text_;
  std::deque<Jit> jits_;  // the references stay valid
};

struct Program {
  std::string name;
  std::string file;  // relative to the root of the tree
  int line = 0;
  void (*run)(Log& log) = nullptr;
};
std::vector<Program>& programs();
bool add(Program program);
/// "file.cpp:12" in the text of an error, or "".
std::string place_in(const std::string& text);

/// scale * (1, 2, 3, ...).
Tensor ramp(SizeArgs sizes, double scale = 1);

}  // namespace etch::footguns

#define FOOTGUN(name)                                                    \
  static void footgun_##name(etch::footguns::Log& log);                  \
  static const bool added_##name =                                       \
      etch::footguns::add({#name, __FILE__, __LINE__, &footgun_##name}); \
  static void footgun_##name(etch::footguns::Log& log)
