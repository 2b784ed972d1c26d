// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include "runtime/io/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "ir/support/checked.h"
#include "runtime/io/reader.h"

namespace etch::runtime {

namespace {

constexpr std::string_view kTag = "npy";
constexpr std::string_view kMagic = "\x93NUMPY";

struct Descr {
  std::string_view code;
  DType dtype;
};
constexpr Descr kDescrs[] = {{"b1", DType::Bool}, {"u1", DType::U8},   {"i1", DType::I8},
                             {"u2", DType::U16},  {"i2", DType::I16},  {"u4", DType::U32},
                             {"i4", DType::I32},  {"u8", DType::U64},  {"i8", DType::I64},
                             {"f2", DType::F16},  {"f4", DType::F32},  {"f8", DType::F64},
                             {"c8", DType::C64},  {"c16", DType::C128}};

struct Header {
  DType dtype = DType::F32;
  bool big_endian = false;
  bool fortran = false;
  std::vector<int64_t> shape;
};

/// Parses the header, a Python dict of three known keys; no Python is involved.
class HeaderParser {
 public:
  HeaderParser(const Reader& origin, std::string_view text, const IoLimits& limits)
      : origin_(origin), text_(text), limits_(limits) {}

  Header parse() {
    Header h;
    expect('{');
    bool seen[3] = {};
    while (!accept('}')) {
      const size_t at = position_;
      std::string_view key = quoted_text();
      int index = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (index < 0) fail_at(at, cat("unknown key ", in_quotes(key)));
      if (std::exchange(seen[index], true)) fail_at(at, cat("repeated key ", in_quotes(key)));
      expect(':');
      if (index == 0) descr(h);
      if (index == 1) h.fortran = boolean();
      if (index == 2) h.shape = shape();
      if (!accept(',') && look() != '}') fail("expected \",\" or \"}\"");
    }
    if (!seen[0] || !seen[1] || !seen[2]) {
      fail_at(0, "the header lacks one of descr, fortran_order and shape");
    }
    space();
    if (position_ != text_.size()) fail("something follows the header's dict");
    return h;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { fail_at(position_, what); }
  [[noreturn]] void fail_at(size_t position, const std::string& what,
                            std::string_view hint = "") const {
    origin_.fail_at(position, what, hint);
  }
  void space() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) {
      ++position_;
    }
  }
  char look() {
    space();
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool accept(char c) {
    if (look() != c || position_ == text_.size()) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(cat("expected ", in_quotes(std::string_view(&c, 1)), " in the header"));
  }

  std::string_view quoted_text() {
    char quote = look();
    if (quote != '\'' && quote != '"') fail("expected a text in quotes in the header");
    size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) fail("a text in the header has no closing quote");
    std::string_view inner = text_.substr(position_ + 1, end - position_ - 1);
    if (inner.find('\\') != std::string_view::npos) fail("an escape in the header");
    position_ = end + 1;
    return inner;
  }

  bool boolean() {
    space();
    for (std::string_view word : {"True", "False"}) {
      if (text_.substr(position_, word.size()) != word) continue;
      position_ += word.size();
      return word == "True";
    }
    fail("fortran_order is neither True nor False");
  }

  std::vector<int64_t> shape() {
    std::vector<int64_t> sizes;
    expect('(');
    bool comma = true;
    while (!accept(')')) {
      if (!comma) fail("expected \",\" or \")\" in the shape");
      if (sizes.size() == limits_.max_rank) {
        fail(cat("the rank is beyond the limit of ", limits_.max_rank));
      }
      sizes.push_back(size());
      comma = accept(',');
    }
    if (sizes.size() == 1 && !comma) fail("a shape of rank 1 lacks its comma");
    return sizes;
  }

  int64_t size() {
    space();
    int64_t value = -1;
    std::string_view rest = text_.substr(position_);
    auto r = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (r.ec != std::errc() || value < 0) fail("a size in the shape is not in 0 ... 2^63 - 1");
    position_ += static_cast<size_t>(r.ptr - rest.data());
    // Python 2 wrote 3L for 3.
    if (position_ < text_.size() && text_[position_] == 'L') ++position_;
    return value;
  }

  void descr(Header& h) {
    const size_t at = position_;
    if (look() == '[') {
      fail_at(at, "a structured array", "Save each field as an array of its own");
    }
    std::string_view text = quoted_text();
    char order = text.empty() ? '\0' : text.front();
    std::string_view code = text.substr(std::min<size_t>(1, text.size()));
    const Descr* found = std::find_if(std::begin(kDescrs), std::end(kDescrs),
                                      [&](const Descr& d) { return d.code == code; });
    bool known = found != std::end(kDescrs) && (order == '<' || order == '>' || order == '=' ||
                                                (order == '|' && itemsize(found->dtype) == 1));
    if (!known) {
      bool object = code == "O";
      fail_at(at, cat("arrays of type ", in_quotes(text), " are not supported"),
              object ? "Object arrays hold pickled Python: save plain numbers"
                     : "Save bool, integers, f16, f32, f64 or complex");
    }
    h.dtype = found->dtype;
    h.big_endian = order == '>';
  }

  const Reader& origin_;
  std::string_view text_;
  const IoLimits& limits_;
  size_t position_ = 0;
};

/// Reverses the bytes of every number; complex numbers are two.
Bytes swap_bytes(const Bytes& from, DType dtype) {
  size_t width = itemsize(dtype) / (info(dtype).cls == DClass::Complex ? 2 : 1);
  ByteBuffer to(from.size());
  for (size_t i = 0; i < from.size(); i += width) {
    std::reverse_copy(from.data() + i, from.data() + i + width, to.data() + i);
  }
  return std::move(to).seal();
}

template <size_t kWidth>
void gather_columns(const std::byte* from, std::byte* to, std::span<const int64_t> shape) {
  const size_t rank = shape.size();
  std::vector<int64_t> index(rank, 0);
  std::vector<int64_t> stride(rank, 1);
  int64_t total = 1;
  for (size_t d = 0; d < rank; ++d) {
    stride[d] = total;
    total *= shape[d];
  }
  int64_t source = 0;
  for (int64_t i = 0; i < total; ++i, to += kWidth) {
    std::memcpy(to, from + static_cast<size_t>(source) * kWidth, kWidth);
    for (size_t d = rank; d-- > 0;) {
      source += stride[d];
      if (++index[d] < shape[d]) break;
      source -= stride[d] * shape[d];
      index[d] = 0;
    }
  }
}

/// Column-major data in row-major order. Sizes were checked before.
Bytes from_columns(const Bytes& from, DType dtype, std::span<const int64_t> shape) {
  ByteBuffer to(from.size());
  switch (itemsize(dtype)) {
    case 1:
      gather_columns<1>(from.data(), to.data(), shape);
      break;
    case 2:
      gather_columns<2>(from.data(), to.data(), shape);
      break;
    case 4:
      gather_columns<4>(from.data(), to.data(), shape);
      break;
    case 8:
      gather_columns<8>(from.data(), to.data(), shape);
      break;
    default:
      gather_columns<16>(from.data(), to.data(), shape);
      break;
  }
  return std::move(to).seal();
}

std::string_view descr_of(DType dtype) {
  for (const Descr& d : kDescrs) {
    if (d.dtype == dtype) return d.code;
  }
  fail("npy", cat("NumPy files have no element type for ", dtype),
       "Save as safetensors, or convert to f32 first");
}

}  // namespace

HostTensor decode_npy(const Bytes& file, std::string_view where, const IoLimits& limits) {
  Reader r(file.span(), where, kTag);
  if (file.text().substr(0, kMagic.size()) != kMagic) {
    r.fail("not a NumPy file", "It must start with \\x93NUMPY");
  }
  r.skip(kMagic.size());
  uint8_t major = r.u8("the version");
  uint8_t minor = r.u8("the version");
  if (major < 1 || major > 3 || minor != 0) {
    r.fail_at(kMagic.size(), cat("npy version ", major, ".", minor, ", known are 1.0 to 3.0"));
  }
  uint64_t length = major == 1 ? r.u16("the header's length") : r.u32("the header's length");
  if (length > limits.max_header_bytes) {
    r.fail(cat("the header has ", length, " bytes, the limit is ", limits.max_header_bytes));
  }
  Reader header = r.sub(length, "the header");
  std::string_view text = file.text().substr(r.position() - length, length);
  Header h = HeaderParser(header, text, limits).parse();
  Bytes data = file.sub(r.position(), r.remaining());
  HostTensor t = tensor_from_stored(h.dtype, std::move(h.shape), data, kTag, where, limits);
  if (h.big_endian && itemsize(h.dtype) > 1) t.bytes = swap_bytes(t.bytes, h.dtype);
  if (h.fortran && t.shape.size() > 1) t.bytes = from_columns(t.bytes, h.dtype, t.shape);
  return t;
}

HostTensor read_npy(const std::string& path, const IoLimits& limits, FileAccess access) {
  return decode_npy(read_file(path, limits, access), path, limits);
}

std::string npy_header(const HostTensor& tensor) {
  tensor.check();
  constexpr size_t kNumpyMaxRank = 64;
  if (tensor.shape.size() > kNumpyMaxRank) {
    fail("npy", cat("rank ", tensor.shape.size(), ", NumPy's limit is ", kNumpyMaxRank));
  }
  std::string shape = "(";
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    shape += cat(i == 0 ? "" : ", ", tensor.shape[i]);
  }
  shape += tensor.shape.size() == 1 ? ",)" : ")";
  std::string text =
      cat("{'descr': '", itemsize(tensor.dtype) == 1 ? '|' : '<', descr_of(tensor.dtype),
          "', 'fortran_order': False, 'shape': ", shape, ", }");
  // As numpy.save: room for the first size to grow to 21 digits, then up to a multiple of 64.
  if (!tensor.shape.empty()) text.append(21 - cat(tensor.shape[0]).size(), ' ');
  constexpr size_t kFixed = 10;
  text.append(64 - (kFixed + text.size() + 1) % 64, ' ');
  text += '\n';
  ByteWriter w;
  w.string(kMagic);
  w.u8(1);
  w.u8(0);
  w.u16(static_cast<uint16_t>(text.size()));
  w.string(text);
  return std::move(w).finish();
}

Bytes encode_npy(const HostTensor& tensor) {
  MemorySink sink;
  sink.write(npy_header(tensor));
  sink.write(tensor.bytes.span());
  return std::move(sink).finish();
}

void write_npy(const std::string& path, const HostTensor& tensor) {
  std::string header = npy_header(tensor);
  AtomicFile file(path);
  file.write(header);
  file.write(tensor.bytes.span());
  file.commit();
}

}  // namespace etch::runtime
