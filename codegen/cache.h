// Compiled kernels on disk, shared by processes. Nothing here ever fails a run: whatever goes wrong
// is a miss.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "codegen/backend.h"

namespace etch::codegen {

/// One file per kernel, named by the hash of its key; the file holds the whole key and a checksum.
/// The folder belongs to the user with mode 0700 and is opened without following links, because
/// whoever can write there can run code in this process.
class KernelCache {
 public:
  static constexpr uint64_t kDefaultBytes = uint64_t{1} << 30;

  /// Uses (and creates) the folder "kernels" inside `folder`. "" switches the cache off.
  explicit KernelCache(const std::string& folder, uint64_t max_bytes = kDefaultBytes);
  KernelCache(const KernelCache&) = delete;
  KernelCache& operator=(const KernelCache&) = delete;
  ~KernelCache();

  /// ETCH_CACHE_DIR (empty: off), else $XDG_CACHE_HOME/etch, else ~/.cache/etch. Off in programs
  /// with raised privileges.
  static std::string standard_folder();

  bool enabled() const { return folder_ >= 0; }
  /// Why the cache is off, or "".
  const std::string& why_disabled() const { return why_; }

  /// The object stored under exactly this key.
  std::optional<CompiledObject> get(std::string_view key);
  /// Stores, unless the disk or the permissions say no.
  void put(std::string_view key, const CompiledObject& object);
  /// Removes the files used longest ago until 80 % of the limit remain, if above it.
  void sweep();
  /// The file of a key, relative to the cache's folder.
  static std::string file_name(std::string_view key);

 private:
  void open_folder(const std::string& folder);
  bool write_file(const std::string& name, std::string_view bytes);
  void sweep_sometimes(uint64_t written);

  int folder_ = -1;
  uint64_t max_bytes_;
  std::string why_;
  std::atomic<bool> writable_{true};
  std::atomic<uint64_t> unswept_{0};
};

}  // namespace etch::codegen
