#include "runtime/contraction_library.h"
#include "tools/cli/result.h"
#include "tools/cli/text.h"
#include "tools/cli/verbs.h"

namespace etch::cli {

Answer run_verb(const RunRequest& request, Console& console) {
  check_output_name("--outputs", request.outputs, ".npz");
  std::optional<Engine> engine = engine_from_name(request.engine);
  if (!engine) {
    const std::vector<std::string> known = {"jit", "interpret", "eager"};
    fail("usage", cat("--engine ", request.engine, ": there is no such engine"),
         nearest_hint(request.engine, known, "engines"));
  }
  std::vector<DynamicDim> dynamic;
  for (const std::string& d : request.dynamic) dynamic.push_back(parse_dynamic(d));
  LoadedModel model = load_model(request.model, dynamic);
  Given given = read_inputs(model.inputs, request.inputs, parse_dims(request.dims), 1);
  RunResult result = run_engine(model, *engine, given.tensors, false, parse_level(request.level));

  Answer out;
  out.json.set("model", model.text);
  out.json.set("engine", name(*engine));
  runtime::JsonValue::Array inputs, outputs;
  Columns columns(0);
  for (size_t i = 0; i < given.tensors.size(); ++i) {
    runtime::JsonValue in = tensor_json(given.tensors[i]);
    in.set("value", given.described[i]);
    inputs.push_back(std::move(in));
    columns.row({"input", given.tensors[i].name,
                 cat(given.tensors[i].tensor.dtype(), given.tensors[i].tensor.sizes()),
                 given.described[i]});
  }
  for (const NamedTensor& o : result.outputs) {
    std::string hash = output_hash({&o, 1});
    runtime::JsonValue json = tensor_json(o);
    json.set("hash", hash);
    json.set("first", first_values(o.tensor));
    outputs.push_back(std::move(json));
    columns.row(
        {"output", o.name, cat(o.tensor.dtype(), o.tensor.sizes()), first_values(o.tensor)});
    columns.row({"", "", "", cat("hash ", hash)});
  }
  out.text = columns.text();
  out.json.set("inputs", std::move(inputs));
  out.json.set("outputs", std::move(outputs));
  if (*engine == Engine::Jit && result.stats.fallbacks != 0) {
    console.note(cat("note: ", result.stats.fallbacks, " of ", result.stats.kernels_built,
                     " kernels have no machine code and were interpreted; etch doctor says why"));
  }
  if (result.level == Level::Fast) {
    if (runtime::contraction_library() == nullptr) {
      console.note(
          "note: the module of level fast is absent, so exact kernels ran; etch doctor says why");
    } else {
      out.text += cat("level fast: oneDNN ran ", result.stats.vendor_run, " contractions\n");
    }
    out.json.set("library_run", result.stats.vendor_run);
  }
  out.json.set("level", name(result.level));
  out.json.set("prepare_ms", result.prepare_ms);
  out.json.set("run_ms", result.run_ms);
  if (!request.outputs.empty()) {
    write_outputs(result.outputs, request.outputs);
    out.text += cat("wrote ", request.outputs, "\n");
    out.json.set("file", request.outputs);
  }
  return out;
}

}  // namespace etch::cli
