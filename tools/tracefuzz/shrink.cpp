#include "tools/tracefuzz/run.h"

namespace etch::tracefuzz {
namespace {

bool fails(const Program& p) {
  Counts counts;
  return run(p, counts).has_value();
}

/// What runs inside a graph has variables that mean nothing outside.
bool in_graph(const Statement& s) {
  return s.kind == Kind::Choice || s.kind == Kind::Repeat || s.kind == Kind::Along;
}

/// Visits every list of statements; `f` may change it and answers true to stop.
template <class F>
bool each_block(std::vector<Statement>& block, F& f) {
  if (f(block)) return true;
  for (Statement& s : block) {
    if (each_block(s.body, f) || each_block(s.other, f)) return true;
  }
  return false;
}

/// The k-th way to cut the function; false when there are fewer.
bool cut_function(Program& p, size_t k) {
  size_t at = 0;
  auto cut = [&](std::vector<Statement>& block) {
    for (size_t i = 0; i < block.size(); ++i) {
      auto here = block.begin() + static_cast<ptrdiff_t>(i);
      if (at++ == k) {
        block.erase(here);
        return true;
      }
      for (const std::vector<Statement>* part : {&block[i].body, &block[i].other}) {
        if (part->empty() || block[i].kind == Kind::Call || in_graph(block[i]) || at++ != k)
          continue;
        std::vector<Statement> inside = *part;
        here = block.erase(here);
        block.insert(here, inside.begin(), inside.end());
        return true;
      }
    }
    return false;
  };
  return each_block(p.body, cut);
}

/// The k-th way to make the function or its calls plainer.
bool simplify(Program& p, size_t k) {
  size_t at = 0;
  auto plainer = [&](auto& field, auto value) {
    if (field == value || at++ != k) return false;
    field = value;
    return true;
  };
  for (size_t i = 0; i < p.calls.size(); ++i) {
    if (p.calls.size() > 1 && at++ == k) {
      p.calls.erase(p.calls.begin() + static_cast<ptrdiff_t>(i));
      return true;
    }
    CallSpec& c = p.calls[i];
    for (size_t j = 0; j < c.actions.size(); ++j) {
      if (at++ != k) continue;
      c.actions.erase(c.actions.begin() + static_cast<ptrdiff_t>(j));
      return true;
    }
    if (plainer(c.no_grad, false) || plainer(c.rate, 1.0) || plainer(c.steps, int64_t{0}))
      return true;
    for (InputSpec& in : c.inputs) {
      if (plainer(in.kind, InputKind::Fresh) || plainer(in.layout, Layout::Dense) ||
          plainer(in.requires_grad, false) || plainer(in.dtype, p.calls[0].inputs[0].dtype) ||
          plainer(in.scale, 1.0) || plainer(in.seed, uint64_t{5})) {
        return true;
      }
    }
  }
  if (plainer(p.interpreted, true)) return true;
  auto arguments = [&](std::vector<Statement>& block) {
    for (Statement& s : block) {
      if (s.kind == Kind::Return && s.args.size() > 1 && at++ == k) {
        s.args.pop_back();
        return true;
      }
      if ((s.kind == Kind::IfItem || s.kind == Kind::IfSize) && s.args.size() > 1 && at++ == k) {
        s.args.pop_back();
        return true;
      }
    }
    return false;
  };
  return each_block(p.body, arguments);
}

}  // namespace

Program shrink(const Program& p) {
  Program best = p;
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (auto* edit : {&cut_function, &simplify}) {
      for (size_t k = 0;;) {
        Program next = best;
        if (!edit(next, k)) break;
        if (fails(next)) {
          best = std::move(next);
          smaller = true;
        } else {
          ++k;
        }
      }
    }
  }
  return best;
}

}  // namespace etch::tracefuzz
