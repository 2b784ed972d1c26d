// What is known about sizes in one place: the ranges of symbols, and relations that hold there.
#pragma once

#include <unordered_map>

#include "ir/dim.h"

namespace etch {

/// Expressions do not know ranges, since one symbol may stand in many graphs; a graph or a trace
/// offers its facts through the thread's DimResolver (KnownFacts), and dim_equal and dim_less use
/// them.
class DimFacts {
 public:
  /// The symbol lies in [low, high], besides what was said of it before.
  void add_range(Dim symbol, int64_t low, int64_t high);
  /// The relation holds.
  void add(Dim a, Relation relation, Dim b);
  /// `d` with every symbol that is known to equal something replaced by that.
  Dim reduce(Dim d) const;

  struct Range {
    int64_t low = 0, high = kMaxSize;
  };
  /// The range of a symbol that is a size of its own.
  Range range(Dim symbol) const;
  /// Sizes of at least 0 that do not follow from the ranges.
  const std::vector<Dim>& not_negative() const { return not_negative_; }
  /// Sizes other than 0.
  const std::vector<Dim>& not_zero() const { return not_zero_; }

 private:
  void add_zero(Dim d);
  void add_not_negative(Dim d);
  void add_not_zero(Dim d);
  void rewrite(Dim symbol, Dim by);

  Dim substitute(Dim d) const;
  bool mentions_rewritten(Dim d) const;

  struct Symbol {
    Range range;
    size_t order = 0;  // of declaration
  };
  std::unordered_map<uint64_t, Symbol> symbols_;  // by Dim::raw()
  std::unordered_map<uint64_t, Dim> rewrites_;    // what they are; without rewritten symbols
  std::vector<Dim> not_negative_, not_zero_;
};

/// Offers `facts` to this thread while alive. What they do not decide raises UserError: a recorder
/// further out is not asked about another graph.
class KnownFacts final : public DimResolver {
 public:
  explicit KnownFacts(DimFacts facts)
      : facts_(std::move(facts)), before_(exchange_dim_resolver(this)) {}
  ~KnownFacts() override { exchange_dim_resolver(before_); }
  KnownFacts(const KnownFacts&) = delete;
  KnownFacts& operator=(const KnownFacts&) = delete;

  DimFacts& known() { return facts_; }
  const DimFacts* facts() const override { return &facts_; }
  int64_t value_of(Dim d) override;
  bool equal(Dim a, Dim b) override;
  bool less(Dim a, Dim b) override;

 private:
  DimFacts facts_;
  DimResolver* before_;
};

}  // namespace etch
