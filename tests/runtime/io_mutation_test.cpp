#include "ir/support/hash.h"
#include "runtime/io/container.h"
#include "runtime/io/json.h"
#include "runtime/io/npy.h"
#include "runtime/io/npz.h"
#include "runtime/io/safetensors.h"
#include "tests/runtime/io_test_util.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::runtime::test;

namespace {

constexpr int kMutations = 20000;

/// Damages files the way real damage and attackers do: numbers at their edges, parts moved,
/// repeated, removed and cut off. The same seed gives the same files.
class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  std::string operator()(std::string file) {
    for (int n = 1 + below(4); n > 0 && !file.empty(); --n) step(file);
    return file;
  }

 private:
  int below(size_t n) { return static_cast<int>(random_() % n); }

  void step(std::string& file) {
    constexpr uint64_t kEdges[] = {0,         1,          0x7f,          0xff,
                                   0xffff,    0x7fffffff, 0xffffffff,    uint64_t{1} << 40,
                                   INT64_MAX, UINT64_MAX, UINT64_MAX - 7};
    constexpr std::string_view kWords[] = {
        "{", "}", "[",   "]", "\"",  ",",  ":",      "-1",     "(",
        ")", "0", "1e9", "'", "\\u", "\n", "PK\5\6", "PK\1\2", "999999999999999999999"};
    const size_t at = static_cast<size_t>(below(file.size()));
    const size_t length = std::min<size_t>(file.size() - at, 1 + below(16));
    switch (below(7)) {
      case 0:
        file[at] = static_cast<char>(file[at] ^ (1 << below(8)));
        break;
      case 1: {
        uint64_t value = kEdges[below(std::size(kEdges))];
        size_t width = std::min<size_t>(file.size() - at, size_t{1} << below(4));
        for (size_t i = 0; i < width; ++i) file[at + i] = static_cast<char>(value >> (8 * i));
        break;
      }
      case 2:
        file.erase(at, length);
        break;
      case 3:
        file.insert(at, file.substr(static_cast<size_t>(below(file.size())), length));
        break;
      case 4:
        file.insert(at, kWords[below(std::size(kWords))]);
        break;
      case 5: {
        std::string_view word = kWords[below(std::size(kWords))];
        file.replace(at, std::min(word.size(), file.size() - at), word);
        break;
      }
      default:
        if (below(8) == 0) file.resize(at);
        break;
    }
  }

  std::mt19937 random_;
};

/// Runs the decoder over mutations; returns how many were accepted.
int accepted_mutations(const std::string& file, const Decode& decode, uint32_t seed) {
  Mutator mutate(seed);
  int accepted = 0;
  for (int i = 0; i < kMutations; ++i) {
    std::string changed = mutate(file);
    accepted += refusal([&] { decode(exact(changed)); }).empty() ? 1 : 0;
  }
  return accepted;
}

/// Reads every byte, so that a view outside its memory shows under a sanitizer.
void touch(const HostTensor& t) {
  t.check();
  volatile uint64_t sink = hash64(t.bytes.span());
  (void)sink;
}

TensorMap small() {
  TensorMap t;
  t.emplace("weight", pattern(DType::F32, {2, 3}));
  t.emplace("mask", pattern(DType::Bool, {5}));
  t.emplace("step", pattern(DType::I64, {}));
  return t;
}

}  // namespace

TEST_CASE("mutated npy files are refused or read whole", "[io][mutation]") {
  for (DType dtype : {DType::F32, DType::Bool}) {
    std::string file(encode_npy(pattern(dtype, {3, 2})).text());
    int n = accepted_mutations(file, [](const Bytes& b) { touch(decode_npy(b, "m")); }, 11);
    CHECK(n < kMutations);
  }
}

TEST_CASE("mutated npz files are refused or read whole", "[io][mutation]") {
  int n = accepted_mutations(
      std::string(encode_npz(small()).text()),
      [](const Bytes& b) {
        for (const auto& [name, t] : decode_npz(b, "m")) touch(t);
      },
      12);
  CHECK(n < kMutations);
}

TEST_CASE("mutated safetensors are refused or read whole", "[io][mutation]") {
  SafeTensors s{small(), {{"format", "pt"}}};
  int n = accepted_mutations(
      std::string(encode_safetensors(s).text()),
      [](const Bytes& b) {
        for (const auto& [name, t] : decode_safetensors(b, "m").tensors) touch(t);
      },
      13);
  CHECK(n < kMutations);
}

TEST_CASE("mutated JSON is refused or survives a round trip", "[io][mutation]") {
  std::string text = R"({"a":[1,-2.5e3,"x\u00e9\\",true,null,{"b":{}}],"c":false,"d":"é"})";
  int n = accepted_mutations(
      text,
      [](const Bytes& b) {
        JsonValue v = parse_json(b.text(), "m");
        if (parse_json(to_json(v), "m") != v) throw InternalError("JSON changed on its way");
      },
      14);
  CHECK(n < kMutations);
}

TEST_CASE("mutated containers are refused unless nothing changed", "[io][mutation]") {
  ContainerWriter w;
  w.add("graph", Bytes::copy("etch.ir 1"));
  w.add("weights", Bytes::copy(std::string(70, 'w')));
  const std::string file(w.encode().text());
  Decode decode = [&](const Bytes& b) {
    ContainerReader r = ContainerReader::from_bytes(b, "m");
    r.verify_all();
    if (b.text() != file) throw InternalError("a changed container was accepted");
  };
  CHECK(accepted_mutations(file, decode, 15) < kMutations);
}

TEST_CASE("forged containers with right table checksums stay inside the file", "[io][mutation]") {
  ContainerWriter w;
  w.add("graph", Bytes::copy("etch.ir 1"));
  w.add("weights", Bytes::copy(std::string(70, 'w')));
  Decode decode = [](const Bytes& b) {
    std::string text(b.text());
    if (text.size() >= 144) {
      Hasher h;
      h.update(std::string_view(text).substr(0, 24));
      h.update(std::string_view(text).substr(32, 144 - 32));
      uint64_t checksum = h.digest64();
      std::memcpy(text.data() + 24, &checksum, 8);
      uint64_t size = text.size();
      if (checksum % 2 == 0) std::memcpy(text.data() + 16, &size, 8);
    }
    ContainerReader::from_bytes(exact(text), "m").verify_all();
  };
  CHECK(accepted_mutations(std::string(w.encode().text()), decode, 16) < kMutations);
}
