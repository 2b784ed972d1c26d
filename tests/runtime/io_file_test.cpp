#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "runtime/io/contained.h"
#include "tests/runtime/io_test_util.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::runtime::test;
namespace fs = std::filesystem;

namespace {

/// The message of the UserError (Unavailable) that `f` throws.
std::string unwritable(const std::function<void()>& f) {
  try {
    f();
  } catch (const UserError& e) {
    CHECK(e.kind() == ErrorKind::Unavailable);
    return e.what();
  }
  return "";
}

std::string content(const std::string& path) { return std::string(read_file(path).text()); }

}  // namespace

TEST_CASE("a file is read whole, copied or mapped", "[io][file]") {
  Scratch dir;
  std::string text(10000, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31);
  write_file(dir / "a", text);
  Bytes copied = read_file(dir / "a");
  Bytes mapped = read_file(dir / "a", {}, FileAccess::Map);
  CHECK(copied.text() == text);
  CHECK(copied.aligned_to(64));
  CHECK(mapped.text() == text);
  File f = File::open(dir / "a");
  CHECK(f.size() == text.size());
  CHECK(f.read(5000, 100, FileAccess::Map).text() == text.substr(5000, 100));
  CHECK(f.read(5000, 100).text() == text.substr(5000, 100));
  CHECK(f.read(10000, 0, FileAccess::Map).empty());
  CHECK_FALSE(refusal([&] { f.read(9999, 2); }).empty());
  CHECK_FALSE(refusal([&] { f.read(UINT64_MAX, 2); }).empty());
  // The bytes outlive the file object and its name.
  {
    File moved = std::move(f);
  }
  fs::remove(dir / "a");
  CHECK(mapped.text() == text);
}

TEST_CASE("what cannot be read is refused with its reason", "[io][file]") {
  Scratch dir;
  write_file(dir / "empty", "");
  write_file(dir / "small", "12345678");
  CHECK_THAT(refusal([&] { read_file(dir / "none"); }), Catch::Contains("no such file"));
  CHECK_THAT(refusal([&] { read_file(dir / "small/x"); }), Catch::Contains("no such file"));
  CHECK_THAT(refusal([&] { read_file(dir.path()); }), Catch::Contains("is a folder"));
  CHECK_THAT(refusal([&] { read_file(dir / "empty"); }), Catch::Contains("empty"));
  CHECK_THAT(refusal([&] { read_file("/dev/null"); }), Catch::Contains("not a regular file"));
  CHECK_THAT(refusal([&] { read_file(""); }), Catch::Contains("empty"));
  CHECK_THAT(refusal([&] { read_file(std::string("a\0b", 3)); }), Catch::Contains("NUL"));
  REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);
  CHECK_THAT(refusal([&] { read_file(dir / "pipe"); }), Catch::Contains("not a regular file"));
  IoLimits limits;
  limits.max_file_bytes = 8;
  CHECK(read_file(dir / "small", limits).size() == 8);
  limits.max_file_bytes = 7;
  CHECK_THAT(refusal([&] { read_file(dir / "small", limits); }),
             Catch::Contains("8 bytes, the limit is 7"));
  if (::geteuid() != 0) {
    fs::permissions(dir / "small", fs::perms::none);
    CHECK_THAT(refusal([&] { read_file(dir / "small"); }), Catch::Contains("not permitted"));
  }
}

TEST_CASE("a file appears whole or not at all", "[io][file]") {
  Scratch dir;
  {
    AtomicFile f(dir / "a");
    f.write("half");
    CHECK_FALSE(fs::exists(dir / "a"));
  }
  CHECK(dir.count() == 0);
  for (Durability d : {Durability::Rename, Durability::Sync}) {
    AtomicFile f(dir / "a", d);
    f.write("first ");
    f.write(std::string(1 << 19, 'y'));
    f.write("last");
    f.commit();
    CHECK(content(dir / "a") == "first " + std::string(1 << 19, 'y') + "last");
    CHECK_FALSE(unwritable([&] { f.write("more"); }).empty());
    CHECK_FALSE(unwritable([&] { f.commit(); }).empty());
  }
  {
    AtomicFile f(dir / "a");
    f.write("replacement that never comes");
  }
  CHECK(content(dir / "a").size() == 10 + (1 << 19));
  CHECK(dir.count() == 1);
}

TEST_CASE("replacing a file keeps its permissions and follows a link", "[io][file]") {
  Scratch dir;
  write_file(dir / "target", "old");
  fs::permissions(dir / "target", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("target", dir / "link");
  write_file(dir / "link", "new");
  CHECK(fs::is_symlink(dir / "link"));
  CHECK(content(dir / "target") == "new");
  CHECK(fs::status(dir / "target").permissions() ==
        (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("a place that cannot be written is reported as unavailable", "[io][file]") {
  Scratch dir;
  fs::create_directory(dir / "folder");
  fs::create_symlink("nowhere/x", dir / "dangling");
  CHECK_THAT(unwritable([&] { write_file(dir / "none/a", "x"); }),
             Catch::Contains("Make the folder first"));
  CHECK_THAT(unwritable([&] { write_file(dir / "folder", "x"); }), Catch::Contains("folder"));
  CHECK_THAT(unwritable([&] { write_file(dir / "folder/", "x"); }), Catch::Contains("folder"));
  CHECK_THAT(unwritable([&] { write_file("/dev/null", "x"); }),
             Catch::Contains("not a regular file"));
  CHECK_FALSE(unwritable([&] { write_file(dir / "dangling", "x"); }).empty());
  CHECK_FALSE(unwritable([&] { write_file("", "x"); }).empty());
  CHECK_FALSE(unwritable([&] { write_file("/proc/none", "x"); }).empty());
  // The longest legal name still has room for a temporary one.
  write_file(dir / std::string(255, 'n'), "x");
  CHECK_FALSE(unwritable([&] { write_file(dir / std::string(256, 'n'), "x"); }).empty());
  if (::geteuid() != 0) {
    fs::permissions(dir / "folder", fs::perms::owner_read | fs::perms::owner_exec);
    CHECK_FALSE(unwritable([&] { write_file(dir / "folder/a", "x"); }).empty());
  }
}

TEST_CASE("a write that fails midway leaves the old file and nothing else", "[io][file]") {
  Scratch dir;
  write_file(dir / "a", "old");
  // A file size limit stands in for a full disk.
  auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old_limit) == 0);
  std::string late;
  std::string early;
  {
    rlimit small{100000, old_limit.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    early = unwritable([&] { write_file(dir / "a", std::string(1 << 20, 'x')); });
    late = unwritable([&] { write_file(dir / "a", std::string(200000, 'x')); });
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &old_limit) == 0);
  }
  std::signal(SIGXFSZ, before);
  CHECK_THAT(early, Catch::Contains("cannot be written"));
  CHECK_THAT(late, Catch::Contains("cannot be written"));
  CHECK(content(dir / "a") == "old");
  CHECK(dir.count() == 1);
}

TEST_CASE("a file that its owner made read-only is not replaced", "[io][file]") {
  if (::geteuid() == 0) return;  // permission bits do not bind root
  Scratch dir;
  write_file(dir / "a", "old");
  fs::permissions(dir / "a", fs::perms::owner_read);
  CHECK_THAT(unwritable([&] { write_file(dir / "a", "new"); }), Catch::Contains("denied"));
  CHECK(content(dir / "a") == "old");
  CHECK(dir.count() == 1);
}

TEST_CASE("readers of a file that is replaced see one version, never a mix", "[io][file]") {
  Scratch dir;
  write_file(dir / "a", std::string(100000, 'a'));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) write_file(dir / "a", std::string(100000, i % 2 ? 'a' : 'b'));
    stop = true;
  });
  size_t mixed = 0;
  while (!stop) {
    std::string text = content(dir / "a");
    if (text != std::string(100000, text[0])) ++mixed;
  }
  writer.join();
  CHECK(mixed == 0);
  CHECK(dir.count() == 1);
}

TEST_CASE("a path from a file never leaves its folder", "[io][file][contained]") {
  Scratch dir;
  fs::create_directories(dir / "root/sub");
  write_file(dir / "secret", "secret");
  write_file(dir / "root/sub/w.bin", "weights");
  write_file(dir / "root/w.bin", "weights");
  fs::create_symlink("../secret", dir / "root/out");
  fs::create_symlink(dir.path(), dir / "root/outdir");
  fs::create_symlink("w.bin", dir / "root/in");
  fs::create_symlink("sub", dir / "root/indir");
  fs::create_hard_link(dir / "secret", dir / "root/hard");
  fs::create_symlink("/proc/self/root", dir / "root/magic");
  fs::create_symlink("loop", dir / "root/loop");
  REQUIRE(::mkfifo((dir / "root/pipe").c_str(), 0600) == 0);
  const std::string root = dir / "root";
  for (ContainMethod method : {ContainMethod::Best, ContainMethod::Steps}) {
    auto descriptor = [&](const std::string& path) {
      return open_contained_descriptor(root, path, {}, method);
    };
    for (const char* good : {"w.bin", "sub/w.bin", "./w.bin", "sub//w.bin", "sub/./w.bin"}) {
      int d = descriptor(good);
      CHECK(d >= 0);
      ::close(d);
    }
    for (const char* bad : {"",
                            ".",
                            "./",
                            "/",
                            "..",
                            "../secret",
                            "sub/../../secret",
                            "sub/../w.bin",
                            "/etc/passwd",
                            "out",
                            "outdir/secret",
                            "in",
                            "indir/w.bin",
                            "hard",
                            "magic/etc/passwd",
                            "loop",
                            "w.bin/",
                            "w.bin/x",
                            "none",
                            "sub/none",
                            "none/w.bin"}) {
      INFO(bad);
      CHECK_FALSE(refusal([&] { ::close(descriptor(bad)); }).empty());
    }
    CHECK_FALSE(refusal([&] { ::close(descriptor(std::string("w.bin\0x", 7))); }).empty());
  }
  CHECK(open_contained(root, "sub/w.bin").read_all().text() == "weights");
  CHECK_THAT(refusal([&] { open_contained(root, "sub"); }), Catch::Contains("is a folder"));
  CHECK_THAT(refusal([&] { open_contained(root, "pipe"); }), Catch::Contains("regular"));
  CHECK_THAT(refusal([&] { open_contained("", "w.bin"); }), Catch::Contains("no folder"));
  CHECK_FALSE(refusal([&] { open_contained(dir / "none", "w.bin"); }).empty());
  CHECK_FALSE(refusal([&] { open_contained(dir / "secret", "w.bin"); }).empty());
}

TEST_CASE("links inside the folder are let through only when asked for", "[io][file][contained]") {
  Scratch dir;
  fs::create_directories(dir / "root/sub");
  write_file(dir / "secret", "secret");
  write_file(dir / "root/w.bin", "weights");
  fs::create_symlink("../w.bin", dir / "root/sub/in");
  fs::create_symlink("../../secret", dir / "root/sub/out");
  fs::create_hard_link(dir / "root/w.bin", dir / "root/second");
  CHECK_FALSE(refusal([&] { open_contained(dir / "root", "sub/in"); }).empty());
  CHECK_THAT(refusal([&] { open_contained(dir / "root", "second"); }), Catch::Contains("hard"));
  ContainOptions links{.symlinks_within = true, .hard_links = true};
  CHECK(open_contained(dir / "root", "sub/in", links).read_all().text() == "weights");
  CHECK(open_contained(dir / "root", "second", links).read_all().text() == "weights");
  CHECK_FALSE(refusal([&] { open_contained(dir / "root", "sub/out", links); }).empty());
}

TEST_CASE("swapping a folder for a link while it is opened never leads outside",
          "[io][file][contained]") {
  Scratch dir;
  fs::create_directories(dir / "root/real");
  fs::create_directories(dir / "outside");
  write_file(dir / "root/real/w.bin", "weights");
  write_file(dir / "outside/w.bin", "secret");
  fs::create_symlink(dir / "outside", dir / "root/evil");
  fs::rename(dir / "root/real", dir / "root/sub");
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    std::error_code e;
    while (!stop) {
      fs::rename(dir / "root/sub", dir / "root/real", e);
      fs::rename(dir / "root/evil", dir / "root/sub", e);
      fs::rename(dir / "root/sub", dir / "root/evil", e);
      fs::rename(dir / "root/real", dir / "root/sub", e);
    }
  });
  size_t leaked = 0;
  for (int i = 0; i < 4000; ++i) {
    ContainMethod method = i % 2 ? ContainMethod::Best : ContainMethod::Steps;
    try {
      int d = open_contained_descriptor(dir / "root", "sub/w.bin", {}, method);
      char first = 0;
      if (::read(d, &first, 1) != 1 || first != 'w') ++leaked;
      ::close(d);
    } catch (const UserError&) {
    }
  }
  stop = true;
  swapper.join();
  CHECK(leaked == 0);
}
