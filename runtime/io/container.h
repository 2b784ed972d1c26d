// The .etch container: named sections behind one checked table.
//
//   0   8  magic "ETCH" 0x89 CR LF 0x1a
//   8   4  format version          12  4  number of sections
//   16  8  size of the file        24  8  XXH3-64 of bytes [0, 24), [32, 64) and the table
//   32 32  zero
//   64     table: per section name (16, zero-padded), offset (8), size (8), XXH3-64 (8)
// Sections follow in table order, each at the next multiple of 64; the bytes between are zero,
// and the file ends with the last section. So every bit of a file is covered by a check.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/io/file.h"

namespace etch::runtime {

inline constexpr uint32_t kContainerVersion = 1;
inline constexpr size_t kMaxSectionName = 15;

struct SectionInfo {
  std::string name;
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t checksum = 0;
};

/// Whether `bytes` start like an .etch file.
bool is_container(std::span<const std::byte> bytes);

/// Collects sections and writes the file; the sections' bytes are shared, not copied.
class ContainerWriter {
 public:
  /// Names are 1 to 15 letters, digits and "._-", each once.
  void add(std::string_view name, Bytes bytes);
  /// One section from several pieces, one after the other.
  void add(std::string_view name, std::vector<Bytes> pieces);
  void write_to(Sink& sink) const;
  void write(const std::string& path, Durability durability = Durability::Rename) const;
  Bytes encode() const;

 private:
  struct Section {
    SectionInfo info;
    std::vector<Bytes> pieces;
  };
  std::string head() const;
  std::vector<Section> sections_;
};

/// An open container. Header, table and padding are checked on opening, each section's checksum
/// before its bytes are first handed out. All const members may be called from several threads.
class ContainerReader {
 public:
  static ContainerReader open(const std::string& path, const IoLimits& limits = {},
                              FileAccess access = FileAccess::Copy);
  static ContainerReader from_bytes(Bytes file, std::string_view where,
                                    const IoLimits& limits = {});

  uint32_t version() const { return version_; }
  const std::string& where() const { return where_; }
  /// Every section, known or not, in file order.
  std::span<const SectionInfo> sections() const { return sections_; }
  bool has(std::string_view name) const { return index_of(name) >= 0; }
  /// The bytes of a section; UserError (Unreadable) when it is missing or damaged.
  Bytes section(std::string_view name) const;
  /// As section(), nullopt when it is missing.
  std::optional<Bytes> find(std::string_view name) const;
  /// Checks all sections.
  void verify_all() const;

 private:
  ContainerReader(Bytes file, std::string_view where) : file_(std::move(file)), where_(where) {}
  void read_head(const IoLimits& limits);
  void check_layout() const;
  void check_padding(uint64_t from, uint64_t to) const;
  int64_t index_of(std::string_view name) const;
  Bytes checked(size_t index) const;

  Bytes file_;
  std::string where_;
  uint32_t version_ = 0;
  std::vector<SectionInfo> sections_;
  std::unique_ptr<std::atomic<bool>[]> verified_;
};

}  // namespace etch::runtime
