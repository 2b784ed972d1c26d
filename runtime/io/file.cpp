#include "runtime/io/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ir/support/error.h"
#include "runtime/io/reader.h"

namespace etch::runtime {

namespace {

constexpr std::string_view kTag = "file";

[[noreturn]] void fail_open(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      fail_file(kTag, path, "there is no such file", "Check the path");
    case EACCES:
    case EPERM:
      fail_file(kTag, path, "reading it is not permitted", "Check the file's permissions");
    case ENXIO:
      fail_file(kTag, path, "is not a regular file", "Pipes and sockets cannot be loaded");
    default:
      fail_file(kTag, path, cat("cannot be opened: ", std::strerror(error)));
  }
}

struct Mapping {
  void* address;
  size_t length;
};

}  // namespace

File::File(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {
  struct stat status;
  if (::fstat(descriptor_, &status) != 0) {
    int error = errno;
    ::close(std::exchange(descriptor_, -1));
    fail_open(path_, error);
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(std::exchange(descriptor_, -1));
    fail_file(kTag, path_, S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file",
              "Give the path of a file");
  }
  size_ = static_cast<uint64_t>(status.st_size);
}

File File::open(const std::string& path) {
  if (path.empty()) fail_file(kTag, "\"\"", "the path is empty");
  if (path.find('\0') != std::string::npos) fail_file(kTag, in_quotes(path), "the path has a NUL");
  // O_NONBLOCK: opening a pipe without a writer must not hang; regular files ignore it.
  int descriptor;
  do {
    descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) fail_open(path, errno);
  return File(descriptor, path);
}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      size_(other.size_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  std::swap(size_, other.size_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Bytes File::read(uint64_t offset, uint64_t count, FileAccess access) const {
  if (offset > size_ || count > size_ - offset) {
    fail_file(kTag, path_,
              cat("bytes [", offset, ", +", count, ") are asked for, the file has ", size_));
  }
  if (access == FileAccess::Map && count != 0) return map(offset, count);
  ByteBuffer buffer(count);
  for (uint64_t done = 0; done < count;) {
    // One call moves at most 2 GiB.
    size_t step = static_cast<size_t>(std::min<uint64_t>(count - done, uint64_t{1} << 30));
    ssize_t got =
        ::pread(descriptor_, buffer.data() + done, step, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_file(kTag, path_, cat("cannot be read: ", std::strerror(errno)));
    if (got == 0) fail_file(kTag, path_, "became shorter while it was read");
    done += static_cast<uint64_t>(got);
  }
  return std::move(buffer).seal();
}

Bytes File::map(uint64_t offset, uint64_t count) const {
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t lead = offset % page;
  const size_t length = static_cast<size_t>(count + lead);
  void* address = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE, descriptor_,
                         static_cast<off_t>(offset - lead));
  if (address == MAP_FAILED) {
    fail_file(kTag, path_, cat("cannot be mapped: ", std::strerror(errno)));
  }
  std::shared_ptr<const void> owner(new Mapping{address, length}, [](Mapping* m) {
    ::munmap(m->address, m->length);
    delete m;
  });
  return Bytes(std::move(owner),
               {static_cast<const std::byte*>(address) + lead, static_cast<size_t>(count)});
}

Bytes File::read_all(const IoLimits& limits, FileAccess access) const {
  if (size_ == 0) fail_file(kTag, path_, "the file is empty");
  if (size_ > limits.max_file_bytes) {
    fail_file(kTag, path_,
              cat("the file has ", size_, " bytes, the limit is ", limits.max_file_bytes));
  }
  return read(0, size_, access);
}

Bytes read_file(const std::string& path, const IoLimits& limits, FileAccess access) {
  return File::open(path).read_all(limits, access);
}

}  // namespace etch::runtime
