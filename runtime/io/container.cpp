#include "runtime/io/container.h"

#include <algorithm>

#include "ir/support/checked.h"
#include "ir/support/error.h"
#include "ir/support/hash.h"
#include "runtime/io/reader.h"

namespace etch::runtime {

namespace {

constexpr std::string_view kTag = "etch-file";
constexpr std::string_view kMagic = "ETCH\x89\r\n\x1a";
constexpr uint64_t kHeadBytes = 64;
constexpr uint64_t kChecksumAt = 24;
constexpr uint64_t kEntryBytes = 40;
constexpr uint64_t kNameBytes = 16;
constexpr uint64_t kSectionAlignment = 64;

bool is_name(std::string_view name) {
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kMaxSectionName &&
         std::all_of(name.begin(), name.end(), allowed);
}

/// Hash of the head and the table without the eight bytes that hold it.
uint64_t table_checksum(std::string_view head) {
  Hasher h;
  h.update(head.substr(0, kChecksumAt));
  h.update(head.substr(kChecksumAt + 8));
  return h.digest64();
}

uint64_t next_section(uint64_t end) {
  std::optional<uint64_t> at = checked_align(end, kSectionAlignment);
  invariant(at.has_value(), "a file size fits 64 bits");
  return *at;
}

}  // namespace

bool is_container(std::span<const std::byte> bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.starts_with(kMagic);
}

void ContainerWriter::add(std::string_view name, Bytes bytes) {
  add(name, std::vector<Bytes>{std::move(bytes)});
}

void ContainerWriter::add(std::string_view name, std::vector<Bytes> pieces) {
  invariant(is_name(name), "a section's name is 1 to 15 letters, digits, dots, _ and -");
  for (const Section& s : sections_) invariant(s.info.name != name, "a section is added once");
  Section s;
  s.info.name = name;
  Hasher h;
  for (const Bytes& piece : pieces) {
    h.update(piece.span());
    s.info.size += piece.size();
  }
  s.info.checksum = h.digest64();
  s.pieces = std::move(pieces);
  sections_.push_back(std::move(s));
}

std::string ContainerWriter::head() const {
  ByteWriter table;
  uint64_t end = kHeadBytes + kEntryBytes * sections_.size();
  for (const Section& s : sections_) {
    uint64_t offset = next_section(end);
    table.string(s.info.name);
    table.string(std::string(kNameBytes - s.info.name.size(), '\0'));
    table.u64(offset);
    table.u64(s.info.size);
    table.u64(s.info.checksum);
    end = offset + s.info.size;
  }
  ByteWriter w;
  w.string(kMagic);
  w.u32(kContainerVersion);
  w.u32(static_cast<uint32_t>(sections_.size()));
  w.u64(end);
  w.u64(0);
  w.align(kHeadBytes);
  w.string(table.text());
  std::string head = std::move(w).finish();
  ByteWriter checksum;
  checksum.u64(table_checksum(head));
  head.replace(kChecksumAt, 8, checksum.text());
  return head;
}

void ContainerWriter::write_to(Sink& sink) const {
  std::string text = head();
  sink.write(text);
  uint64_t end = text.size();
  for (const Section& s : sections_) {
    uint64_t offset = next_section(end);
    sink.write(std::string(offset - end, '\0'));
    for (const Bytes& piece : s.pieces) sink.write(piece.span());
    end = offset + s.info.size;
  }
}

void ContainerWriter::write(const std::string& path, Durability durability) const {
  AtomicFile file(path, durability);
  write_to(file);
  file.commit();
}

Bytes ContainerWriter::encode() const {
  MemorySink sink;
  write_to(sink);
  return std::move(sink).finish();
}

ContainerReader ContainerReader::open(const std::string& path, const IoLimits& limits,
                                      FileAccess access) {
  return from_bytes(read_file(path, limits, access), path, limits);
}

ContainerReader ContainerReader::from_bytes(Bytes file, std::string_view where,
                                            const IoLimits& limits) {
  ContainerReader reader(std::move(file), where);
  reader.read_head(limits);
  reader.check_layout();
  reader.verified_ = std::make_unique<std::atomic<bool>[]>(reader.sections_.size());
  return reader;
}

void ContainerReader::read_head(const IoLimits& limits) {
  if (!is_container(file_.span())) {
    fail_file(kTag, where_, "not an .etch file", "It must start with ETCH\\x89\\r\\n\\x1a");
  }
  Reader r(file_.span(), where_, kTag);
  r.skip(kMagic.size());
  version_ = r.u32("the format version");
  if (version_ > kContainerVersion) {
    r.fail_at(8,
              cat("the file has format version ", version_, ", this Etch reads up to ",
                  kContainerVersion),
              "Use a newer Etch, or save the file again with this one");
  }
  if (version_ == 0) r.fail_at(8, "format version 0 does not exist");
  const uint64_t count = r.u32("the number of sections");
  const uint64_t total = r.u64("the file size");
  const uint64_t checksum = r.u64("the table's checksum");
  if (total != file_.size()) {
    r.fail_at(16, cat("the file states ", total, " bytes and has ", file_.size()),
              "It is cut short or damaged");
  }
  if (count > limits.max_sections) {
    r.fail_at(12, cat(count, " sections, the limit is ", limits.max_sections));
  }
  r.align(kHeadBytes);
  Reader table = r.sub(count * kEntryBytes, "the section table");
  if (table_checksum(file_.text().substr(0, r.position())) != checksum) {
    r.fail_at(kChecksumAt, "the section table's checksum is wrong", "The file is damaged");
  }
  for (uint64_t i = 0; i < count; ++i) {
    SectionInfo s;
    std::string_view name = table.string(kNameBytes);
    s.name = name.substr(0, name.find('\0'));
    bool padded = name.find_first_not_of('\0', s.name.size()) == std::string_view::npos;
    if (!is_name(s.name) || !padded) table.fail(cat("bad section name ", in_quotes(name)));
    if (has(s.name)) table.fail(cat("section ", in_quotes(s.name), " is repeated"));
    s.offset = table.u64();
    s.size = table.u64();
    s.checksum = table.u64();
    sections_.push_back(std::move(s));
  }
}

void ContainerReader::check_layout() const {
  uint64_t end = kHeadBytes + kEntryBytes * sections_.size();
  for (const SectionInfo& s : sections_) {
    const uint64_t offset = next_section(end);
    if (s.offset != offset || offset > file_.size() || s.size > file_.size() - offset) {
      fail_file(kTag, cat(where_, " section ", in_quotes(s.name)),
                cat("it lies at [", s.offset, ", +", s.size, "), expected at ", offset,
                    " in a file of ", file_.size(), " bytes"));
    }
    check_padding(end, offset);
    end = offset + s.size;
  }
  if (end != file_.size()) {
    fail_file(kTag, where_, cat(file_.size() - end, " bytes follow the last section"));
  }
}

void ContainerReader::check_padding(uint64_t from, uint64_t to) const {
  for (uint64_t i = from; i < to; ++i) {
    if (file_.data()[i] != std::byte{0}) {
      fail_file(kTag, cat(where_, " (byte ", i, ")"), "padding is not zero", "The file is damaged");
    }
  }
}

int64_t ContainerReader::index_of(std::string_view name) const {
  for (size_t i = 0; i < sections_.size(); ++i) {
    if (sections_[i].name == name) return static_cast<int64_t>(i);
  }
  return -1;
}

Bytes ContainerReader::checked(size_t index) const {
  const SectionInfo& s = sections_[index];
  Bytes bytes = file_.sub(s.offset, s.size);
  if (verified_[index].load(std::memory_order_acquire)) return bytes;
  if (hash64(bytes.span()) != s.checksum) {
    fail_file(kTag, cat(where_, " section ", in_quotes(s.name)), "its checksum is wrong",
              "The file is damaged");
  }
  verified_[index].store(true, std::memory_order_release);
  return bytes;
}

std::optional<Bytes> ContainerReader::find(std::string_view name) const {
  int64_t index = index_of(name);
  if (index < 0) return std::nullopt;
  return checked(static_cast<size_t>(index));
}

Bytes ContainerReader::section(std::string_view name) const {
  std::optional<Bytes> found = find(name);
  if (!found) fail_file(kTag, where_, cat("section ", in_quotes(name), " is missing"));
  return *found;
}

void ContainerReader::verify_all() const {
  for (size_t i = 0; i < sections_.size(); ++i) checked(i);
}

}  // namespace etch::runtime
