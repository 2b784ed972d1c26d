// Text -> graph. See text.h for the grammar; parse_values.h reads types, attributes and constants.
#include "ir/facts.h"
#include "ir/parse_values.h"
#include "ir/registry.h"
#include "ir/verify.h"

namespace etch::ir {
namespace {

/// A fusion body that later graphs may name.
struct Function {
  std::shared_ptr<const Graph> graph;
  size_t depth = 1;  // of bodies inside bodies
  size_t flat_nodes = 0;
};

/// The values that a block has defined. print() numbers them in order, which needs no hashing;
/// other names go through a map.
class ValueNames {
 public:
  const Value* find(std::string_view name) const {
    size_t n = number(name);
    if (n < numbered_.size()) return &numbered_[n];
    if (named_.empty()) return nullptr;
    auto it = named_.find(name);
    return it == named_.end() ? nullptr : &it->second;
  }
  /// False when the name is taken.
  bool define(std::string_view name, Value v) {
    if (find(name) != nullptr) return false;
    if (number(name) == numbered_.size()) {
      numbered_.push_back(v);
    } else {
      named_.emplace(name, v);
    }
    return true;
  }

 private:
  /// SIZE_MAX unless `name` is a number as print() writes it.
  static size_t number(std::string_view name) {
    if (name.size() > 9 || (name.size() > 1 && name[0] == '0')) return SIZE_MAX;
    size_t n = 0;
    for (char c : name) {
      if (c < '0' || c > '9') return SIZE_MAX;
      n = n * 10 + static_cast<size_t>(c - '0');
    }
    return n;
  }
  std::vector<Value> numbered_;
  std::unordered_map<std::string_view, Value> named_;
};

class Parser {
 public:
  Parser(std::string_view text, const ConstantLookup& lookup, std::string_view source_name,
         const TextLimits& limits)
      : lex_(text, source_name),
        values_(lex_, limits, lookup, [this](const Token& t) { return called(t).graph; }),
        limits_(limits) {}

  Graph run();

 private:
  /// What one statement between braces needs.
  struct Block {
    Graph graph;
    ValueNames names;
    size_t depth = 1;
    size_t flat_nodes = 0;
    std::string_view scope_text, file_text;  // of the last origin, to intern only changes
    uint32_t scope = 0, loc = 0, line = 0;
    DimFacts* facts = nullptr;  // what inference knows
  };
  Block* open_ = nullptr;  // the one being read
  using Names = SmallVec<std::string_view, 4>;

  void header();
  void function();
  Block block();
  void symbol(Block& b);
  void constraint(Block& b);
  Relation relation();
  void result(Block& b);
  void guard(Block& b, Value v, std::string name, size_t at);
  void node(Block& b);
  void input(Block& b, const Names& names, InputKind kind);
  void constant(Block& b, const Names& names);
  void fusion(Block& b, const Names& names);
  void operation(Block& b, const Names& names, const Token& word);
  const OpDef& find_operator(const Token& word);
  const Function& called(const Token& name);

  Value value(const Block& b);
  SmallVec<Value, 4> operands(const Block& b);
  Types types();
  void origin(Block& b);
  uint32_t source_line(Block& b);
  void define(Block& b, const Names& names, NodeId id, size_t at);
  void check_types(std::string_view what, const Types& declared, const Types& inferred, size_t at);
  void count_flat(Block& b, size_t more, size_t at);

  Lexer lex_;
  ValueParser values_;
  const TextLimits& limits_;
  std::unordered_map<std::string_view, Function> functions_;
  std::vector<TensorType> operand_types_;
  size_t nodes_ = 0;
};

Graph Parser::run() {
  header();
  while (lex_.eat_word("fn")) function();
  lex_.expect_word("graph");
  Block main = block();
  if (lex_.peek().kind != Tok::End) lex_.fail_here("the end of the text");
  return std::move(main.graph);
}

void Parser::header() {
  if (!lex_.eat_word("etch.ir")) lex_.fail_here("'etch.ir' and the version of the grammar");
  size_t at = lex_.peek().at;
  int64_t version = values_.integer("the version of the grammar", 1, INT32_MAX);
  if (version > kTextVersion) {
    lex_.fail_at(
        at, cat("grammar ", version, " is newer than this Etch, which reads up to ", kTextVersion),
        "Update Etch");
  }
}

void Parser::function() {
  Token name = lex_.expect(Tok::Func, "'@' and the name of a function");
  if (functions_.size() >= limits_.graphs) {
    lex_.fail_at(name.at, cat("more than ", limits_.graphs, " functions"));
  }
  Block b = block();
  for (const GraphInput& in : b.graph.inputs()) {
    if (in.kind == InputKind::State) lex_.fail_at(name.at, "a function cannot have a state");
  }
  for (const GraphResult& r : b.graph.results()) {
    if (r.guard) lex_.fail_at(name.at, "a function cannot have a guard");
  }
  Function f{std::make_shared<const Graph>(std::move(b.graph)), b.depth, b.flat_nodes};
  if (!functions_.emplace(name.text, std::move(f)).second) {
    lex_.fail_at(name.at, cat("function @", name.text, " is defined twice"));
  }
}

Parser::Block Parser::block() {
  Block b;
  KnownFacts known{DimFacts()};
  b.facts = &known.known();
  open_ = &b;
  b.graph.name = values_.name("the quoted name of the graph");
  lex_.expect('{', "and the nodes of the graph");
  while (!lex_.eat('}')) {
    if (lex_.eat_word("symbol")) {
      symbol(b);
    } else if (lex_.eat_word("require")) {
      constraint(b);
    } else if (lex_.eat_word("result")) {
      result(b);
    } else {
      node(b);
    }
  }
  b.graph.set_origin(0, 0);
  return b;
}

void Parser::symbol(Block& b) {
  Token name = lex_.expect(Tok::Word, "the name of a symbol");
  if (name.text.find('.') != std::string_view::npos || name.text.size() > limits_.name_bytes) {
    lex_.fail_at(name.at, "expected a short name of letters, digits and _ for the symbol");
  }
  if (b.graph.symbols.size() >= limits_.symbols) {
    lex_.fail_at(name.at, cat("more than ", limits_.symbols, " symbols"));
  }
  SymbolRange range{.symbol = Dim::symbol(name.text)};
  for (const SymbolRange& other : b.graph.symbols) {
    if (other.symbol.same_as(range.symbol)) {
      lex_.fail_at(name.at, cat("symbol ", name.text, " is declared twice"));
    }
  }
  if (lex_.eat_word("in")) {
    lex_.expect('[', "before the range");
    range.low = values_.integer("the smallest size", 0, range.high);
    lex_.expect(',', "inside the range");
    range.high = values_.integer("the largest size", range.low, range.high);
    lex_.expect(']', "after the range");
  }
  b.graph.symbols.push_back(range);
  b.facts->add_range(range.symbol, range.low, range.high);
}

Relation Parser::relation() {
  if (lex_.eat('<')) return lex_.eat('=') ? Relation::LessEqual : Relation::Less;
  Relation r = lex_.eat('!') ? Relation::NotEqual : Relation::Equal;
  if (r == Relation::Equal) lex_.expect('=', "of ==, !=, < or <=");
  lex_.expect('=', "to complete the relation");
  return r;
}

void Parser::constraint(Block& b) {
  size_t at = lex_.peek().at;
  if (b.graph.constraints.size() >= limits_.constraints) {
    lex_.fail_at(at, cat("more than ", limits_.constraints, " constraints"));
  }
  lex_.expect('[', "before the constraint");
  Constraint c;
  c.lhs = values_.dim("=!<");
  c.relation = relation();
  c.rhs = values_.dim("]");
  lex_.expect(']', "after the constraint");
  c.loc = source_line(b);
  b.graph.constraints.push_back(c);
  b.facts->add(c.lhs, c.relation, c.rhs);
}

void Parser::result(Block& b) {
  std::string name = values_.name("the quoted name of the result");
  lex_.expect('=', "and a value");
  size_t at = lex_.peek().at;
  Value v = value(b);
  int state = -1;
  if (lex_.is(Tok::Punct, "->")) {
    lex_.take();
    lex_.expect_word("state");
    const auto& inputs = b.graph.inputs();
    state = static_cast<int>(
        values_.integer("the number of an input", 0, static_cast<int64_t>(inputs.size()) - 1));
    const GraphInput& in = inputs[static_cast<size_t>(state)];
    if (in.kind != InputKind::State) lex_.fail_at(at, cat("input ", state, " is not a state"));
    if (!same_type(b.graph.type(in.value), b.graph.type(v))) {
      lex_.fail_at(at, cat("expected ", b.graph.type(in.value), ", the type of state ", state,
                           ", found ", b.graph.type(v)));
    }
  }
  if (state < 0 && lex_.eat_word("guard")) return guard(b, v, std::move(name), at);
  b.graph.add_result(v, std::move(name), state);
}

void Parser::guard(Block& b, Value v, std::string name, size_t at) {
  if (std::string problem = guard_problem(b.graph.type(v)); !problem.empty()) {
    lex_.fail_at(at, problem);
  }
  lex_.expect('[', "before the values that the guard allows");
  GuardRange range;
  range.low = values_.integer("the lowest value", INT64_MIN, INT64_MAX);
  lex_.expect(',', "inside the range");
  range.high = values_.integer("the highest value", range.low, INT64_MAX);
  lex_.expect(']', "after the range");
  b.graph.add_guard(v, std::move(name), range, source_line(b));
}

void Parser::node(Block& b) {
  Names names;
  if (lex_.peek().kind == Tok::Value) {
    do {
      if (names.size() == limits_.operands)
        lex_.fail_here(cat("at most ", names.size(), " values"));
      names.push_back(lex_.expect(Tok::Value, "'%' and the name of a value").text);
    } while (lex_.eat(','));
  }
  if (!lex_.is_punct('=')) {
    lex_.fail_here(names.empty() ? "a value, 'symbol', 'require', 'result' or '}'"
                                 : "'=' and an operator");
  }
  lex_.take();
  Token word = lex_.expect(Tok::Word, "the name of an operator");
  if (++nodes_ > limits_.nodes) lex_.fail_at(word.at, cat("more than ", limits_.nodes, " nodes"));
  count_flat(b, 1, word.at);
  if (word.text == "input") return input(b, names, InputKind::Input);
  if (word.text == "state") return input(b, names, InputKind::State);
  if (word.text == "constant") return constant(b, names);
  if (word.text == "fusion") return fusion(b, names);
  operation(b, names, word);
}

void Parser::input(Block& b, const Names& names, InputKind kind) {
  size_t at = lex_.peek().at;
  if (b.graph.size() != b.graph.inputs().size()) {
    lex_.fail_at(at, "inputs and states come before all other nodes");
  }
  std::string name = values_.name("the quoted name of the input");
  lex_.expect(':', "and the type of the input");
  TensorType type = values_.type();
  origin(b);
  Value v = b.graph.add_input(std::move(name), std::move(type), kind);
  define(b, names, v.node, at);
}

void Parser::constant(Block& b, const Names& names) {
  size_t at = lex_.peek().at;
  auto contents = values_.constant();
  origin(b);
  define(b, names, b.graph.add_constant(std::move(contents)).node, at);
}

/// Function `name`, counted as part of the open block.
const Function& Parser::called(const Token& name) {
  Block& b = *open_;
  auto it = functions_.find(name.text);
  if (it == functions_.end()) {
    lex_.fail_at(name.at, cat("function @", name.text, " is not defined"),
                 "Functions stand before the graphs that use them");
  }
  const Function& f = it->second;
  count_flat(b, f.flat_nodes, name.at);
  b.depth = std::max(b.depth, f.depth + 1);
  if (b.depth > limits_.depth) {
    lex_.fail_at(name.at, cat("functions nest deeper than ", limits_.depth));
  }
  return f;
}

void Parser::fusion(Block& b, const Names& names) {
  Token name = lex_.expect(Tok::Func, "'@' and the name of a function");
  const Function& f = called(name);
  SmallVec<Value, 4> in = operands(b);
  Types declared = types();
  origin(b);
  const Graph& body = *f.graph;
  Types inputs, outputs;
  for (const GraphInput& i : body.inputs()) inputs.push_back(body.type(i.value));
  for (const GraphResult& r : body.results()) outputs.push_back(body.type(r.value));
  operand_types_.clear();
  for (Value v : in) operand_types_.push_back(b.graph.type(v));
  check_types(cat("operands of @", name.text), operand_types_, inputs, name.at);
  check_types(cat("results of @", name.text), declared, outputs, name.at);
  define(b, names, b.graph.add_fusion(f.graph, in), name.at);
}

const OpDef& Parser::find_operator(const Token& word) {
  std::string_view name = word.text;
  int64_t version = 1;
  size_t dot = name.rfind(".v");
  if (dot != std::string_view::npos) {
    auto r = std::from_chars(name.data() + dot + 2, name.data() + name.size(), version);
    if (r.ec != std::errc() || r.ptr != name.data() + name.size()) {
      lex_.fail_at(word.at, cat("expected a version after '.v', found '", name, "'"));
    }
    name = name.substr(0, dot);
  }
  const OpDef* op = find_op(name);
  if (op == nullptr || op->kind == OpKind::Structural) {
    lex_.fail_at(word.at, cat("operator '", name, "' is not known"),
                 "Update Etch, or register the operator before reading");
  }
  if (version != op->info.version) {
    lex_.fail_at(word.at,
                 cat("expected version ", op->info.version, " of ", name, ", found ", version),
                 version > op->info.version ? "Update Etch" : "Write the text again");
  }
  return *op;
}

void Parser::operation(Block& b, const Names& names, const Token& word) {
  const OpDef& op = find_operator(word);
  SmallVec<Value, 4> in = operands(b);
  AttrBox attrs = values_.attributes(op);
  Types declared = types();
  origin(b);
  operand_types_.clear();
  for (Value v : in) operand_types_.push_back(b.graph.type(v));
  Types inferred;
  values_.locate(word.at, [&] { inferred = infer_types(op, operand_types_, attrs.data()); });
  check_types(op.name(), declared, inferred, word.at);
  define(b, names, b.graph.add_node(op, in, std::move(attrs), std::move(declared)), word.at);
}

Value Parser::value(const Block& b) {
  Token t = lex_.expect(Tok::Value, "'%' and the name of a value");
  const Value* v = b.names.find(t.text);
  if (v == nullptr) {
    lex_.fail_at(t.at,
                 cat("expected a value that is defined above, found %", t.text.substr(0, 40)));
  }
  return *v;
}

SmallVec<Value, 4> Parser::operands(const Block& b) {
  lex_.expect('(', "before the operands");
  SmallVec<Value, 4> out;
  if (lex_.eat(')')) return out;
  do {
    if (out.size() == limits_.operands) lex_.fail_here(cat("at most ", out.size(), " operands"));
    out.push_back(value(b));
  } while (lex_.eat(','));
  lex_.expect(')', "after the operands");
  return out;
}

Types Parser::types() {
  Types out;
  if (!lex_.eat(':')) return out;
  do {
    if (out.size() == limits_.operands) lex_.fail_here(cat("at most ", out.size(), " types"));
    out.push_back(values_.type());
  } while (lex_.eat(','));
  return out;
}

/// Sets what the next node is stamped with.
void Parser::origin(Block& b) {
  uint32_t scope = 0;
  if (lex_.eat_word("in")) {
    std::string_view text = lex_.peek().text;
    if (lex_.peek().kind == Tok::String && text == b.scope_text) {
      lex_.take();
    } else {
      b.scope = b.graph.intern_scope(values_.name("a quoted scope path"));
      b.scope_text = text;
    }
    scope = b.scope;
  }
  b.graph.set_origin(scope, source_line(b));
}

/// The optional "at file:line"; 0 without it.
uint32_t Parser::source_line(Block& b) {
  if (!lex_.eat_word("at")) return 0;
  std::string_view text = lex_.peek().text;
  std::string file = values_.name("a quoted file");
  lex_.expect(':', "and a line number");
  auto line = static_cast<uint32_t>(values_.integer("a line number", 1, UINT32_MAX));
  if (text != b.file_text || line != b.line) b.loc = b.graph.intern_loc(file, line);
  b.file_text = text;
  b.line = line;
  return b.loc;
}

void Parser::define(Block& b, const Names& names, NodeId id, size_t at) {
  size_t count = b.graph.node(id).outputs.size();
  if (names.size() != count) {
    lex_.fail_at(at, cat("expected ", count, " values before '=', found ", names.size()));
  }
  for (uint32_t i = 0; i < count; ++i) {
    if (!b.names.define(names[i], {id, i})) {
      lex_.fail_at(at, cat("value %", names[i].substr(0, 40), " is defined twice"));
    }
  }
}

void Parser::check_types(std::string_view what, const Types& declared, const Types& inferred,
                         size_t at) {
  bool same = declared.size() == inferred.size();
  for (size_t i = 0; same && i < declared.size(); ++i) same = same_type(declared[i], inferred[i]);
  if (same) return;
  auto text = [](const Types& list) {
    std::string out;
    for (const TensorType& t : list) out += cat(out.empty() ? "" : ", ", t);
    return out.empty() ? std::string("none") : out;
  };
  lex_.fail_at(at,
               cat("expected the types ", text(inferred), " (", what, "), found ", text(declared)));
}

void Parser::count_flat(Block& b, size_t more, size_t at) {
  b.flat_nodes += more;
  if (b.flat_nodes > limits_.flat_nodes) {
    lex_.fail_at(at, cat("more than ", limits_.flat_nodes, " nodes once functions are expanded"));
  }
}

}  // namespace

Graph parse(std::string_view text, const ConstantLookup& lookup, std::string_view source_name,
            const TextLimits& limits) {
  if (text.size() > limits.text_bytes) {
    fail_file("parse", source_name,
              cat("expected at most ", limits.text_bytes, " bytes, found ", text.size()));
  }
  Graph g = Parser(text, lookup, source_name, limits).run();
  verify_untrusted(g, source_name);
  return g;
}

}  // namespace etch::ir
