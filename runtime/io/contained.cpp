// open_contained(): paths that come from a file, not from the user.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "ir/support/error.h"
#include "runtime/io/contained.h"
#include "runtime/io/file.h"
#include "runtime/io/reader.h"

namespace etch::runtime {

namespace {

constexpr std::string_view kTag = "file";
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

/// A descriptor closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }
  void reset(int value) {
    if (value_ >= 0) ::close(value_);
    value_ = value;
  }

 private:
  int value_;
};

[[noreturn]] void refuse(const std::string& root, const std::string& relative,
                         const std::string& why, std::string_view hint = "") {
  fail_file(kTag, cat(in_quotes(relative), " below ", root), why, hint);
}

/// The components of a plain relative path; the empty and "." ones are dropped.
std::vector<std::string> split_checked(const std::string& root, const std::string& relative) {
  if (relative.empty()) refuse(root, relative, "the path is empty");
  if (relative.find('\0') != std::string::npos) refuse(root, relative, "the path has a NUL");
  if (relative.front() == '/') {
    refuse(root, relative, "the path is absolute", "It must be relative to the folder");
  }
  std::vector<std::string> parts;
  for (size_t start = 0; start <= relative.size();) {
    size_t end = std::min(relative.find('/', start), relative.size());
    std::string part = relative.substr(start, end - start);
    if (part == "..") refuse(root, relative, "the path leaves its folder through \"..\"");
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    start = end + 1;
  }
  if (parts.empty() || relative.back() == '/') {
    refuse(root, relative, "the path names a folder", "It must name a file");
  }
  return parts;
}

int open_with_kernel(int root, const std::string& path, const ContainOptions& options) {
  open_how how;
  std::memset(&how, 0, sizeof how);
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (!options.symlinks_within) how.resolve |= RESOLVE_NO_SYMLINKS;
  for (int tries = 0;; ++tries) {
    long result = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    // EAGAIN: something was renamed meanwhile and the kernel could not be sure.
    bool again = result < 0 && (errno == EINTR || errno == EAGAIN);
    if (!again || tries == 100) return static_cast<int>(result);
  }
}

/// For kernels without openat2: one component at a time, no links at all.
int open_by_steps(int root, const std::vector<std::string>& parts) {
  Descriptor folder(-1);
  int at = root;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    int next = ::openat(at, parts[i].c_str(), O_PATH | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
    if (next < 0) return -1;
    folder.reset(next);
    at = next;
  }
  return ::openat(at, parts.back().c_str(), kFlags | O_NOFOLLOW);
}

int open_below(int root, const std::vector<std::string>& parts, const ContainOptions& options,
               ContainMethod method) {
  std::string path;
  for (const std::string& part : parts) {
    if (!path.empty()) path += '/';
    path += part;
  }
  if (method == ContainMethod::Steps) return open_by_steps(root, parts);
  int descriptor = open_with_kernel(root, path, options);
  // EPERM: sandboxes that do not know the call answer so.
  bool unknown = descriptor < 0 && (errno == ENOSYS || errno == EPERM);
  return unknown ? open_by_steps(root, parts) : descriptor;
}

[[noreturn]] void refuse_open(const std::string& root, const std::string& relative, int error) {
  switch (error) {
    case ELOOP:
    case EXDEV:
    case ENOTDIR:
      refuse(root, relative, "the path goes through a link or leaves its folder",
             "Put a copy of the file in place of the link");
    case ENOENT:
      refuse(root, relative, "there is no such file");
    case EACCES:
      refuse(root, relative, "reading it is not permitted");
    default:
      refuse(root, relative, cat("cannot be opened: ", std::strerror(error)));
  }
}

}  // namespace

int open_contained_descriptor(const std::string& root, const std::string& relative,
                              const ContainOptions& options, ContainMethod method) {
  std::vector<std::string> parts = split_checked(root, relative);
  if (root.empty()) refuse(root, relative, "no folder is known that files may be read from");
  Descriptor folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) fail_file(kTag, root, cat("is not a folder: ", std::strerror(errno)));
  Descriptor file(open_below(folder.get(), parts, options, method));
  if (file.get() < 0) refuse_open(root, relative, errno);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) refuse_open(root, relative, errno);
  if (S_ISREG(status.st_mode) && status.st_nlink != 1 && !options.hard_links) {
    refuse(root, relative, cat("the file has ", status.st_nlink, " names (hard links)"),
           "Put a copy of the file in place of the link");
  }
  return file.release();
}

File open_contained(const std::string& root, const std::string& relative,
                    const ContainOptions& options) {
  int descriptor = open_contained_descriptor(root, relative, options, ContainMethod::Best);
  return File(descriptor, cat(root, "/", relative));
}

}  // namespace etch::runtime
