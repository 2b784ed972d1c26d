// Graph -> text. See text.h for the grammar.
#include <unordered_set>

#include "ir/text.h"

namespace etch::ir {
namespace {

using BodyNames = std::unordered_map<const Graph*, size_t>;

/// The escapes of string attributes (attrs.cpp), so that one lexer reads both.
void append_quoted(std::string& out, std::string_view s) {
  out += '"';
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_bits(std::string& out, const std::byte* p, size_t size) {
  uint64_t v = 0;
  std::memcpy(&v, p, size);
  char buffer[16];
  auto r = std::to_chars(buffer, buffer + sizeof buffer, v, 16);
  out += "0x";
  out.append(buffer, r.ptr);
}

class Printer {
 public:
  Printer(std::string& out, const Graph& g, PrintOptions options, const BodyNames* bodies)
      : out_(out), g_(g), options_(options), bodies_(bodies) {}

  void graph_lines() {
    number_values();
    for (const SymbolRange& s : g_.symbols) symbol_line(s);
    for (const Constraint& c : g_.constraints) constraint_line(c);
    for (NodeId id : g_) {
      out_ += "  ";
      node(id);
      out_ += '\n';
    }
    for (const GraphResult& r : g_.results()) result_line(r);
  }

  void node(NodeId id) {
    const Node& n = g_.node(id);
    for (uint32_t i = 0; i < n.outputs.size(); ++i) {
      if (i != 0) out_ += ", ";
      value({id, i});
    }
    out_ += n.outputs.empty() ? "= " : " = ";
    operation(id, n);
    types(n.outputs);
    if (options_.origins) origin(n);
  }

 private:
  void number_values() {
    numbers_.assign(g_.capacity(), 0);
    uint32_t next = 0;
    for (NodeId id : g_) {
      numbers_[id] = next;
      next += static_cast<uint32_t>(g_.node(id).outputs.size());
    }
    for (size_t i = 0; i < g_.inputs().size(); ++i) input_of_[g_.inputs()[i].value.node] = i;
  }

  void value(Value v) {
    out_ += '%';
    if (!numbers_.empty()) {
      append_text(out_, numbers_[v.node] + v.index);
      return;
    }
    append_text(out_, v.node);
    if (v.index != 0) append(".", v.index);
  }

  template <class... Args>
  void append(const Args&... args) {
    using etch::append_text;
    (append_text(out_, args), ...);
  }

  void symbol_line(const SymbolRange& s) {
    append("  symbol ", s.symbol);
    SymbolRange any;
    if (s.low != any.low || s.high != any.high) append(" in [", s.low, ", ", s.high, "]");
    out_ += '\n';
  }

  void constraint_line(const Constraint& c) {
    append("  require [", c.lhs, " ", c.relation, " ", c.rhs, "]");
    if (options_.origins) source_line(c.loc);
    out_ += '\n';
  }

  void result_line(const GraphResult& r) {
    out_ += "  result ";
    append_quoted(out_, r.name);
    out_ += " = ";
    value(r.value);
    if (r.state >= 0) append(" -> state ", r.state);
    if (r.guard) {
      append(" guard [", r.guard->low, ", ", r.guard->high, "]");
      if (options_.origins) source_line(r.loc);
    }
    out_ += '\n';
  }

  void operation(NodeId id, const Node& n) {
    if (is_input(n)) return input(id);
    if (is_constant(n)) return constant(*n.constant);
    append(n.op->name());
    if (n.op->info.version > 1) append(".v", n.op->info.version);
    if (is_fusion(n)) body(n);
    out_ += '(';
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (i != 0) out_ += ", ";
      value(n.inputs[i]);
    }
    out_ += ')';
    attributes(n);
  }

  void input(NodeId id) {
    const GraphInput* in = nullptr;
    if (auto it = input_of_.find(id); it != input_of_.end()) in = &g_.inputs()[it->second];
    for (size_t i = 0; in == nullptr && i < g_.inputs().size(); ++i) {
      if (g_.inputs()[i].value.node == id) in = &g_.inputs()[i];
    }
    if (in == nullptr) return append("input ?");  // broken graphs must print too
    out_ += in->kind == InputKind::State ? "state " : "input ";
    append_quoted(out_, in->name);
  }

  void constant(const Constant& c) {
    out_ += "constant";
    size_t size = itemsize(c.dtype);
    size_t count = c.bytes / size;
    bool whole = count <= static_cast<size_t>(kInlineElements);
    if (!whole || options_.hashes) append(" #", c.hash.to_hex());
    if (!whole) return;
    out_ += " [";
    const auto* bytes = static_cast<const std::byte*>(c.data.get());
    for (size_t i = 0; i < count; ++i) {
      if (i != 0) out_ += ", ";
      append_bits(out_, bytes + i * size, size);
    }
    out_ += ']';
  }

  void body(const Node& n) {
    if (bodies_ == nullptr) return append(" ", n.body->name);
    append(" @f", bodies_->at(n.body.get()));
  }

  void attributes(const Node& n) {
    bool any = false;
    std::shared_ptr<void> base;
    if (!options_.defaults && n.attrs.count() > 0) base = n.op->schema->create();
    for (int i = 0; i < n.attrs.count(); ++i) {
      AttrValue v = n.attrs.get(i);
      if (base && same_value(v, n.op->schema->get(base.get(), i))) continue;
      append(any ? ", " : " {", n.attrs.name(i), "=");
      const GraphRef* graph = std::get_if<GraphRef>(&v);
      if (graph != nullptr && *graph != nullptr && bodies_ != nullptr) {
        append("@f", bodies_->at(graph->get()));
      } else {
        append_text(out_, v);
      }
      any = true;
    }
    if (any) out_ += '}';
  }

  void types(const Types& outputs) {
    for (size_t i = 0; i < outputs.size(); ++i) append(i == 0 ? " : " : ", ", outputs[i]);
  }

  void origin(const Node& n) {
    if (n.scope != 0) {
      out_ += " in ";
      append_quoted(out_, g_.scope(n.scope));
    }
    source_line(n.loc);
  }

  void source_line(uint32_t loc) {
    if (loc == 0) return;
    out_ += " at ";
    append_quoted(out_, g_.loc(loc).file);
    append(":", g_.loc(loc).line);
  }

  std::string& out_;
  const Graph& g_;
  PrintOptions options_;
  const BodyNames* bodies_;
  std::vector<uint32_t> numbers_;  // of each node's first value; empty: name values by node id
  std::unordered_map<NodeId, size_t> input_of_;
};

}  // namespace

std::vector<const Graph*> nested_graphs(const Graph& g) {
  constexpr size_t kMaxDepth = 64;
  struct Frame {
    const Graph* graph;
    NodeId at;
  };
  std::vector<const Graph*> done;
  std::unordered_set<const Graph*> seen;
  std::vector<Frame> stack{{&g, g.first()}};
  while (!stack.empty()) {
    Frame& top = stack.back();
    if (top.at == kNoNode) {
      if (stack.size() > 1) done.push_back(top.graph);
      stack.pop_back();
      continue;
    }
    const Node& n = top.graph->node(top.at);
    const Graph* open = nullptr;
    for (const GraphRef& body : bodies_of(n)) {
      if (open == nullptr && seen.insert(body.get()).second) open = body.get();
    }
    if (open == nullptr) {
      top.at = n.next;
      continue;
    }
    invariant(stack.size() <= kMaxDepth, "graphs nest deeper than 64");
    stack.push_back({open, open->first()});
  }
  return done;
}

std::string print(const Graph& g, PrintOptions options) {
  std::string out = cat("etch.ir ", kTextVersion, "\n");
  BodyNames names;
  auto block = [&](std::string_view head, const Graph& graph) {
    out += head;
    out += ' ';
    append_quoted(out, graph.name);
    out += " {\n";
    Printer(out, graph, options, &names).graph_lines();
    out += "}\n";
  };
  for (const Graph* body : nested_graphs(g)) {
    size_t number = names.size();
    names[body] = number;
    block(cat("fn @f", number), *body);
  }
  block("graph", g);
  return out;
}

std::string print_node(const Graph& g, NodeId id) {
  std::string out;
  Printer(out, g, {.hashes = false}, nullptr).node(id);
  return out;
}

}  // namespace etch::ir
