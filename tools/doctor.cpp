#include <unistd.h>

#include "codegen/backend.h"
#include "codegen/cache.h"
#include "ir/registry.h"
#include "ir/text.h"
#include "onnx_export/profiles.h"
#include "runtime/contraction_library.h"
#include "runtime/io/container.h"
#include "runtime/isa.h"
#include "tools/cli/text.h"
#include "tools/cli/verbs.h"
#include "tools/zoo/zoo.h"

namespace etch::cli {

namespace {

/// One line per finding; a bad one makes the answer "no".
class Findings {
 public:
  void add(const std::string& what, const std::string& value, bool good = true,
           const std::string& hint = "") {
    columns_.row({good ? "ok" : "!!", what, value});
    if (!good && !hint.empty()) columns_.row({"", "", hint});
    out_.json.set(what, value);
    if (!good) out_.code = kNo;
  }
  Answer finish() {
    out_.json.set("ok", out_.code == kDone);
    out_.text = columns_.text();
    return std::move(out_);
  }

 private:
  Columns columns_{0};
  Answer out_;
};

void add_processor(Findings& f) {
  std::string tiers;
  for (int i = 0; i < runtime::kIsaCount; ++i) {
    runtime::Isa isa = static_cast<runtime::Isa>(i);
    if (runtime::isa_supported(isa)) tiers += cat(tiers.empty() ? "" : " ", runtime::name(isa));
  }
  f.add("processor tiers", tiers);
  try {
    f.add("tier in use", std::string(runtime::name(runtime::active_isa())));
  } catch (const UserError& e) {
    f.add("tier in use", e.what(), false, "unset ETCH_ISA");
  }
}

void add_compiler(Findings& f) {
  std::string why = codegen::cpu_backend().why_unavailable();
  if (why.empty()) {
    f.add("compiler", cat("LLVM ", codegen::llvm_module().llvm_version));
  } else {
    f.add("compiler", why, false, "programs run in the interpreter");
  }
  if (runtime::best_isa() == runtime::Isa::Generic) {
    f.add("compiled tiers", "none: this processor has no AVX2", false,
          "programs run in the interpreter");
  }
}

/// Not having it is no fault: only level fast asks for it.
void add_library(Findings& f) {
  const runtime::ContractionLibrary* library = runtime::contraction_library();
  std::string why = runtime::why_no_contraction_library();
  f.add("level fast",
        library != nullptr ? library->version : cat("not here: ", why.substr(0, why.find('\n'))));
}

void add_cache(Findings& f) {
  std::string folder = codegen::KernelCache::standard_folder();
  if (folder.empty()) {
    f.add("kernel cache", "off");
    return;
  }
  codegen::KernelCache cache(folder);
  f.add("kernel cache", cache.enabled() ? folder : cache.why_disabled(), cache.enabled(),
        "kernels are compiled again in every process");
}

}  // namespace

Answer doctor_verb(Console&) {
  Findings f;
  f.add("etch", ETCH_VERSION_TEXT);
  f.add("operators", cat(ir::all_ops().size()));
  f.add("formats", cat("artifact ", runtime::kContainerVersion, ", graph text ", ir::kTextVersion));
  add_processor(f);
  f.add("threads", cat(num_threads(), " of ", sysconf(_SC_NPROCESSORS_ONLN), " processors"));
  add_compiler(f);
  add_library(f);
  add_cache(f);
  std::vector<std::string> zoo, engines;
  for (const ModelEntry& e : zoo::models()) zoo.push_back("zoo:" + e.name);
  for (const onnx::Profile& p : onnx::profiles()) engines.emplace_back(p.name);
  f.add("zoo", join(zoo));
  f.add("export profiles", join(engines));
  return f.finish();
}

}  // namespace etch::cli
