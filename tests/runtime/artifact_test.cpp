#include <unistd.h>
#include <catch2/catch.hpp>
#include <filesystem>

#include "runtime/allocator.h"
#include "runtime/io/container.h"
#include "runtime/program/artifact.h"
#include "tests/runtime/program_support.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::test;

namespace {

/// A training step with a constant that is stored by its hash.
ir::Graph step_graph() {
  ir::Graph g = graph(R"(
    symbol N in [0, 64]
    %x = input "x" : f32[N, 6]
    %w = state "layer.w" : f32[6, 4]
    %n = state "steps" : i64[]
    %y = matmul(%x, %w) : f32[N, 4]
    %s = softmax(%y) {axis=1} : f32[N, 4]
    %xt = permute(%x) {axes=[1, 0]} : f32[6, N]
    %g = matmul(%xt, %s) : f32[6, 4]
    %lr = full() {shape=dims[], value=f32:0x3dcccccd} : f32[]
    %d = mul(%g, %lr) : f32[6, 4]
    %one = full() {shape=dims[], value=i64:0x1} : i64[]
    %n1 = add(%n, %one) : i64[]
    result "s" = %s
    result "steps.next" = %n1 -> state 2
)");
  Tensor k = random_f32({6, 4}, 77);
  auto data = std::make_shared<std::vector<float>>(k.to_vector<float>());
  const int64_t sizes[] = {6, 4};
  ir::Value constant = g.add_constant(ir::make_constant(DType::F32, sizes, {data, data->data()}));
  ir::GraphEmitter e(g);
  ir::NodeId d = ir::kNoNode;
  for (ir::NodeId id : g) {
    if (g.node(id).op->name() == "mul") d = id;
  }
  ir::Value w = g.inputs()[1].value;
  ir::Var next = e.var(w) - e.var({d, 0}) * e.var(constant);
  g.add_result(ir::GraphEmitter::value(next), "w.next", 1);
  ir::verify(g);
  return g;
}

Artifact step_artifact() {
  Artifact a;
  a.graph = step_graph();
  a.traced = a.graph;
  a.state.set("layer.w", random_f32({6, 4}, 5));
  a.state.set("steps", scalar_tensor(0, DType::I64));
  a.native.push_back({"avx2", "key of everything", Bytes::copy("machine code")});
  return a;
}

std::string scratch_file(const char* name) {
  return (std::filesystem::temp_directory_path() / cat("etch-artifact-", ::getpid(), name))
      .string();
}

struct Sections {
  std::vector<std::pair<std::string, std::string>> list;
  explicit Sections(const Bytes& file) {
    ContainerReader r = ContainerReader::from_bytes(file, "test");
    for (const SectionInfo& s : r.sections()) {
      list.emplace_back(s.name, std::string(r.section(s.name).text()));
    }
  }
  std::string& operator[](std::string_view name) {
    for (auto& [n, text] : list) {
      if (n == name) return text;
    }
    throw std::out_of_range("section");
  }
  Bytes file() const {
    ContainerWriter w;
    for (const auto& [name, text] : list) w.add(name, Bytes::copy(text));
    return w.encode();
  }
};

}  // namespace

TEST_CASE("an artifact gives back graphs, state and native sections") {
  Artifact a = step_artifact();
  Bytes file = encode_artifact(a);
  Artifact b = decode_artifact(file, "mem", {.traced = true, .trust_native = true});
  CHECK(ir::same_graph(a.graph, b.graph));
  REQUIRE(b.traced);
  CHECK(ir::same_graph(*a.traced, *b.traced));
  CHECK(same_bits(a.state.get("layer.w"), b.state.get("layer.w")));
  CHECK(same_bits(a.state.get("steps"), b.state.get("steps")));
  REQUIRE(b.native.size() == 1);
  CHECK(b.native[0].tier == "avx2");
  CHECK(b.native[0].key == "key of everything");
  CHECK(b.native[0].bytes.text() == "machine code");
  CHECK(b.level == Level::Exact);
  CHECK(b.producer.starts_with("etch "));
  b.native[0].bytes = a.native[0].bytes;
  Bytes again = encode_artifact(b);
  CHECK(file.text() == again.text());
}

TEST_CASE("machine code is not handed out unless the file is trusted") {
  Artifact b = decode_artifact(encode_artifact(step_artifact()), "mem");
  CHECK(b.native.empty());
  CHECK_FALSE(b.traced);
}

TEST_CASE("a saved program goes on where it stopped") {
  std::string path = scratch_file("-resume.etch");
  std::vector<Tensor> x{random_f32({7, 6}, 1)};
  Artifact straight = step_artifact();
  Program p = Program::build(straight.graph);
  Context c(p);
  std::vector<Tensor> want;
  for (int i = 0; i < 6; ++i) want = p.run(straight.state, c, x);

  save_artifact(path, step_artifact());
  std::vector<Tensor> got;
  for (int session = 0; session < 3; ++session) {
    FileAccess access = session == 1 ? FileAccess::Map : FileAccess::Copy;
    Artifact a = load_artifact(path, {.access = access});
    Program q = Program::build(a.graph);
    Context own(q);
    for (int i = 0; i < 2; ++i) got = q.run(a.state, own, x);
    save_artifact(path, a);
  }
  CHECK(same_bits(got[0], want[0]));
  Artifact last = load_artifact(path);
  CHECK(same_bits(last.state.get("layer.w"), straight.state.get("layer.w")));
  CHECK(last.state.get("steps").to_vector<int64_t>()[0] == 6);

  std::string weights = scratch_file("-state.safetensors");
  last.state.save(weights);
  State other = step_artifact().state;
  other.load(weights);
  CHECK(same_bits(other.get("layer.w"), last.state.get("layer.w")));
  State wrong;
  wrong.set("layer.w", random_f32({6, 5}, 1));
  wrong.set("steps", scalar_tensor(0, DType::I64));
  CHECK_THAT(error_of([&] { wrong.load(weights); }), Catch::Contains("expected f32[6, 5]"));
  std::filesystem::remove(path);
  std::filesystem::remove(weights);
}

TEST_CASE("what is wrong in an artifact is named with its section") {
  const Bytes file = encode_artifact(step_artifact());
  auto error = [&](auto&& change) {
    Sections s(file);
    change(s);
    return error_of([&] { decode_artifact(s.file(), "net.etch"); });
  };
  auto replace = [](std::string& text, std::string_view from, std::string_view to) {
    text.replace(text.find(from), from.size(), to);
  };
  CHECK(error([](Sections&) {}).empty());
  CHECK_THAT(error([&](Sections& s) { replace(s["meta"], "\"format\": 1", "\"format\": 9"); }),
             Catch::Contains("net.etch section meta") && Catch::Contains("format 9"));
  CHECK_THAT(error([&](Sections& s) { s["meta"] = "[]"; }), Catch::Contains("section meta"));
  CHECK_THAT(error([&](Sections& s) { replace(s["graph"], "softmax", "sofdmax"); }),
             Catch::Contains("net.etch section graph"));
  CHECK_THAT(error([&](Sections& s) {
               std::string& text = s["weights"];
               text.replace(text.rfind("[6,4]"), 5, "[4,6]");
             }),
             Catch::Contains("section weights") && Catch::Contains("state 'layer.w' is f32[4, 6]"));
  CHECK_THAT(error([&](Sections& s) {
               std::string& text = s["weights"];
               text[text.size() - 97] ^= 1;  // the constant lies before the state's 96 bytes
             }),
             Catch::Contains("net.etch section weights") && Catch::Contains("have the hash"));
  CHECK_THAT(error([&](Sections& s) { s.list.pop_back(), s.list.pop_back(); }),
             Catch::Contains("net.etch") && Catch::Contains("weights"));
}

TEST_CASE("changed bytes in an artifact end in an error, never in a crash") {
  const Bytes file = encode_artifact(step_artifact());
  std::mt19937 rng(2024);
  SECTION("anywhere in the file") {
    for (int round = 0; round < 300; ++round) {
      std::string text(file.text());
      text[rng() % text.size()] ^= static_cast<char>(1 + rng() % 255);
      if (rng() % 4 == 0) text.resize(rng() % text.size());
      CHECK_THROWS_AS(
          decode_artifact(Bytes::copy(text), "mem", {.traced = true, .trust_native = true}),
          UserError);
    }
  }
  SECTION("inside sections whose checksums are right again") {
    const std::string spare = "0123456789abcdef-+*,.[](){}%=\":N xs\n";
    const std::vector<Tensor> x{random_f32({3, 6}, 1)};
    int loaded = 0, ran = 0;
    for (int round = 0; round < 1500; ++round) {
      Sections s(file);
      std::string& text = s[round % 8 == 0 ? "meta" : round % 8 == 1 ? "weights" : "graph"];
      for (uint32_t n = 1 + rng() % 2; n-- > 0;) {
        size_t at = rng() % text.size();
        switch (rng() % 3) {
          case 0:
            text[at] = spare[rng() % spare.size()];
            break;
          case 1:
            text.erase(at, 1 + rng() % 3);
            break;
          default:
            text.insert(at, 1, spare[rng() % spare.size()]);
        }
      }
      try {
        Artifact a = decode_artifact(s.file(), "mem", {.traced = true});
        ++loaded;
        Program p = Program::build(a.graph);
        Context c(p);
        const TensorImpl& t = impl(x[0]);
        const InputView in[] = {{t.data, t.dtype, t.sizes, {}}};
        p.bind(a.state, c, in);
        size_t bytes = c.arena_bytes();
        for (size_t i = 0; i < p.outputs().size(); ++i) bytes += c.output_bytes(i);
        if (bytes < (1u << 20)) p.run(a.state, c, x);
        ++ran;
      } catch (const UserError&) {
      }
    }
    CHECK(loaded > 20);
    CHECK(ran > 20);
  }
}
