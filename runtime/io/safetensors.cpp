// Format: https://github.com/huggingface/safetensors, "Format".
#include "runtime/io/safetensors.h"

#include <algorithm>

#include "runtime/io/json.h"
#include "runtime/io/reader.h"

namespace etch::runtime {

namespace {

constexpr std::string_view kTag = "safetensors";
constexpr std::string_view kMetadata = "__metadata__";
constexpr uint64_t kLengthBytes = 8;

struct TypeName {
  DType dtype;
  std::string_view name;
};
constexpr TypeName kTypes[] = {
    {DType::Bool, "BOOL"}, {DType::U8, "U8"},          {DType::I8, "I8"},
    {DType::U16, "U16"},   {DType::I16, "I16"},        {DType::U32, "U32"},
    {DType::I32, "I32"},   {DType::U64, "U64"},        {DType::I64, "I64"},
    {DType::F16, "F16"},   {DType::BF16, "BF16"},      {DType::F32, "F32"},
    {DType::F64, "F64"},   {DType::F8E4M3, "F8_E4M3"}, {DType::F8E5M2, "F8_E5M2"},
    {DType::C64, "C64"}};

struct Entry {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

class HeaderReader {
 public:
  HeaderReader(std::string_view text, std::string_view where, const IoLimits& limits)
      : cursor_(text, where, kTag, header_limits(limits), kLengthBytes), limits_(limits) {}

  std::vector<Entry> read(std::map<std::string, std::string>& metadata) {
    std::vector<Entry> entries;
    bool has_metadata = false;
    std::string name;
    cursor_.begin_object();
    while (cursor_.next_key(name)) {
      if (name == kMetadata) {
        if (std::exchange(has_metadata, true)) cursor_.fail("__metadata__ is repeated");
        read_metadata(metadata);
        continue;
      }
      if (entries.size() == limits_.max_tensors) {
        cursor_.fail(cat("more than ", limits_.max_tensors, " tensors"));
      }
      entries.push_back(read_entry(std::move(name)));
      name.clear();
    }
    cursor_.finish();
    return entries;
  }

 private:
  /// Nothing is kept per JSON value here, so their number is bounded by the text alone.
  static IoLimits header_limits(IoLimits limits) {
    limits.max_json_values = limits.max_header_bytes;
    return limits;
  }

  void read_metadata(std::map<std::string, std::string>& metadata) {
    std::string key;
    cursor_.begin_object();
    while (cursor_.next_key(key)) {
      std::string value = cursor_.string();
      if (!metadata.emplace(key, std::move(value)).second) {
        cursor_.fail(cat("the metadata key ", in_quotes(key), " is repeated"));
      }
    }
  }

  Entry read_entry(std::string name) {
    Entry e;
    e.name = std::move(name);
    bool seen[3] = {};
    std::string key;
    cursor_.begin_object();
    while (cursor_.next_key(key)) {
      int index = key == "dtype" ? 0 : key == "shape" ? 1 : key == "data_offsets" ? 2 : -1;
      if (index < 0) fail(e, cat("unknown key ", in_quotes(key)));
      if (std::exchange(seen[index], true)) fail(e, cat("repeated key ", in_quotes(key)));
      if (index == 0) e.dtype = read_dtype(e);
      if (index == 1) read_shape(e);
      if (index == 2) read_offsets(e);
    }
    if (!seen[0] || !seen[1] || !seen[2]) fail(e, "lacks one of dtype, shape and data_offsets");
    return e;
  }

  DType read_dtype(const Entry& e) {
    std::string text = cursor_.string();
    for (const TypeName& t : kTypes) {
      if (t.name == text) return t.dtype;
    }
    fail(e, cat("the element type ", in_quotes(text), " is not known"));
  }

  uint64_t natural(const Entry& e, std::string_view what) {
    int64_t value = cursor_.integer();
    if (value < 0) fail(e, cat(what, " is negative: ", value));
    return static_cast<uint64_t>(value);
  }

  void read_shape(Entry& e) {
    cursor_.begin_array();
    while (cursor_.next_item()) {
      if (e.shape.size() == limits_.max_rank) {
        fail(e, cat("the rank is beyond the limit of ", limits_.max_rank));
      }
      e.shape.push_back(static_cast<int64_t>(natural(e, "a size")));
    }
  }

  void read_offsets(Entry& e) {
    int count = 0;
    cursor_.begin_array();
    while (cursor_.next_item()) {
      uint64_t value = natural(e, "an offset");
      if (count == 0) e.begin = value;
      if (count == 1) e.end = value;
      if (++count > 2) fail(e, "data_offsets has more than two numbers");
    }
    if (count != 2) fail(e, "data_offsets has fewer than two numbers");
    if (e.begin > e.end) fail(e, cat("data_offsets run backwards: ", e.begin, ", ", e.end));
  }

  [[noreturn]] void fail(const Entry& e, const std::string& what) const {
    cursor_.fail(cat("tensor ", in_quotes(e.name), ": ", what));
  }

  JsonCursor cursor_;
  const IoLimits& limits_;
};

/// Every byte of the data belongs to exactly one tensor.
void check_layout(std::vector<Entry>& entries, uint64_t data_bytes, std::string_view where) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t next = 0;
  for (const Entry& e : entries) {
    if (e.begin != next || e.end > data_bytes) {
      std::string_view what = e.end > data_bytes ? "lies outside the file's data of "
                              : e.begin < next   ? "overlaps another tensor, which ends at "
                                                 : "leaves a hole, the data before ends at ";
      fail_file(kTag, cat(where, " tensor ", in_quotes(e.name)),
                cat("data [", e.begin, ", ", e.end, ") ", what,
                    e.end > data_bytes ? data_bytes : next, " bytes"));
    }
    next = e.end;
  }
  if (next != data_bytes) {
    fail_file(kTag, where, cat(data_bytes - next, " bytes follow the last tensor"));
  }
}

std::string_view type_name(const std::string& tensor, DType dtype) {
  for (const TypeName& t : kTypes) {
    if (t.dtype == dtype) return t.name;
  }
  fail(kTag, cat("tensor ", in_quotes(tensor), ": the format has no type for ", dtype));
}

void check_name(const std::string& name) {
  if (name == kMetadata || !is_utf8(name)) {
    fail(kTag, cat("no tensor can be called ", in_quotes(name)), "Names are UTF-8 text");
  }
}

using Placed = std::pair<const std::string*, const HostTensor*>;

/// Tensors in the order of their data: falling element size, then name.
std::vector<Placed> data_order(const TensorMap& tensors) {
  std::vector<Placed> order;
  for (const auto& [name, tensor] : tensors) order.push_back({&name, &tensor});
  std::stable_sort(order.begin(), order.end(), [](const Placed& a, const Placed& b) {
    return bits(a.second->dtype) > bits(b.second->dtype);
  });
  return order;
}

std::string header_text(const SafeTensors& content) {
  std::map<std::string_view, uint64_t> begins;
  uint64_t position = 0;
  for (const auto& [name, tensor] : data_order(content.tensors)) {
    begins[*name] = position;
    position += tensor->bytes.size();
  }
  JsonWriter w;
  w.begin_object();
  if (!content.metadata.empty()) {
    w.key(kMetadata).begin_object();
    for (const auto& [key, value] : content.metadata) w.member(key, value);
    w.end_object();
  }
  for (const auto& [name, tensor] : content.tensors) {
    check_name(name);
    tensor.check();
    w.key(name).begin_object().member("dtype", type_name(name, tensor.dtype));
    w.key("shape").begin_array();
    for (int64_t size : tensor.shape) w.value(size);
    w.end_array().key("data_offsets").begin_array();
    w.value(begins[name]).value(begins[name] + tensor.bytes.size());
    w.end_array().end_object();
  }
  w.end_object();
  return std::move(w).finish();
}

}  // namespace

SafeTensors decode_safetensors(const Bytes& file, std::string_view where, const IoLimits& limits) {
  Reader r(file.span(), where, kTag);
  const uint64_t header_bytes = r.u64("the header's length");
  if (header_bytes > limits.max_header_bytes) {
    r.fail_at(
        0, cat("the header has ", header_bytes, " bytes, the limit is ", limits.max_header_bytes),
        "This may be a file of another format");
  }
  std::string_view header = r.string(header_bytes, "the header");
  if (!header.starts_with('{')) r.fail_at(kLengthBytes, "the header does not start with {");
  SafeTensors out;
  std::vector<Entry> entries = HeaderReader(header, where, limits).read(out.metadata);
  check_layout(entries, r.remaining(), where);
  for (Entry& e : entries) {
    Bytes stored = file.sub(r.position() + e.begin, e.end - e.begin);
    std::string inner = cat(where, " tensor ", in_quotes(e.name));
    HostTensor t = tensor_from_stored(e.dtype, std::move(e.shape), stored, kTag, inner, limits);
    if (!out.tensors.emplace(std::move(e.name), std::move(t)).second) {
      fail_file(kTag, inner, "the name is repeated");
    }
  }
  return out;
}

SafeTensors read_safetensors(const std::string& path, const IoLimits& limits, FileAccess access) {
  return decode_safetensors(read_file(path, limits, access), path, limits);
}

std::vector<Bytes> safetensors_pieces(const SafeTensors& content) {
  std::string text = header_text(content);
  while ((kLengthBytes + text.size()) % Bytes::kAlignment != 0) text += ' ';
  ByteWriter head;
  head.u64(text.size());
  head.string(text);
  std::vector<Bytes> pieces;
  pieces.push_back(Bytes::take(std::move(head).finish()));
  for (const auto& [name, tensor] : data_order(content.tensors)) pieces.push_back(tensor->bytes);
  return pieces;
}

Bytes encode_safetensors(const SafeTensors& content) {
  MemorySink sink;
  for (const Bytes& piece : safetensors_pieces(content)) sink.write(piece.span());
  return std::move(sink).finish();
}

void write_safetensors(const std::string& path, const SafeTensors& content) {
  std::vector<Bytes> pieces = safetensors_pieces(content);
  AtomicFile file(path);
  for (const Bytes& piece : pieces) file.write(piece.span());
  file.commit();
}

}  // namespace etch::runtime
