#include <thread>

#include "ir/support/hash.h"
#include "runtime/io/container.h"
#include "runtime/io/reader.h"
#include "runtime/io/safetensors.h"
#include "tests/runtime/io_test_util.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::runtime::test;

namespace {

std::string sample() {
  ContainerWriter w;
  w.add("graph", Bytes::copy("etch.ir 1"));
  w.add("weights", std::vector<Bytes>{Bytes::copy(std::string(100, 'w')), Bytes::copy("tail")});
  w.add("empty", Bytes());
  w.add("future.section", Bytes::copy("?"));
  return std::string(w.encode().text());
}

ContainerReader open(const std::string& file, const IoLimits& limits = {}) {
  return ContainerReader::from_bytes(exact(file), "a.etch", limits);
}

void put(std::string& file, size_t at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) file[at + i] = static_cast<char>(value >> (8 * i) & 255);
}

/// `file` with bytes replaced and the table's checksum made right again: a forged file.
std::string forged(std::string file, size_t at, uint64_t value, int bytes, uint32_t count = 4) {
  put(file, at, value, bytes);
  Hasher h;
  h.update(std::string_view(file).substr(0, 24));
  h.update(std::string_view(file).substr(32, 32 + 40 * count));
  put(file, 24, h.digest64(), 8);
  return file;
}

}  // namespace

TEST_CASE("a container gives back its sections, aligned and in order", "[io][container]") {
  Scratch dir;
  std::string file = sample();
  write_file(dir / "a.etch", file);
  for (FileAccess access : {FileAccess::Copy, FileAccess::Map}) {
    ContainerReader r = ContainerReader::open(dir / "a.etch", {}, access);
    CHECK(r.version() == kContainerVersion);
    REQUIRE(r.sections().size() == 4);
    CHECK(r.sections()[3].name == "future.section");
    CHECK(r.section("graph").text() == "etch.ir 1");
    CHECK(r.section("weights").text() == std::string(100, 'w') + "tail");
    CHECK(r.section("empty").empty());
    CHECK_FALSE(r.find("none").has_value());
    CHECK_THAT(refusal([&] { r.section("none"); }), Catch::Contains("missing"));
    CHECK_NOTHROW(r.verify_all());
    for (const SectionInfo& s : r.sections()) {
      CHECK(s.offset % 64 == 0);
      CHECK(r.section(s.name).aligned_to(64));
    }
  }
  CHECK(is_container(exact(file).span()));
  CHECK_FALSE(is_container(exact("ETCH").span()));
}

TEST_CASE("an empty container and one of a single empty section are valid", "[io][container]") {
  Bytes none = ContainerWriter().encode();
  CHECK(none.size() == 64);
  CHECK(ContainerReader::from_bytes(none, "a").sections().empty());
  ContainerWriter w;
  w.add("a", Bytes());
  CHECK(ContainerReader::from_bytes(w.encode(), "a").section("a").empty());
}

TEST_CASE("a safetensors blob in a container is read without a copy", "[io][container]") {
  SafeTensors s;
  s.tensors.emplace("w", pattern(DType::F32, {16}));
  ContainerWriter w;
  w.add("weights", safetensors_pieces(s));
  Scratch dir;
  w.write(dir / "a.etch", Durability::Sync);
  ContainerReader r = ContainerReader::open(dir / "a.etch");
  Bytes blob = r.section("weights");
  HostTensor t = decode_safetensors(blob, "a.etch").tensors.at("w");
  CHECK(same_bits(t, s.tensors.at("w")));
  CHECK(t.bytes.data() > blob.data());
  CHECK(t.bytes.data() < blob.data() + blob.size());
  CHECK(t.bytes.aligned_to(64));
}

TEST_CASE("every flipped bit and every cut of a container is noticed", "[io][container]") {
  std::string file = sample();
  Decode decode = [](const Bytes& b) { ContainerReader::from_bytes(b, "a.etch").verify_all(); };
  check_truncations(file, decode);
  CHECK(accepted_flips(file, decode) == 0);
  CHECK_FALSE(refusal([&] { decode(exact(file + "x")); }).empty());
  CHECK_FALSE(refusal([&] { decode(exact(file + std::string(64, '\0'))); }).empty());
}

TEST_CASE("damage in one section leaves the others readable", "[io][container]") {
  std::string file = sample();
  file[file.find("wwww")] = 'x';
  ContainerReader r = open(file);
  CHECK(r.section("graph").text() == "etch.ir 1");
  for (int i = 0; i < 2; ++i) {
    CHECK_THAT(refusal([&] { r.section("weights"); }), Catch::Contains("checksum"));
  }
}

TEST_CASE("a newer format names both versions", "[io][container]") {
  CHECK_THAT(refusal([&] { open(forged(sample(), 8, 2, 4)); }),
             Catch::Contains("format version 2, this Etch reads up to 1"));
  CHECK_THAT(refusal([&] { open(forged(sample(), 8, 0, 4)); }), Catch::Contains("version 0"));
}

TEST_CASE("forged tables with right checksums are refused", "[io][container]") {
  const std::string file = sample();
  auto refused = [&](size_t at, uint64_t value, int bytes, uint32_t count = 4) {
    std::string bad = forged(file, at, value, bytes, count);
    return refusal([&] { open(bad).verify_all(); });
  };
  REQUIRE(refused(8, 1, 4).empty());
  const size_t entry = 64 + 40;  // the second one
  CHECK_THAT(refused(12, 0, 4, 0), Catch::Contains("follow the last section"));
  CHECK_THAT(refused(12, 1024, 4), Catch::Contains("cut short"));
  CHECK_THAT(refused(12, UINT32_MAX, 4), Catch::Contains("the limit is 1024"));
  CHECK_THAT(refused(16, file.size() + 1, 8), Catch::Contains("states"));
  CHECK_THAT(refused(40, 1, 1), Catch::Contains("padding"));
  CHECK_THAT(refused(entry, '/', 1), Catch::Contains("name"));
  CHECK_THAT(refused(entry, 0, 1), Catch::Contains("name"));
  CHECK_THAT(refused(entry + 15, 'x', 1), Catch::Contains("name"));
  CHECK_THAT(refused(entry + 16, 0, 8), Catch::Contains("expected at"));
  CHECK_THAT(refused(entry + 16, UINT64_MAX - 63, 8), Catch::Contains("expected at"));
  CHECK_THAT(refused(entry + 24, UINT64_MAX, 8), Catch::Contains("in a file of"));
  CHECK_THAT(refused(entry + 24, uint64_t{1} << 40, 8), Catch::Contains("in a file of"));
  std::string twice = file;
  twice.replace(entry, 16, file.substr(64, 16));
  CHECK_THAT(refusal([&] { open(forged(twice, 8, 1, 4)); }), Catch::Contains("repeated"));
  CHECK_THAT(refusal([&] { open("PK\3\4"); }), Catch::Contains("not an .etch file"));
}

TEST_CASE("the number of sections holds at the limit and fails one beyond", "[io][container]") {
  IoLimits limits;
  limits.max_sections = 4;
  CHECK_NOTHROW(open(sample(), limits));
  limits.max_sections = 3;
  CHECK_THAT(refusal([&] { open(sample(), limits); }), Catch::Contains("limit is 3"));
}

TEST_CASE("section names are checked when written", "[io][container]") {
  ContainerWriter w;
  w.add("fifteen.letters", Bytes());
  CHECK_THROWS_AS(w.add("sixteen.letters_", Bytes()), InternalError);
  CHECK_THROWS_AS(w.add("", Bytes()), InternalError);
  CHECK_THROWS_AS(w.add("a b", Bytes()), InternalError);
  CHECK_THROWS_AS(w.add("fifteen.letters", Bytes()), InternalError);
}

TEST_CASE("one container serves several threads", "[io][container]") {
  const std::string file = sample();
  const ContainerReader r = open(file);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) {
        if (r.section("weights").size() != 104 || r.section("graph").size() != 9) ++wrong;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}
