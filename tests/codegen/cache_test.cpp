#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "codegen/cache.h"

using namespace etch::codegen;
namespace fs = std::filesystem;

namespace {

struct Folder {
  std::string path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "etch-cache-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string file(std::string_view key) const {
    return path + "/kernels/" + KernelCache::file_name(key);
  }
};

CompiledObject sample(size_t bytes = 100) {
  CompiledObject o;
  for (size_t i = 0; i < bytes; ++i) o.bytes += static_cast<char>(i * 7);
  o.entries = {{"k0", 64, 4}};
  return o;
}

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace

TEST_CASE("the kernel cache returns what was stored, to other processes too") {
  Folder f;
  KernelCache(f.path).put("key", sample());
  KernelCache cache(f.path);
  auto got = cache.get("key");
  REQUIRE(got);
  CHECK(got->bytes == sample().bytes);
  CHECK(got->entries[0].scratch_bytes(10) == 104);
  CHECK_FALSE(cache.get("another key"));
  CHECK(fs::status(f.path + "/kernels").permissions() == fs::perms::owner_all);
}

TEST_CASE("a damaged kernel file is a miss, whatever the damage") {
  Folder f;
  KernelCache cache(f.path);
  cache.put("key", sample());
  std::string good = slurp(f.file("key"));
  for (size_t cut = 0; cut < good.size(); ++cut) {
    spill(f.file("key"), good.substr(0, cut));
    REQUIRE_FALSE(cache.get("key"));
  }
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      spill(f.file("key"), bad);
      REQUIRE_FALSE(cache.get("key"));
    }
  }
  spill(f.file("key"), good + "x");
  CHECK_FALSE(cache.get("key"));
  cache.put("key", sample());
  CHECK(cache.get("key"));
}

TEST_CASE("a kernel file under another key's name is a miss") {
  Folder f;
  KernelCache cache(f.path);
  cache.put("one", sample());
  fs::rename(f.file("one"), f.file("two"));
  CHECK_FALSE(cache.get("two"));
}

TEST_CASE("links, foreign modes and unusable folders switch the cache off without an error") {
  Folder f;
  fs::create_directory(f.path + "/real");
  fs::create_directory_symlink(f.path + "/real", f.path + "/kernels");
  CHECK_FALSE(KernelCache(f.path).enabled());
  Folder open_to_all;
  fs::create_directory(open_to_all.path + "/kernels");
  fs::permissions(open_to_all.path + "/kernels", fs::perms::all);
  KernelCache refused(open_to_all.path);
  CHECK_FALSE(refused.enabled());
  CHECK(refused.why_disabled().find("0700") != std::string::npos);
  refused.put("key", sample());
  CHECK_FALSE(refused.get("key"));
  CHECK_FALSE(KernelCache("/proc/no/such").enabled());
  CHECK_FALSE(KernelCache("").enabled());
  Folder file_link;
  KernelCache cache(file_link.path);
  cache.put("key", sample());
  fs::rename(file_link.file("key"), file_link.path + "/elsewhere");
  fs::create_symlink(file_link.path + "/elsewhere", file_link.file("key"));
  CHECK_FALSE(cache.get("key"));
}

TEST_CASE("the sweep removes the kernels used longest ago") {
  Folder f;
  KernelCache cache(f.path, 10000);
  for (int i = 0; i < 20; ++i) {
    std::string key = etch::cat("key", i);
    cache.put(key, sample(800));
    timespec times[2] = {{1000 + i, 0}, {1000 + i, 0}};
    utimensat(AT_FDCWD, f.file(key).c_str(), times, 0);
  }
  cache.sweep();
  CHECK_FALSE(cache.get("key0"));
  CHECK(cache.get("key19"));
  uintmax_t total = 0;
  for (const auto& e : fs::directory_iterator(f.path + "/kernels")) total += e.file_size();
  CHECK(total <= 8000);
}

TEST_CASE("two processes write and read the same kernels at once") {
  Folder f;
  pid_t child = fork();
  auto work = [&] {
    KernelCache cache(f.path);
    bool ok = true;
    for (int i = 0; i < 300; ++i) {
      std::string key = etch::cat("key", i % 7);
      cache.put(key, sample(static_cast<size_t>(1000 + i % 7)));
      auto got = cache.get(key);
      ok = ok && got && got->bytes.size() == static_cast<size_t>(1000 + i % 7);
    }
    return ok;
  };
  if (child == 0) _exit(work() ? 0 : 1);
  CHECK(work());
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}
