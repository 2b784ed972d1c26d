#include "tools/cli/plugin.h"

#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

#include <cstring>
#include <new>
#include <unordered_set>

#include "runtime/io/file.h"
#include "runtime/io/reader.h"

namespace etch::cli {

namespace {

/// dlopen maps what the headers state, and the process dies of touching what the file lacks. So
/// look first.
void check_library(const std::string& path) {
  runtime::File file = runtime::File::open(path);
  Elf64_Ehdr head;
  bool elf = file.size() >= sizeof head;
  if (elf) {
    runtime::Bytes bytes = file.read(0, sizeof head);
    std::memcpy(&head, bytes.data(), sizeof head);
    elf = std::memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_ident[EI_CLASS] == ELFCLASS64 &&
          head.e_ident[EI_DATA] == ELFDATA2LSB && head.e_type == ET_DYN &&
          head.e_phentsize == sizeof(Elf64_Phdr);
  }
  if (!elf) fail_file("plug-in", path, "is not a shared library of this kind of machine");
  auto need = [&](uint64_t offset, uint64_t bytes) {
    if (offset <= file.size() && bytes <= file.size() - offset) return;
    fail_file("plug-in", path, cat("is cut short or damaged: it has ", file.size(), " bytes"));
  };
  uint64_t table = uint64_t{head.e_phnum} * sizeof(Elf64_Phdr);
  need(head.e_phoff, table);
  runtime::Bytes bytes = file.read(head.e_phoff, table);
  for (size_t i = 0; i < head.e_phnum; ++i) {
    Elf64_Phdr part;
    std::memcpy(&part, bytes.data() + i * sizeof part, sizeof part);
    if (part.p_type == PT_LOAD) need(part.p_offset, part.p_filesz);
  }
}

/// f(), with what foreign code throws made a UserError.
template <class F>
auto guarded(const std::string& where, F&& f) {
  try {
    return f();
  } catch (const UserError&) {
    throw;
  } catch (const InternalError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    fail_file("plug-in", where, cat("its code raised an exception: ", e.what()));
  } catch (...) {
    fail_file("plug-in", where, "its code raised an exception that is no std::exception");
  }
}

}  // namespace

std::span<const ModelEntry> open_plugin(const std::string& path) {
  bool file = path.find('/') != std::string::npos || access(path.c_str(), F_OK) == 0;
  std::string name = file && path.find('/') == std::string::npos ? "./" + path : path;
  if (file) check_library(name);
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) fail_file("plug-in", path, cat("cannot be opened: ", dlerror()));
  using List = const std::vector<ModelEntry>* (*)(int);
  auto list = reinterpret_cast<List>(dlsym(handle, "etch_models"));
  if (list == nullptr) {
    fail_file("plug-in", path, "holds no models", "Define them with ETCH_MODEL of etch/model.h");
  }
  const std::vector<ModelEntry>* models = list(kModelAbi);
  if (models == nullptr) {
    fail_file("plug-in", path, "was built with another version of Etch", "Build it again");
  }
  return *models;
}

Model make_model(const std::function<Model()>& make, const std::string& where) {
  Model model = guarded(where, make);
  std::unordered_set<std::string> names;
  for (const NamedTensor& i : model.inputs) {
    if (!i.tensor.defined()) {
      fail_file("model", where,
                cat("its input ", runtime::in_quotes(i.name), " has no example tensor"));
    }
    if (i.name.empty() || !names.insert(i.name).second) {
      fail_file(
          "model", where,
          cat("two of its inputs are named ", runtime::in_quotes(i.name), ", or one has no name"));
    }
  }
  if (!model.function) fail_file("model", where, "it has no function");
  model.function = [f = std::move(model.function), where](std::span<const Tensor> in) {
    return guarded(where, [&] { return f(in); });
  };
  return model;
}

}  // namespace etch::cli
