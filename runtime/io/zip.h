// Zip archives of stored (uncompressed) entries, with zip64: what an .npz file is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/io/bytes.h"
#include "runtime/io/limits.h"

namespace etch::runtime {

struct ZipEntry {
  std::string name;
  Bytes data;
};

/// All entries in directory order, each checked: stored, inside the file, apart from the others,
/// equal in directory and local header, CRC. Encrypted, compressed, split and repeated entries
/// are UserErrors (Unreadable) under `tag`.
std::vector<ZipEntry> read_zip(const Bytes& file, std::string_view where, std::string_view tag,
                               const IoLimits& limits);

/// Writes stored entries whose data starts at multiples of 64 bytes. No times, no permissions:
/// the same entries give the same bytes.
class ZipWriter {
 public:
  /// `always_zip64` uses the 64-bit fields even where the 32-bit ones do.
  explicit ZipWriter(Sink& sink, bool always_zip64 = false)
      : sink_(sink), always_zip64_(always_zip64) {}
  /// The data of one entry, in pieces.
  void add(const std::string& name, const std::vector<Bytes>& pieces);
  void finish();

 private:
  struct Record {
    std::string name;
    uint64_t offset;
    uint64_t size;
    uint32_t crc;
  };
  void write(std::string_view text);
  void write_end(uint64_t start, uint64_t size);

  Sink& sink_;
  bool always_zip64_;
  uint64_t position_ = 0;
  std::vector<Record> records_;
};

}  // namespace etch::runtime
