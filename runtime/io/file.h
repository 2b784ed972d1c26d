// Files: opened once, checked on the open descriptor, read within a budget, written whole or not
// at all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/io/bytes.h"
#include "runtime/io/limits.h"

namespace etch::runtime {

/// How a file's bytes come into memory. Map shares the page cache and loads on touch, but a file
/// that another process cuts short while it is mapped ends this process with SIGBUS: keep Copy
/// for files from elsewhere.
enum class FileAccess : uint8_t { Copy, Map };

/// What open_contained() lets through besides plain files.
struct ContainOptions {
  bool symlinks_within = false;  // symbolic links that stay below the root
  bool hard_links = false;       // files with a second name, which may lie outside the root
};

/// A regular file open for reading. All errors are UserError (Unreadable) naming the path.
class File {
 public:
  /// A path that the user named; links are followed. Folders, pipes and devices are refused.
  static File open(const std::string& path);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  const std::string& path() const { return path_; }
  /// Bytes in the file when it was opened.
  uint64_t size() const { return size_; }

  /// The bytes [offset, offset + count), which must lie in the file.
  Bytes read(uint64_t offset, uint64_t count, FileAccess access = FileAccess::Copy) const;
  /// The whole file; an empty one or one above `limits.max_file_bytes` is refused.
  Bytes read_all(const IoLimits& limits = {}, FileAccess access = FileAccess::Copy) const;

 private:
  friend File open_contained(const std::string&, const std::string&, const ContainOptions&);
  File(int descriptor, std::string path);
  Bytes map(uint64_t offset, uint64_t count) const;

  int descriptor_ = -1;
  std::string path_;
  uint64_t size_ = 0;
};

/// Opens `relative` below the folder `root` and never anything outside it: absolute paths, "..",
/// links and magic links are refused by the kernel (openat2) or component by component.
File open_contained(const std::string& root, const std::string& relative,
                    const ContainOptions& options = {});

/// The whole regular file at `path`; see File::read_all.
Bytes read_file(const std::string& path, const IoLimits& limits = {},
                FileAccess access = FileAccess::Copy);

enum class Durability : uint8_t {
  Rename,  // readers see the old file or the new one
  Sync,    // the same after a power cut: file and folder are flushed to the disk
};

/// A file that appears only when commit() succeeds. Until then the bytes are in a temporary file
/// of the same folder, removed on destruction. A link at `path` is followed, an existing file's
/// permission bits are kept, folders and devices are refused. All errors are UserError
/// (Unavailable).
class AtomicFile final : public Sink {
 public:
  explicit AtomicFile(const std::string& path, Durability durability = Durability::Rename);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() override;

  using Sink::write;
  void write(std::span<const std::byte> bytes) override;
  void commit();

 private:
  void flush();
  void put(std::span<const std::byte> bytes);
  void discard() noexcept;

  std::string path_;
  std::string temporary_;
  std::string buffer_;
  Durability durability_;
  int descriptor_ = -1;
};

/// Writes `bytes` to `path` through an AtomicFile.
void write_file(const std::string& path, std::span<const std::byte> bytes,
                Durability durability = Durability::Rename);
void write_file(const std::string& path, std::string_view text,
                Durability durability = Durability::Rename);

}  // namespace etch::runtime
