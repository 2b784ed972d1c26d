#include "ir/parse_values.h"

#include <optional>

#include "ir/support/checked.h"
#include "ir/verify.h"

namespace etch::ir {
namespace {

std::optional<int64_t> decimal(std::string_view text) {
  int64_t v = 0;
  auto r = std::from_chars(text.data(), text.data() + text.size(), v);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
  return v;
}

std::optional<uint64_t> hexadecimal(std::string_view text) {
  if (text.size() < 3 || text.substr(0, 2) != "0x") return std::nullopt;
  uint64_t v = 0;
  auto r = std::from_chars(text.data() + 2, text.data() + text.size(), v, 16);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
  return v;
}

bool fits(DType t, uint64_t v) {
  if (is_bool(t)) return v <= 1;
  return bits(t) >= 64 || v >> bits(t) == 0;
}

}  // namespace

void ValueParser::locate(size_t at, FunctionRef<void()> f) const {
  try {
    f();
  } catch (const UserError& e) {
    lex_.fail_at(at, e.what());
  }
}

/// Items up to `close`, separated by commas; the opening character was taken.
template <class F>
void ValueParser::list(char close, std::string_view what, F&& item) {
  if (lex_.eat(close)) return;
  size_t at = lex_.peek().at;
  for (size_t count = 1;; ++count) {
    if (count > limits_.list_items) {
      lex_.fail_at(at, cat("expected at most ", limits_.list_items, " items in ", what));
    }
    item();
    if (lex_.eat(close)) return;
    if (!lex_.eat(',')) lex_.fail_here(cat("',' or '", close, "' in ", what));
  }
}

std::string ValueParser::name(std::string_view what) {
  Token t = lex_.expect(Tok::String, what);
  if (t.text.size() > limits_.name_bytes) {
    lex_.fail_at(t.at, cat("expected ", what, " of at most ", limits_.name_bytes, " bytes, found ",
                           t.text.size()));
  }
  return unescape(t.text);
}

int64_t ValueParser::integer(std::string_view what, int64_t low, int64_t high) {
  std::optional<int64_t> v;
  if (lex_.peek().kind == Tok::Number) v = decimal(lex_.peek().text);
  if (!v || *v < low || *v > high) {
    bool any = low == INT64_MIN && high == INT64_MAX;
    lex_.fail_here(any ? std::string(what) : cat(what, " from ", low, " to ", high));
  }
  lex_.take();
  return *v;
}

DType ValueParser::dtype() {
  std::optional<DType> t;
  if (lex_.peek().kind == Tok::Word) t = dtype_from_name(lex_.peek().text);
  if (!t) lex_.fail_here("an element type");
  if (!contains(kSupported, *t)) {
    lex_.fail_at(lex_.peek().at, cat("the element type ", *t, " is not supported yet"));
  }
  lex_.take();
  return *t;
}

Dim ValueParser::dim(std::string_view stops) {
  size_t at = lex_.peek().at;
  std::string_view text = lex_.take_dim(limits_.dim_bytes, stops);
  if (auto v = decimal(text); v && *v <= kMaxSize && *v >= -kMaxSize) return Dim(*v);
  if (auto known = known_dims_.find(text); known != known_dims_.end()) return known->second;
  if (known_dims_.size() >= limits_.dims) {
    lex_.fail_at(at, cat("more than ", limits_.dims, " different symbolic sizes"));
  }
  std::optional<Dim> d;
  locate(at, [&] { d = parse_dim(text); });
  if (!d) lex_.fail_at(at, cat("expected a size, found '", text, "'"));
  known_dims_.emplace(text, *d);
  return *d;
}

Shape ValueParser::dims() {
  lex_.expect('[', "before sizes");
  Shape out;
  list(']', "sizes", [&] { out.push_back(dim()); });
  return out;
}

TensorType ValueParser::type() {
  size_t at = lex_.peek().at;
  TensorType t{dtype(), dims()};
  if (t.shape.size() > limits_.rank) {
    lex_.fail_at(at, cat("expected at most ", limits_.rank, " axes, found ", t.shape.size()));
  }
  std::string problem = type_problem(t);
  if (!problem.empty()) lex_.fail_at(at, cat("the type ", t, " ", problem));
  return t;
}

uint64_t ValueParser::hex_bits(DType t) {
  std::optional<uint64_t> v;
  if (lex_.peek().kind == Tok::Number) v = hexadecimal(lex_.peek().text);
  if (!v || !fits(t, *v)) lex_.fail_here(cat("the bits of one ", t, " as 0x..."));
  lex_.take();
  return *v;
}

/// Reads a value of the type that a field's default has.
struct ValueParser::AttrReader {
  ValueParser& p;
  AttrValue operator()(bool) const {
    if (p.lex_.eat_word("true")) return true;
    if (!p.lex_.eat_word("false")) p.lex_.fail_here("true or false");
    return false;
  }
  AttrValue operator()(int64_t) const { return p.integer("a number", INT64_MIN, INT64_MAX); }
  AttrValue operator()(double) const {
    p.lex_.expect_word("f64");
    p.lex_.expect(':', "after f64");
    return std::bit_cast<double>(p.hex_bits(DType::F64));
  }
  AttrValue operator()(DType) const { return p.dtype(); }
  AttrValue operator()(Number) const {
    DType t = p.dtype();
    p.lex_.expect(':', "after the element type");
    return Number{t, p.hex_bits(t)};
  }
  AttrValue operator()(const Axes&) const {
    Axes out;
    p.lex_.expect('[', "before numbers");
    p.list(']', "numbers", [&] { out.push_back(p.integer("a number", INT64_MIN, INT64_MAX)); });
    return out;
  }
  AttrValue operator()(const Shape&) const {
    p.lex_.eat_word("dims");  // older texts have plain numbers where sizes may stand now
    return p.dims();
  }
  AttrValue operator()(const std::string&) const { return p.name("a quoted text"); }
  AttrValue operator()(const GraphRef&) const {
    return p.functions_(p.lex_.expect(Tok::Func, "'@' and the name of a function"));
  }
};

void ValueParser::set_field(const AttrSchema& schema, void* data, const OpDef& op, uint64_t& seen) {
  Token field = lex_.expect(Tok::Word, "the name of an attribute");
  int i = 0;
  while (i < schema.count && schema.name(i) != field.text) ++i;
  if (i == schema.count)
    lex_.fail_at(field.at, cat(op.name(), " has no attribute '", field.text, "'"));
  uint64_t mask = uint64_t{1} << i;
  if ((seen & mask) != 0) lex_.fail_at(field.at, cat("attribute ", field.text, " is given twice"));
  seen |= mask;
  lex_.expect('=', "after the name of an attribute");
  schema.set(data, i, std::visit(AttrReader{*this}, schema.get(data, i)));
}

AttrBox ValueParser::attributes(const OpDef& op) {
  const AttrSchema& schema = *op.schema;
  std::shared_ptr<void> data;
  if (schema.count > 0) data = schema.create();
  uint64_t seen = 0;
  if (lex_.eat('{')) list('}', "attributes", [&] { set_field(schema, data.get(), op, seen); });
  return schema.count == 0 ? AttrBox{} : AttrBox(schema, std::move(data));
}

std::shared_ptr<const Constant> ValueParser::constant() {
  size_t at = lex_.peek().at;
  std::optional<Hash128> hash;
  if (lex_.peek().kind == Tok::Hash) {
    hash = Hash128::from_hex(lex_.peek().text);
    if (!hash) lex_.fail_here("a content hash of 32 hex digits");
    lex_.take();
  }
  // The type comes after the elements: keep their text and read it as bits once the type is known.
  SmallVec<uint64_t, kInlineElements> bits;
  bool whole = lex_.eat('[');
  if (whole) {
    list(']', "elements", [&] {
      if (bits.size() == kInlineElements) {
        lex_.fail_here(cat("at most ", kInlineElements, " elements; larger constants go by hash"));
      }
      bits.push_back(hex_bits(DType::U64));
    });
  }
  if (!whole && !hash) lex_.fail_here("'#' and a content hash, or '[' and elements");
  lex_.expect(':', "and the type of the constant");
  TensorType t = type();
  if (!is_static(t.shape)) lex_.fail_at(at, cat("a constant cannot have the symbolic type ", t));
  return whole ? inline_constant(t, hash ? &*hash : nullptr, bits, at)
               : stored_constant(t, *hash, at);
}

std::shared_ptr<const Constant> ValueParser::inline_constant(const TensorType& t,
                                                             const Hash128* hash,
                                                             std::span<const uint64_t> bits,
                                                             size_t at) {
  Sizes sizes = shape_eval(t.shape, {});
  std::optional<int64_t> count = checked_numel(sizes);
  if (!count || static_cast<uint64_t>(*count) != bits.size()) {
    lex_.fail_at(at, cat("expected the elements of ", t, ", found ", bits.size(), " of them"));
  }
  size_t size = itemsize(t.dtype);
  std::shared_ptr<std::byte[]> data(new std::byte[std::max<size_t>(bits.size() * size, 1)]);
  for (size_t i = 0; i < bits.size(); ++i) {
    if (!fits(t.dtype, bits[i])) lex_.fail_at(at, cat("element ", i, " does not fit ", t.dtype));
    std::memcpy(data.get() + i * size, &bits[i], size);
  }
  auto c = make_constant(t.dtype, sizes, std::shared_ptr<const void>(data, data.get()));
  if (hash != nullptr && c->hash != *hash) {
    lex_.fail_at(at, cat("expected elements with the hash ", hash->to_hex(),
                         ", found elements with ", c->hash.to_hex()));
  }
  return c;
}

/// Equal bytes have one hash, whatever they mean: the declared type decides.
std::shared_ptr<const Constant> ValueParser::stored_constant(const TensorType& t,
                                                             const Hash128& hash, size_t at) {
  std::shared_ptr<const Constant> found = lookup_ ? lookup_(hash) : nullptr;
  if (!found) {
    lex_.fail_at(at, cat("the contents of constant #", hash.to_hex(), " (", t, ") are not known"),
                 "Give the weights that belong to this text");
  }
  Sizes sizes = shape_eval(t.shape, {});
  if (found->dtype == t.dtype && found->sizes == sizes) return found;
  if (checked_nbytes(t.dtype, sizes) != found->bytes) {
    lex_.fail_at(at, cat("expected contents of type ", t, ", found ", found->bytes, " bytes"));
  }
  if (is_bool(t.dtype) && !is_bool(found->dtype)) {
    lex_.fail_at(at, cat("expected bool contents, found ", found->dtype));
  }
  auto c = std::make_shared<Constant>(*found);
  c->dtype = t.dtype;
  c->sizes = sizes;
  return c;
}

}  // namespace etch::ir
