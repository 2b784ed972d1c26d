#include "codegen/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "ir/support/hash.h"
#include "ir/support/text.h"

namespace etch::codegen {

namespace {

constexpr char kMagic[8] = {'E', 'T', 'C', 'H', 'K', 'R', 'N', '1'};
constexpr uint64_t kMaxFile = uint64_t{64} << 20;
constexpr time_t kTouchEvery = 24 * 3600;  // seconds between notes of use
constexpr time_t kSweepEvery = 3600;
constexpr const char* kStamp = "swept";

struct Descriptor {
  int fd = -1;
  explicit Descriptor(int f) : fd(f) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

void append_u64(std::string& out, uint64_t v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}
void append_string(std::string& out, std::string_view s) {
  append_u64(out, s.size());
  out += s;
}

/// Reads what append_* wrote; any overrun makes it fail for good.
struct Cursor {
  std::string_view rest;
  bool ok = true;

  uint64_t u64() {
    uint64_t v = 0;
    if (rest.size() < sizeof v)
      ok = false;
    else {
      std::memcpy(&v, rest.data(), sizeof v);
      rest.remove_prefix(sizeof v);
    }
    return v;
  }
  std::string_view string() {
    uint64_t n = u64();
    if (!ok || rest.size() < n) {
      ok = false;
      return {};
    }
    std::string_view s = rest.substr(0, n);
    rest.remove_prefix(n);
    return s;
  }
};

uint64_t checksum(std::string_view body) {
  Hasher h;
  h.update("kernel file");  // not the hash that names the file
  h.update(body);
  return h.digest64();
}

std::string encode(std::string_view key, const CompiledObject& object) {
  std::string body;
  append_string(body, key);
  append_u64(body, object.entries.size());
  for (const EntryInfo& e : object.entries) {
    append_string(body, e.symbol);
    append_u64(body, static_cast<uint64_t>(e.scratch_fixed));
    append_u64(body, static_cast<uint64_t>(e.scratch_per_inner));
  }
  append_string(body, object.bytes);
  std::string out(kMagic, sizeof kMagic);
  append_u64(out, checksum(body));
  return out + body;
}

std::optional<CompiledObject> decode(std::string_view bytes, std::string_view key) {
  if (bytes.size() < sizeof kMagic || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0)
    return {};
  Cursor c{bytes.substr(sizeof kMagic)};
  uint64_t sum = c.u64();
  if (!c.ok || sum != checksum(c.rest) || c.string() != key) return {};
  CompiledObject object;
  uint64_t count = c.u64();
  if (count > 4096) return {};
  for (uint64_t i = 0; i < count && c.ok; ++i) {
    EntryInfo e;
    e.symbol = c.string();
    e.scratch_fixed = static_cast<int64_t>(c.u64());
    e.scratch_per_inner = static_cast<int64_t>(c.u64());
    object.entries.push_back(std::move(e));
  }
  object.bytes = c.string();
  if (!c.ok || !c.rest.empty()) return {};
  return object;
}

bool make_folders(const std::string& path) {
  for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return false;
    if (at == std::string::npos) return true;
  }
}

bool read_all(int fd, std::string& out) {
  size_t done = 0;
  while (done < out.size()) {
    ssize_t n = read(fd, out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string environment(const char* name) {
  const char* v = std::getenv(name);
  return v == nullptr ? "" : v;
}

}  // namespace

std::string KernelCache::standard_folder() {
  if (getauxval(AT_SECURE) != 0) return "";
  if (std::getenv("ETCH_CACHE_DIR") != nullptr) return environment("ETCH_CACHE_DIR");
  std::string base = environment("XDG_CACHE_HOME");
  if (base.empty() || base[0] != '/') {
    base = environment("HOME");
    if (base.empty() || base[0] != '/') return "";
    base += "/.cache";
  }
  return base + "/etch";
}

KernelCache::KernelCache(const std::string& folder, uint64_t max_bytes) : max_bytes_(max_bytes) {
  if (folder.empty())
    why_ = "switched off";
  else
    open_folder(folder + "/kernels");
}

KernelCache::~KernelCache() {
  if (folder_ >= 0) close(folder_);
}

void KernelCache::open_folder(const std::string& folder) {
  if (!make_folders(folder)) {
    why_ = cat("cannot create ", folder, ": ", std::strerror(errno));
    return;
  }
  int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat st{};
  if (fd < 0 || fstat(fd, &st) != 0) {
    why_ = cat("cannot open ", folder, ": ", std::strerror(errno));
  } else if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
    why_ = cat(folder, " must belong to this user with mode 0700");
  } else {
    folder_ = fd;
    return;
  }
  if (fd >= 0) close(fd);
}

std::string KernelCache::file_name(std::string_view key) {
  return hash128(key).to_hex() + ".kernel";
}

std::optional<CompiledObject> KernelCache::get(std::string_view key) {
  if (!enabled()) return {};
  Descriptor file(
      openat(folder_, file_name(key).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat st{};
  if (file.fd < 0 || fstat(file.fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
      st.st_size <= 0 || static_cast<uint64_t>(st.st_size) > kMaxFile) {
    return {};
  }
  std::string bytes(static_cast<size_t>(st.st_size), '\0');
  if (!read_all(file.fd, bytes)) return {};
  std::optional<CompiledObject> object = decode(bytes, key);
  if (object && time(nullptr) - st.st_mtime > kTouchEvery) futimens(file.fd, nullptr);
  return object;
}

void KernelCache::put(std::string_view key, const CompiledObject& object) {
  if (!enabled() || !writable_) return;
  std::string bytes = encode(key, object);
  if (bytes.size() > kMaxFile || bytes.size() > max_bytes_) return;
  if (write_file(file_name(key), bytes)) sweep_sometimes(bytes.size());
}

bool KernelCache::write_file(const std::string& name, std::string_view bytes) {
  static std::atomic<uint64_t> counter{0};
  std::string temporary = cat("tmp.", static_cast<int64_t>(getpid()), '.', counter++);
  bool ok;
  {
    Descriptor file(openat(folder_, temporary.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (file.fd < 0) {
      // A file of that name is a leftover of a dead process; anything else will not heal.
      if (errno != EEXIST) writable_ = false;
      return false;
    }
    ok = write_all(file.fd, bytes);
  }
  ok = ok && renameat(folder_, temporary.c_str(), folder_, name.c_str()) == 0;
  if (!ok) unlinkat(folder_, temporary.c_str(), 0);
  return ok;
}

void KernelCache::sweep_sometimes(uint64_t written) {
  uint64_t unswept = unswept_ += written;
  struct stat st{};
  bool recent = fstatat(folder_, kStamp, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                time(nullptr) - st.st_mtime < kSweepEvery;
  if (recent && unswept < max_bytes_ / 8) return;
  unswept_ = 0;
  unlinkat(folder_, kStamp, 0);
  Descriptor stamp(openat(folder_, kStamp, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  sweep();
}

void KernelCache::sweep() {
  if (!enabled()) return;
  int fd = openat(folder_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = fd < 0 ? nullptr : fdopendir(fd);
  if (dir == nullptr) {
    if (fd >= 0) close(fd);
    return;
  }
  struct Entry {
    std::string name;
    uint64_t size;
    timespec used;
  };
  std::vector<Entry> files;
  uint64_t total = 0;
  time_t now = time(nullptr);
  while (dirent* e = readdir(dir)) {
    struct stat st{};
    if (fstatat(folder_, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
      continue;
    std::string_view name = e->d_name;
    if (name.starts_with("tmp.") && now - st.st_mtime > kSweepEvery)
      unlinkat(folder_, e->d_name, 0);
    if (!name.ends_with(".kernel")) continue;
    files.push_back({std::string(name), static_cast<uint64_t>(st.st_size), st.st_mtim});
    total += files.back().size;
  }
  closedir(dir);
  if (total <= max_bytes_) return;
  std::sort(files.begin(), files.end(), [](const Entry& a, const Entry& b) {
    return a.used.tv_sec != b.used.tv_sec ? a.used.tv_sec < b.used.tv_sec
                                          : a.used.tv_nsec < b.used.tv_nsec;
  });
  for (const Entry& e : files) {
    if (total <= max_bytes_ / 5 * 4) return;
    if (unlinkat(folder_, e.name.c_str(), 0) == 0) total -= e.size;
  }
}

}  // namespace etch::codegen
