// Format: PKWARE APPNOTE 6.3, sections 4.3 and 4.5.
#include "runtime/io/zip.h"

#include <algorithm>
#include <set>

#include "ir/support/error.h"
#include "runtime/io/crc32.h"
#include "runtime/io/reader.h"

namespace etch::runtime {

namespace {

constexpr uint32_t kLocalMagic = 0x04034b50;
constexpr uint32_t kCentralMagic = 0x02014b50;
constexpr uint32_t kEndMagic = 0x06054b50;
constexpr uint32_t kEnd64Magic = 0x06064b50;
constexpr uint32_t kLocator64Magic = 0x07064b50;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kLocatorBytes = 20;
constexpr uint64_t kEnd64Bytes = 56;
constexpr uint64_t kCentralBytes = 46;
constexpr uint32_t kMax32 = 0xffffffff;
constexpr uint16_t kMax16 = 0xffff;
constexpr uint16_t kZip64Extra = 0x0001;
constexpr uint16_t kPaddingExtra = 0xd935;
constexpr uint16_t kFlagEncrypted = 1u << 0;
constexpr uint16_t kFlagSizesFollow = 1u << 3;
constexpr uint16_t kFlagUtf8 = 1u << 11;
constexpr uint16_t kDosDate = 0x0021;  // 1980-01-01, the earliest there is

struct Directory {
  uint64_t count = 0;
  uint64_t size = 0;
  uint64_t offset = 0;
};

struct Central {
  std::string_view name;
  uint16_t flags = 0;
  uint16_t method = 0;
  uint32_t crc = 0;
  uint64_t stored_size = 0;
  uint64_t size = 0;
  uint64_t local_offset = 0;
};

/// Takes the 64-bit values out of a zip64 extra field, for those fields that hold the mark.
void read_zip64_extra(Reader extra, std::vector<uint64_t*> marked) {
  while (extra.remaining() >= 4) {
    uint16_t id = extra.u16();
    uint16_t size = extra.u16();
    Reader body = extra.sub(size, "an extra field");
    if (id != kZip64Extra) continue;
    for (uint64_t* field : marked) *field = body.u64("a zip64 size");
    return;
  }
  if (!marked.empty()) extra.fail("the entry lacks its zip64 sizes");
}

class ZipReader {
 public:
  ZipReader(const Bytes& file, std::string_view where, std::string_view tag, const IoLimits& limits)
      : file_(file), r_(file.span(), where, tag), limits_(limits) {}

  std::vector<ZipEntry> read() {
    Directory d = find_directory();
    if (d.count > limits_.max_tensors) {
      r_.fail(cat("the archive has ", d.count, " entries, the limit is ", limits_.max_tensors));
    }
    if (d.size > limits_.max_header_bytes) {
      r_.fail(cat("the archive's directory has ", d.size, " bytes, the limit is ",
                  limits_.max_header_bytes));
    }
    if (d.count > d.size / kCentralBytes) r_.fail("the directory is smaller than its entries");
    Reader central = r_.range(d.offset, d.size, "the directory");
    std::vector<ZipEntry> entries;
    entries.reserve(d.count);
    for (uint64_t i = 0; i < d.count; ++i) entries.push_back(entry(central, d.offset));
    central.expect_end("the directory");
    refuse_overlaps();
    refuse_repeated(entries);
    return entries;
  }

 private:
  /// The end record closes the file, save for a comment of the length it states.
  uint64_t find_end() {
    const uint64_t size = file_.size();
    if (size < kEndBytes) r_.fail("not a zip archive: too short");
    const uint64_t furthest = std::min<uint64_t>(size - kEndBytes, kMax16);
    for (uint64_t comment = 0; comment <= furthest; ++comment) {
      r_.seek(size - kEndBytes - comment);
      if (r_.u32() != kEndMagic) continue;
      r_.skip(16);
      if (r_.u16() == comment) return size - kEndBytes - comment;
    }
    r_.seek(0);
    r_.fail("not a zip archive, or one cut short: it has no end record");
  }

  Directory find_directory() {
    uint64_t end = find_end();
    r_.seek(end + 4);
    uint16_t disk = r_.u16();
    uint16_t directory_disk = r_.u16();
    uint16_t count_here = r_.u16();
    Directory d;
    d.count = r_.u16();
    d.size = r_.u32();
    d.offset = r_.u32();
    bool wide = d.count == kMax16 || d.size == kMax32 || d.offset == kMax32;
    if (wide && end >= kLocatorBytes) {
      r_.seek(end - kLocatorBytes);
      // Without a locator the values are what they look like.
      if (r_.u32() == kLocator64Magic) return find_directory64(end - kLocatorBytes);
    }
    if (disk != 0 || directory_disk != 0 || count_here != d.count) {
      r_.fail("the archive is split over several files");
    }
    return checked(d, end);
  }

  Directory find_directory64(uint64_t locator) {
    r_.seek(locator + 4);
    uint32_t disk = r_.u32();
    uint64_t end = r_.u64();
    uint32_t disks = r_.u32();
    Reader r = r_.range(end, kEnd64Bytes, "the zip64 end record");
    if (r.u32() != kEnd64Magic || r.u64() != kEnd64Bytes - 12 || end + kEnd64Bytes != locator) {
      r.fail("the zip64 end record is damaged");
    }
    r.skip(4);
    bool split = disk != 0 || disks > 1 || r.u32() != 0 || r.u32() != 0;
    uint64_t count_here = r.u64();
    Directory d;
    d.count = r.u64();
    d.size = r.u64();
    d.offset = r.u64();
    if (split || count_here != d.count) r.fail("the archive is split over several files");
    return checked(d, end);
  }

  Directory checked(const Directory& d, uint64_t end) {
    if (d.offset > end || d.size != end - d.offset) {
      r_.fail(cat("the directory is said to be at [", d.offset, ", +", d.size,
                  "), it must end at byte ", end));
    }
    return d;
  }

  Central central_header(Reader& r) {
    if (r.u32("a directory entry") != kCentralMagic) r.fail("a directory entry is damaged");
    Central c;
    r.skip(4);
    c.flags = r.u16();
    c.method = r.u16();
    r.skip(4);
    c.crc = r.u32();
    c.stored_size = r.u32();
    c.size = r.u32();
    uint16_t name_bytes = r.u16();
    uint16_t extra_bytes = r.u16();
    uint16_t comment_bytes = r.u16();
    uint16_t disk = r.u16();
    r.skip(6);
    c.local_offset = r.u32();
    c.name = r.string(name_bytes, "an entry's name");
    Reader extra = r.sub(extra_bytes, "an entry's extra fields");
    r.skip(comment_bytes);
    std::vector<uint64_t*> marked;
    for (uint64_t* field : {&c.size, &c.stored_size, &c.local_offset}) {
      if (*field == kMax32) marked.push_back(field);
    }
    read_zip64_extra(extra, marked);
    if (disk != 0) r.fail("the archive is split over several files");
    return c;
  }

  ZipEntry entry(Reader& directory, uint64_t directory_offset) {
    const uint64_t at = directory.position();
    Central c = central_header(directory);
    auto fail_entry = [&](const std::string& what, std::string_view hint = "") {
      directory.fail_at(at, cat("entry ", in_quotes(c.name), ": ", what), hint);
    };
    if ((c.flags & kFlagEncrypted) != 0) fail_entry("it is encrypted");
    if (c.method == 8) fail_entry("compressed npz", "Save with np.savez");
    if (c.method != 0) fail_entry(cat("unknown compression method ", c.method));
    if (c.size != c.stored_size) fail_entry("stored, but its two sizes differ");
    if (c.local_offset >= directory_offset) fail_entry("it lies behind the directory");
    Reader r = r_.range(c.local_offset, directory_offset - c.local_offset, "an entry");
    check_local(r, c);
    const uint64_t data_at = c.local_offset + r.position();
    r.skip(c.size, "an entry's data");
    Bytes data = file_.sub(data_at, c.size);
    if (crc32(data.span()) != c.crc) fail_entry("its checksum is wrong", "The file is damaged");
    ranges_.push_back({c.local_offset, c.local_offset + r.position()});
    return ZipEntry{std::string(c.name), std::move(data)};
  }

  void check_local(Reader& r, const Central& c) {
    if (r.u32() != kLocalMagic) r.fail_at(0, "an entry's header is damaged");
    r.skip(2);
    uint16_t flags = r.u16();
    uint16_t method = r.u16();
    r.skip(4);
    uint32_t crc = r.u32();
    uint64_t stored_size = r.u32();
    uint64_t size = r.u32();
    uint16_t name_bytes = r.u16();
    uint16_t extra_bytes = r.u16();
    std::string_view name = r.string(name_bytes, "an entry's name");
    Reader extra = r.sub(extra_bytes, "an entry's extra fields");
    std::vector<uint64_t*> marked;
    for (uint64_t* field : {&size, &stored_size}) {
      if (*field == kMax32) marked.push_back(field);
    }
    read_zip64_extra(extra, marked);
    // A writer that could not seek leaves zeros here and the sizes behind the data.
    bool later = (c.flags & kFlagSizesFollow) != 0 && crc == 0 && size == 0 && stored_size == 0;
    bool same = later || (crc == c.crc && size == c.size && stored_size == c.stored_size);
    if (!same || name != c.name || flags != c.flags || method != c.method) {
      r.fail_at(0, cat("entry ", in_quotes(c.name), ": its header and the directory differ"));
    }
  }

  void refuse_overlaps() {
    std::sort(ranges_.begin(), ranges_.end());
    for (size_t i = 1; i < ranges_.size(); ++i) {
      if (ranges_[i].first < ranges_[i - 1].second) {
        r_.fail_at(ranges_[i].first, "two entries overlap");
      }
    }
  }

  void refuse_repeated(const std::vector<ZipEntry>& entries) {
    std::set<std::string_view> names;
    for (const ZipEntry& e : entries) {
      if (!names.insert(e.name).second) r_.fail(cat("entry ", in_quotes(e.name), " is repeated"));
    }
  }

  const Bytes& file_;
  Reader r_;
  const IoLimits& limits_;
  std::vector<std::pair<uint64_t, uint64_t>> ranges_;
};

uint32_t capped32(uint64_t value, bool wide) {
  return wide ? kMax32 : static_cast<uint32_t>(value);
}

uint16_t name_flags(const std::string& name) {
  bool ascii = std::all_of(name.begin(), name.end(),
                           [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return ascii ? 0 : kFlagUtf8;
}

}  // namespace

std::vector<ZipEntry> read_zip(const Bytes& file, std::string_view where, std::string_view tag,
                               const IoLimits& limits) {
  return ZipReader(file, where, tag, limits).read();
}

void ZipWriter::write(std::string_view text) {
  sink_.write(text);
  position_ += text.size();
}

void ZipWriter::add(const std::string& name, const std::vector<Bytes>& pieces) {
  if (name.size() > kMax16 || !is_utf8(name)) {
    fail("npz", cat("the name ", in_quotes(name), " is too long or not UTF-8"));
  }
  Record record{name, position_, 0, 0};
  for (const Bytes& piece : pieces) {
    record.size += piece.size();
    record.crc = crc32(piece.span(), record.crc);
  }
  const bool wide = always_zip64_ || record.size >= kMax32;
  ByteWriter extra;
  if (wide) {
    extra.u16(kZip64Extra);
    extra.u16(16);
    extra.u64(record.size);
    extra.u64(record.size);
  }
  constexpr uint64_t kLocalBytes = 30;
  const uint64_t data_at = position_ + kLocalBytes + name.size() + extra.size() + 4;
  const auto padding = static_cast<uint16_t>((64 - data_at % 64) % 64);
  extra.u16(kPaddingExtra);
  extra.u16(padding);
  extra.string(std::string(padding, '\0'));
  ByteWriter w;
  w.u32(kLocalMagic);
  w.u16(wide ? 45 : 20);
  w.u16(name_flags(name));
  w.u16(0);
  w.u16(0);
  w.u16(kDosDate);
  w.u32(record.crc);
  w.u32(capped32(record.size, wide));
  w.u32(capped32(record.size, wide));
  w.u16(static_cast<uint16_t>(name.size()));
  w.u16(static_cast<uint16_t>(extra.size()));
  w.string(name);
  w.string(extra.text());
  write(w.text());
  for (const Bytes& piece : pieces) write(piece.text());
  records_.push_back(std::move(record));
}

void ZipWriter::finish() {
  const uint64_t start = position_;
  for (const Record& record : records_) {
    const bool wide_size = always_zip64_ || record.size >= kMax32;
    const bool wide_offset = always_zip64_ || record.offset >= kMax32;
    ByteWriter extra;
    if (wide_size || wide_offset) {
      extra.u16(kZip64Extra);
      extra.u16((wide_size ? 16 : 0) + (wide_offset ? 8 : 0));
      if (wide_size) extra.u64(record.size);
      if (wide_size) extra.u64(record.size);
      if (wide_offset) extra.u64(record.offset);
    }
    ByteWriter w;
    w.u32(kCentralMagic);
    w.u16(wide_size || wide_offset ? 45 : 20);
    w.u16(wide_size || wide_offset ? 45 : 20);
    w.u16(name_flags(record.name));
    w.u16(0);
    w.u16(0);
    w.u16(kDosDate);
    w.u32(record.crc);
    w.u32(capped32(record.size, wide_size));
    w.u32(capped32(record.size, wide_size));
    w.u16(static_cast<uint16_t>(record.name.size()));
    w.u16(static_cast<uint16_t>(extra.size()));
    w.u16(0);
    w.u16(0);
    w.u16(0);
    w.u32(0);
    w.u32(capped32(record.offset, wide_offset));
    w.string(record.name);
    w.string(extra.text());
    write(w.text());
  }
  write_end(start, position_ - start);
}

void ZipWriter::write_end(uint64_t start, uint64_t size) {
  const uint64_t count = records_.size();
  const bool wide = always_zip64_ || count >= kMax16 || start >= kMax32 || size >= kMax32;
  ByteWriter w;
  if (wide) {
    w.u32(kEnd64Magic);
    w.u64(kEnd64Bytes - 12);
    w.u16(45);
    w.u16(45);
    w.u32(0);
    w.u32(0);
    w.u64(count);
    w.u64(count);
    w.u64(size);
    w.u64(start);
    w.u32(kLocator64Magic);
    w.u32(0);
    w.u64(position_);
    w.u32(1);
  }
  w.u32(kEndMagic);
  w.u16(0);
  w.u16(0);
  w.u16(wide ? kMax16 : static_cast<uint16_t>(count));
  w.u16(wide ? kMax16 : static_cast<uint16_t>(count));
  w.u32(capped32(size, wide));
  w.u32(capped32(start, wide));
  w.u16(0);
  write(w.text());
}

}  // namespace etch::runtime
