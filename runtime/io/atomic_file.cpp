// AtomicFile: write beside the target, then rename.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>

#include "ir/support/error.h"
#include "runtime/io/file.h"
#include "runtime/io/reader.h"

namespace etch::runtime {

namespace {

constexpr size_t kBufferBytes = size_t{1} << 18;

[[noreturn]] void fail_write(const std::string& path, std::string_view what,
                             std::string_view hint) {
  throw UserError(cat("[file] ", path, ": ", what, ". ", hint), ErrorKind::Unavailable);
}

[[noreturn]] void fail_errno(const std::string& path, std::string_view what, int error) {
  const char* hint = error == ENOSPC || error == EDQUOT    ? "Free some space"
                     : error == ENOENT || error == ENOTDIR ? "Make the folder first"
                                                           : "Check the folder and its permissions";
  fail_write(path, cat(what, ": ", std::strerror(error)), hint);
}

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

/// A short name of its own, so that even a target with the longest legal name works.
std::string temporary_name(const std::string& folder) {
  static std::atomic<uint32_t> counter{0};
  std::random_device device;
  uint64_t random = uint64_t{device()} << 32 | device();
  return cat(folder, "/.etch-", ::getpid(), "-", counter++, "-", random, ".tmp");
}

/// Follows links, so that the file behind the link is replaced and not the link.
std::string resolve_target(const std::string& path) {
  if (path.empty()) fail_write("\"\"", "the path is empty", "Name a file");
  if (path.find('\0') != std::string::npos) {
    fail_write(in_quotes(path), "the path has a NUL", "Name a file");
  }
  if (path.back() == '/') fail_write(path, "names a folder", "Name a file in it");
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) return path;
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) fail_errno(path, "the link leads nowhere", errno);
  std::string resolved = real;
  std::free(real);
  return resolved;
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path, Durability durability)
    : path_(resolve_target(path)), durability_(durability) {
  struct stat status;
  const bool exists = ::stat(path_.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode)) {
    fail_write(path_, S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file",
               "Name a file");
  }
  // A file that its owner made read-only is not replaced behind their back.
  if (exists && ::access(path_.c_str(), W_OK) != 0) fail_errno(path_, "cannot be written", errno);
  buffer_.reserve(kBufferBytes);
  do {
    temporary_ = temporary_name(folder_of(path_));
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
  if (descriptor_ < 0) fail_errno(path_, "cannot be written", errno);
  if (exists && ::fchmod(descriptor_, status.st_mode & 0777) != 0) {
    int error = errno;
    discard();
    fail_errno(path_, "cannot keep its permissions", error);
  }
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::put(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    size_t step = std::min(bytes.size(), size_t{1} << 30);
    ssize_t done = ::write(descriptor_, bytes.data(), step);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      int error = errno;
      discard();
      fail_errno(path_, "cannot be written", error);
    }
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
}

void AtomicFile::flush() {
  put(std::as_bytes(std::span<const char>(buffer_)));
  buffer_.clear();
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (descriptor_ < 0) fail_write(path_, "is written after it was closed", "Open it again");
  if (buffer_.size() + bytes.size() > kBufferBytes) flush();
  if (bytes.size() >= kBufferBytes) return put(bytes);
  buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void AtomicFile::commit() {
  if (descriptor_ < 0) fail_write(path_, "is written after it was closed", "Open it again");
  flush();
  bool ok = durability_ == Durability::Rename || ::fsync(descriptor_) == 0;
  int error = errno;
  // Network file systems report a failed write only here.
  int closed = ::close(std::exchange(descriptor_, -1));
  if (ok && closed != 0 && errno != EINTR) {
    ok = false;
    error = errno;
  }
  if (ok && ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    ok = false;
    error = errno;
  }
  if (!ok) {
    discard();
    fail_errno(path_, "cannot be written", error);
  }
  temporary_.clear();
  if (durability_ == Durability::Rename) return;
  int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool synced = folder >= 0 && ::fsync(folder) == 0;
  error = errno;
  if (folder >= 0) ::close(folder);
  if (!synced) fail_errno(path_, "is written, but its folder cannot be flushed", error);
}

void write_file(const std::string& path, std::span<const std::byte> bytes, Durability durability) {
  AtomicFile file(path, durability);
  file.write(bytes);
  file.commit();
}

void write_file(const std::string& path, std::string_view text, Durability durability) {
  write_file(path, std::as_bytes(std::span<const char>(text.data(), text.size())), durability);
}

}  // namespace etch::runtime
