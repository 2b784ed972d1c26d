// The command's verbs, called as a library and as a process.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "etch/autograd.h"
#include "onnx_export/model_io.h"
#include "runtime/io/npy.h"
#include "runtime/io/npz.h"
#include "runtime/io/tensor_io.h"
#include "tests/skip.h"
#include "tests/tools/command_support.h"
#include "tools/cli/engine.h"
#include "tools/cli/result.h"
#include "tools/cli/values.h"
#include "tools/zoo/zoo.h"

using namespace etch;
using namespace etch::cli;
using namespace etch::test;

namespace {

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("mistyped verbs, options, models and names are usage errors with the nearest name",
          "[command]") {
  check_error({"expotr", "zoo:mlp"}, kUsage, "Did you mean export?");
  check_error({"run", "zoo:mlp", "--inptu", "x=zeros"}, kUsage, "Did you mean --input?");
  check_error({"run"}, kUsage, "MODEL");
  check_error({"run", "zoo:mlp", "extra"}, kUsage, "extra");
  check_error({"run", "zoo:mpl"}, kUsage, "Did you mean mlp?");
  check_error({"run", "mlp"}, kUsage, "Did you mean zoo:mlp?");
  check_error({"run", "zoo:"}, kUsage, "resnet18");
  check_error({"run", "zoo:mlp?clases=3"}, kUsage, "Did you mean classes?");
  check_error({"run", "zoo:mlp?classes"}, kUsage, "parameter=value");
  check_error({"run", "zoo:mlp?classes=1"}, kUsage, "2 to 65536");
  check_error({"run", "zoo:mlp?classes=99999999999999999999"}, kUsage, "whole number");
  check_error({"ops", "rleu"}, kUsage, "Did you mean relu?");
  check_error({"compare", "zoo:mlp", "--a", "jti"}, kUsage, "Did you mean jit?");
  check_error({"run", "zoo:mlp", "--engine", "fast"}, kUsage, "interpret");
  check_error({"export", "zoo:mlp", "-o", "m.onnx", "--opset", "6"}, kUsage, "7 to 26");
  check_error({"export", "zoo:mlp", "-o", "m.onnx", "--for", "otr"}, kUsage, "Did you mean ort?");
  CHECK(etch_run({}).code == kUsage);
}

TEST_CASE("inputs that do not exist or do not fit are named with both values", "[command]") {
  check_error({"run", "zoo:mlp", "--input", "y=zeros"}, kUsage, "no input named y");
  check_error({"run", "zoo:mlp", "--input", "x"}, kUsage, "NAME=VALUE");
  check_error({"run", "zoo:mlp", "--input", "x=zeros", "--input", "x=zeros"}, kUsage, "twice");
  check_error({"run", "zoo:mlp", "--input", "x=zero"}, kUsage, "random:SEED");
  check_error({"run", "zoo:mlp", "--input", "x=random:x"}, kUsage, "whole number");
  check_error({"run", "zoo:mlp", "--input", "x=[1, 2]"}, kUsage, "takes 64");
  check_error({"run", "zoo:mlp", "--input", "x=[1, 2"}, kUsage, "brackets");
  check_error({"run", "zoo:mlp?features=2", "--input", "x=[1, b]"}, kUsage, "no number");
  check_error({"run", "zoo:mlp", "--dim", "M=3"}, kUsage, "named M");
  check_error({"run", "zoo:mlp", "--dim", "N=-3"}, kUsage, "at least 0");
  check_error({"trace", "zoo:mlp", "--dynamic", "y:0=N"}, kUsage, "no input named y");
  check_error({"trace", "zoo:mlp", "--dynamic", "x:2=N"}, kUsage, "2 axes");
  check_error({"trace", "zoo:mlp", "--dynamic", "x=N"}, kUsage, "x:0=N");
  check_error({"trace", "zoo:mlp", "--dynamic", "x:0=3"}, kUsage, "SYMBOL");
  check_error({"trace", "zoo:mlp", "--dynamic", "x:0=N:5:2"}, kUsage, "range");
}

TEST_CASE("files that are missing, damaged or of another kind are unreadable", "[command]") {
  Folder folder;
  check_error({"inspect", folder / "none.etch"}, kUnreadable, "none.etch");
  check_error({"run", folder / "none.so:net"}, kUnreadable, "none.so");
  check_error({"run", "zoo:mlp", "--input", "x=@" + (folder / "none.npy")}, kUnreadable,
              "none.npy");
  check_error({"compare", "zoo:mlp", "--b", folder / "none.npz"}, kUnreadable, "none.npz");
  write_text(folder / "text.so", "no library");
  check_error({"run", (folder / "text.so") + ":net"}, kUnreadable, "not a shared library");
  write_text(folder / "net.onnx", "x");
  check_error({"run", folder / "net.onnx"}, kUnreadable, "net.onnx");

  std::string path = folder / "net.etch";
  REQUIRE(etch_run({"trace", "zoo:mlp", "-o", path}).code == kDone);
  std::string whole = read_text(path);
  write_text(folder / "cut.etch", std::string_view(whole).substr(0, whole.size() / 2));
  check_error({"inspect", folder / "cut.etch"}, kUnreadable, "cut.etch");
  std::string damaged = whole;
  damaged[damaged.size() - 100] ^= 1;
  write_text(folder / "damaged.etch", damaged);
  check_error({"run", folder / "damaged.etch"}, kUnreadable, "damaged.etch");
  check_error({"trace", path, "--dynamic", "x:0=N"}, kUsage, "settled");
}

TEST_CASE("arrays of the wrong type, rank or size are refused and the right ones are used",
          "[command]") {
  Folder folder;
  runtime::write_npy(folder / "f64.npy", runtime::to_host(zeros({2, 64}, DType::F64)));
  runtime::write_npy(folder / "flat.npy", runtime::to_host(zeros({64})));
  runtime::write_npy(folder / "wide.npy", runtime::to_host(zeros({2, 65})));
  Tensor x = random_tensor(DType::F32, std::vector<int64_t>{5, 64}, 9);
  runtime::write_npy(folder / "x.npy", runtime::to_host(x));
  runtime::write_npz(folder / "x.npz", {{"rows", runtime::to_host(x)}});
  auto with = [&](const std::string& file) {
    return std::vector<std::string>{"run", "zoo:mlp", "--input", "x=@" + (folder / file)};
  };
  check_error(with("f64.npy"), kUsage, "expected f32[N, 64], got f64[2, 64]");
  check_error(with("flat.npy"), kUsage, "got f32[64]");
  check_error(with("wide.npy"), kUsage, "got f32[2, 65]");
  check_error(with("x.npz"), kUsage, "KEY");
  check_error(with("x.npz:row"), kUnreadable, "rows");
  Said npy = etch_run(with("x.npy")), npz = etch_run(with("x.npz:rows"));
  Said made = etch_run({"run", "zoo:mlp", "--input", "x=random:9", "--dim", "N=5"});
  CHECK(npy.code == kDone);
  CHECK(holds(npy.out, "f32[5, 10]"));
  std::string hash = npy.out.substr(npy.out.find("hash"));
  CHECK(holds(npz.out, hash));
  CHECK(holds(made.out, hash));
}

TEST_CASE("outputs that cannot be written leave nothing behind", "[command]") {
  Folder folder;
  check_error({"run", "zoo:mlp", "--outputs", folder / "no/y.npz"}, kUnavailable, "y.npz");
  check_error({"trace", "zoo:mlp", "-o", folder / "no/m.etch"}, kUnavailable, "m.etch");
  check_error({"export", "zoo:mlp", "-o", folder / "no/m.onnx"}, kUnavailable, "m.onnx");
  check_error({"export", "zoo:mlp", "-o", folder / ""}, kUnavailable, "folder");
  CHECK(folder.files() == 0);
}

TEST_CASE("every engine and the saved artifact give the same output hash", "[command]") {
  Folder folder;
  std::string etch = folder / "net.etch";
  Said traced = etch_run({"trace", "zoo:mlp", "--dynamic", "x:0=N", "-o", etch});
  INFO(traced.err);
  REQUIRE(traced.code == kDone);
  CHECK(folder.files() == 1);
  std::vector<std::string> hashes;
  for (const std::string& model : {std::string("zoo:mlp"), etch}) {
    for (const char* engine : {"eager", "interpret", "jit"}) {
      Said said =
          etch_run({"run", model, "--engine", engine, "--dim", "N=7", "--input", "x=random:4"});
      INFO(said.err);
      REQUIRE(said.code == kDone);
      hashes.push_back(said.out.substr(said.out.find("hash")));
    }
  }
  for (const std::string& h : hashes) CHECK(h == hashes[0]);
  Said stored = etch_run({"run", etch, "--dim", "N=3", "--outputs", folder / "y.npz"});
  REQUIRE(stored.code == kDone);
  CHECK(etch_run({"compare", "zoo:mlp", "--a", "interpret", "--b", folder / "y.npz"}).code ==
        kDone);
  CHECK(etch_run({"compare", "zoo:mlp", "--a", "eager", "--b", "interpret", "--dim", "N=1"}).code ==
        kDone);
}

TEST_CASE("compare says what differs and fails", "[command]") {
  Folder folder;
  REQUIRE(etch_run({"run", "zoo:mlp", "--dim", "N=3", "--outputs", folder / "y.npz"}).code ==
          kDone);
  std::vector<NamedTensor> y = read_outputs(folder / "y.npz");
  Tensor changed = y[0].tensor.clone();
  changed.index({1, 2}).add_(scalar_tensor(1, DType::F32));
  write_outputs(std::vector<NamedTensor>{{"logits", changed}}, folder / "z.npz");
  Said said = etch_run({"compare", "zoo:mlp", "--a", "interpret", "--b", folder / "z.npz"});
  CHECK(said.code == kNo);
  CHECK(holds(said.out, "logits first differs at [1, 2]"));
  CHECK(holds(said.out, "in 1 elements"));
  write_outputs(std::vector<NamedTensor>{{"other", changed}}, folder / "o.npz");
  said = etch_run({"compare", "zoo:mlp", "--a", "interpret", "--b", folder / "o.npz"});
  CHECK(said.code == kNo);
  CHECK(holds(said.out, "logits is missing in"));
  CHECK(holds(said.out, "other is missing in"));
}

TEST_CASE("compare fails on outputs that hardly vary", "[command]") {
  std::vector<std::string> args = {"compare", "zoo:mlp", "--a",     "interpret",
                                   "--b",     "eager",   "--input", "x=zeros"};
  Said said = etch_run(args);
  CHECK(said.code == kNo);
  CHECK(holds(said.out, "nearly constant"));
  CHECK(holds(said.out, "same: 0 differing bits"));
  args.push_back("--allow-constant");
  CHECK(etch_run(args).code == kDone);
}

TEST_CASE("JSON answers parse and hold what the text says", "[command]") {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"compare", "zoo:mlp", "--a", "interpret"},
        {"run", "zoo:mlp"},
        {"inspect", "zoo:mlp"},
        {"trace", "zoo:mlp"},
        {"trace", "zoo:mlp", "--explain"},
        {"ops"},
        {"ops", "add"},
        {"doctor"}}) {
    std::vector<std::string> with = args;
    with.push_back("--json");
    Said said = etch_run(with);
    INFO(join(args, " ") << said.err);
    runtime::JsonValue json = runtime::parse_json(said.out, "answer");
    CHECK(json.is(runtime::JsonKind::Object));
    if (args[0] == "compare") CHECK(json.at("differing_bits").as_int("bits") == 0);
    if (args[0] == "run") CHECK(json.at("outputs").as_array("outputs").size() == 1);
    if (args[0] == "inspect") CHECK(json.at("state").as_array("state").size() == 4);
  }
}

TEST_CASE("trace --explain tells sizes and captured tensors with their lines", "[command]") {
  Said said = etch_run({"trace", "zoo:mlp", "--explain", "--dynamic", "x:0=N:1:64"});
  REQUIRE(said.code == kDone);
  CHECK(holds(said.out, "x axis 0  N, 1 to 64"));
  CHECK(holds(said.out, "x axis 1  64          not among the dynamic axes"));
  CHECK(holds(said.out, ".weight"));
  CHECK(holds(said.out, "mlp.cpp:"));
  Said again = etch_run({"trace", "zoo:mlp", "--explain", "--json"});
  runtime::JsonValue json = runtime::parse_json(again.out, "answer");
  CHECK(json.at("captured").as_array("captured").size() == 4);
  CHECK(json.at("sizes").as_array("sizes").size() == 2);
  check_error({"trace", "zoo:mlp", "--explain", "--text"}, kUsage, "--text");
}

TEST_CASE("inspect shows the sizes that a model takes as its contract", "[command]") {
  std::vector<std::string> args = {"inspect", "zoo:mlp", "--dynamic", "x:0=N"};
  Said said = etch_run(args);
  INFO(said.err);
  REQUIRE(said.code == kDone);
  CHECK(holds(said.out, "from 0 on"));
  args.push_back("--json");
  runtime::JsonValue json = runtime::parse_json(etch_run(args).out, "answer");
  const auto& sizes = json.at("sizes").as_array("sizes");
  REQUIRE(sizes.size() == 1);
  CHECK(sizes[0].at("name").as_string("name") == "N");
  CHECK(sizes[0].at("low").as_int("low") == 0);
  CHECK(json.at("requires").as_array("requires").empty());
}

TEST_CASE("an exported model has the asked opset, named inputs and a symbolic batch", "[command]") {
  Folder folder;
  std::string path = folder / "m.onnx";
  Said said = etch_run({"export", "zoo:mlp", "-o", path, "--dynamic", "x:0=N", "--opset", "13"});
  INFO(said.err);
  REQUIRE(said.code == kDone);
  auto bytes = std::make_shared<std::string>(read_text(path));
  onnx::Model model = onnx::read_model(path, bytes, std::as_bytes(std::span<const char>(*bytes)));
  CHECK(model.opsets.at(0).version == 13);
  CHECK(model.graph.inputs.at(0).name == "x");
  CHECK(model.graph.inputs.at(0).type.dims.at(0).param == "N");
  CHECK(model.graph.outputs.at(0).name == "logits");
  // The same input gives the same bytes, from the code and from the artifact.
  REQUIRE(etch_run(
              {"export", "zoo:mlp", "-o", folder / "n.onnx", "--dynamic", "x:0=N", "--opset", "13"})
              .code == kDone);
  CHECK(read_text(folder / "n.onnx") == *bytes);
  REQUIRE(etch_run({"trace", "zoo:mlp", "-o", folder / "m.etch", "--dynamic", "x:0=N"}).code ==
          kDone);
  REQUIRE(etch_run({"export", folder / "m.etch", "-o", folder / "o.onnx", "--opset", "13"}).code ==
          kDone);
  CHECK(read_text(folder / "o.onnx") == *bytes);
}

TEST_CASE("zoo models depend on their seed, and their logits vary with input and class",
          "[command]") {
  for (const char* model : {"zoo:mlp", "zoo:lenet", "zoo:resnet18?classes=10&height=32&width=40",
                            "zoo:transformer?length=9", "zoo:treelstm", "zoo:bilstm"}) {
    INFO(model);
    LoadedModel loaded = load_model(model);
    Given in = read_inputs(loaded.inputs, {}, {}, 4);
    RunResult y = run_engine(loaded, Engine::Eager, in.tensors, false);
    Spread s = spread_of(y.outputs.at(0).tensor);
    REQUIRE(s.inputs);
    REQUIRE(s.classes);
    CHECK(*s.inputs >= 0.05);
    CHECK(*s.classes >= 0.05);
    CHECK_FALSE(s.nearly_constant);
  }
  auto hash = [](const char* model) {
    Said said = etch_run({"run", model, "--engine", "eager"});
    return said.out.substr(said.out.find("hash"));
  };
  CHECK(hash("zoo:mlp?seed=1") == hash("zoo:mlp"));
  CHECK(hash("zoo:mlp?seed=2") != hash("zoo:mlp"));
}

TEST_CASE("a zoo transformer has its layers in scopes, compares equal and becomes ONNX",
          "[command]") {
  Folder folder;
  const char* model = "zoo:transformer?layers=3&width=24&heads=3&vocabulary=11&length=7";
  Said compared = etch_run({"compare", model, "--dynamic", "ids:0=N", "--dim", "N=5"});
  CHECK(compared.code == kDone);
  CHECK(compared.out.find("fallbacks 0") != std::string::npos);
  CHECK(compared.out.find("same: 0 differing bits") != std::string::npos);
  Said text = etch_run({"trace", model, "--text"});
  CHECK(text.out.find("layers.2.self_attn") != std::string::npos);
  CHECK(etch_run({"export", model, "-o", folder / "t.onnx", "--dynamic", "ids:0=N"}).code == kDone);
}

TEST_CASE("zoo models over trees and sentences compare equal, in few kernels, and become ONNX",
          "[command]") {
  Folder folder;
  for (const char* model : {"zoo:treelstm?trees=9&leaves=5&hidden=16&seed=3",
                            "zoo:bilstm?sentences=9&words=6&hidden=16&seed=3"}) {
    INFO(model);
    for (const char* engine : {"jit", "interpret"}) {
      Said compared = etch_run({"compare", model, "--a", engine, "--b", "eager"});
      CHECK(compared.code == kDone);
      CHECK(compared.out.find("same: 0 differing bits") != std::string::npos);
    }
    runtime::JsonValue json =
        runtime::parse_json(etch_run({"compare", model, "--json"}).out, "answer");
    CHECK(json.at("kernels_built").as_int("kernels") < 60);  // of hundreds without batching
    CHECK(etch_run({"export", model, "-o", folder / "m.onnx"}).code == kDone);
  }
}

TEST_CASE("spreads and differences are those of their definitions", "[command]") {
  // Columns 0 and 1 vary by 1 and 2 around their means; rows vary by 0 and 1.
  Tensor t = from_vector(std::vector<double>{1, 1, 3, 5}, {2, 2});
  Spread s = spread_of(t);
  CHECK(*s.inputs == Approx(std::sqrt((1.0 + 4.0) / 2)));
  CHECK(*s.classes == Approx(std::sqrt((0.0 + 1.0) / 2)));
  CHECK(spread_of(full({3, 3}, 2)).nearly_constant);
  CHECK_FALSE(spread_of(zeros({1}, DType::I64)).nearly_constant);
  CHECK(spread_of(full({2, 2}, std::nan(""))).nearly_constant);

  Tensor a = tensor<float>({1, -0.0f, 2}), b = tensor<float>({1, 0.0f, 2});
  Difference d = difference(a, b);
  CHECK(d.elements == 1);
  CHECK(d.bits == 1);
  CHECK(d.first == 1);
  CHECK(index_text(7, std::vector<int64_t>{2, 2, 3}) == "[1, 0, 1]");
  uint32_t nans[] = {0x7fc00000, 0xffc00001};
  Tensor n = from_bytes(nans, std::vector<int64_t>{1}, DType::F32);
  Tensor m = from_bytes(nans + 1, std::vector<int64_t>{1}, DType::F32);
  CHECK(difference(n, m).elements == 0);
  CHECK(output_hash(std::vector<NamedTensor>{{"y", n}}) ==
        output_hash(std::vector<NamedTensor>{{"y", m}}));
  CHECK(output_hash(std::vector<NamedTensor>{{"y", a}}) !=
        output_hash(std::vector<NamedTensor>{{"y", b}}));
}

TEST_CASE("the nearest name allows a slip and no more", "[command]") {
  const std::vector<std::string> known = {"relu", "elu", "matmul", "x"};
  CHECK(nearest("rleu", known) == "relu");
  CHECK(nearest("matmull", known) == "matmul");
  CHECK(nearest("convolution", known).empty());
  CHECK(nearest("y", known).empty());
}
