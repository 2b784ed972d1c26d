// The C interface: handles around Program, State and Context; no exception leaves.
#include "etch/rt.h"

#include <cstring>
#include <new>

#include "ir/support/function_ref.h"
#include "runtime/eager.h"
#include "runtime/program/artifact.h"
#include "runtime/program/plan.h"
#include "runtime/tensor_impl.h"
#include "runtime/threads.h"

using namespace etch;

namespace {

/// What etch_port points to.
struct PortText {
  std::string name;
  etch_dtype dtype;
  std::vector<int64_t> sizes;
  std::vector<std::string> dims;
  std::vector<const char*> dim_pointers;
};

std::vector<PortText> describe(std::span<const runtime::Port> ports) {
  std::vector<PortText> out;
  out.reserve(ports.size());  // dim_pointers point into its elements
  for (const runtime::Port& p : ports) {
    PortText& t = out.emplace_back();
    t.name = p.name;
    t.dtype = static_cast<etch_dtype>(p.type.dtype);
    for (Dim d : p.type.shape) {
      t.sizes.push_back(d.is_const() ? d.value() : -1);
      t.dims.push_back(to_text(d));
    }
    for (const std::string& d : t.dims) t.dim_pointers.push_back(d.c_str());
  }
  return out;
}

}  // namespace

struct etch_program {
  explicit etch_program(runtime::Artifact a)
      : artifact(std::move(a)),
        program(runtime::Program::build(std::move(artifact.graph),
                                        {.level = artifact.level, .vendor_optional = true})) {
    artifact.graph = ir::Graph();
    ports[ETCH_INPUT] = describe(program.inputs());
    ports[ETCH_OUTPUT] = describe(program.outputs());
    ports[ETCH_STATE] = describe(program.states());
  }
  runtime::Artifact artifact;  // all but the graph, which the program has
  runtime::Program program;
  std::vector<PortText> ports[3];
};

struct etch_state {
  runtime::State state;
};

struct etch_context {
  explicit etch_context(const runtime::Program& p) : context(p), outputs(p.outputs().size()) {}
  runtime::Context context;
  size_t outputs;
};

namespace {

thread_local char last_error[2048] = "";

etch_status failed(etch_status status, const char* text) {
  std::strncpy(last_error, text, sizeof last_error - 1);
  last_error[sizeof last_error - 1] = '\0';
  return status;
}

/// Runs `f`; exceptions become a status and a text.
etch_status guarded(FunctionRef<void()> f) noexcept {
  try {
    f();
    return ETCH_OK;
  } catch (const UserError& e) {
    switch (e.kind()) {
      case ErrorKind::Usage:
        return failed(ETCH_USAGE, e.what());
      case ErrorKind::Unreadable:
        return failed(ETCH_UNREADABLE, e.what());
      case ErrorKind::Unavailable:
        return failed(ETCH_UNAVAILABLE, e.what());
    }
    return failed(ETCH_INTERNAL, e.what());
  } catch (const std::bad_alloc&) {
    return failed(ETCH_UNAVAILABLE, "[memory] out of memory");
  } catch (const std::exception& e) {
    return failed(ETCH_INTERNAL, e.what());
  } catch (...) {
    return failed(ETCH_INTERNAL, "an unknown exception");
  }
}

template <class T>
T& need(T* pointer, const char* what) {
  if (pointer == nullptr) fail("etch", cat(what, " is NULL"));
  return *pointer;
}

DType dtype_of_id(etch_dtype id) {
  int n = static_cast<int>(id);
  if (n < 0 || n >= kDTypeCount || !contains(kSupported, static_cast<DType>(n))) {
    fail("etch", cat("element type ", n, " is none of ETCH_BOOL to ETCH_F64"));
  }
  return static_cast<DType>(n);
}

runtime::InputView view_of_input(const etch_input& in) {
  if (in.rank < 0 || in.rank > ETCH_MAX_RANK || (in.rank > 0 && in.sizes == nullptr)) {
    fail("etch", cat("an input of rank ", in.rank, in.sizes == nullptr ? " without sizes" : ""));
  }
  auto rank = static_cast<size_t>(in.rank);
  for (size_t a = 0; a < rank; ++a) {
    if (in.sizes[a] < 0) fail("etch", cat("an input with size ", in.sizes[a], " on axis ", a));
  }
  runtime::InputView v{in.data, dtype_of_id(in.dtype), {in.sizes, rank}, {}};
  if (in.strides != nullptr) v.strides = {in.strides, rank};
  return v;
}

constexpr size_t kFewPorts = 32;  // more take memory from the heap

/// The views of all inputs.
class Inputs {
 public:
  Inputs(const etch_input* inputs, size_t count) {
    if (count > 0) need(inputs, "inputs");
    for (size_t i = 0; i < count; ++i) views_.push_back(view_of_input(inputs[i]));
  }
  std::span<const runtime::InputView> views() const { return views_; }

 private:
  SmallVec<runtime::InputView, kFewPorts> views_;
};

/// For programs that have none.
const runtime::State& state_or_none(const etch_state* state) {
  static const runtime::State none;
  return state == nullptr ? none : state->state;
}

const Tensor& state_tensor(const etch_state* state, const char* name) {
  const runtime::State& s = need(state, "state").state;
  int at = s.find(&need(name, "name"));
  if (at < 0) fail("etch", cat("the state has no tensor '", name, "'"));
  return s.at(static_cast<size_t>(at));
}

size_t bytes_of(const Tensor& t) {
  const runtime::TensorImpl& i = runtime::impl(t);
  return static_cast<size_t>(i.numel) * itemsize(i.dtype);
}

}  // namespace

extern "C" {

int etch_rt_api(void) { return ETCH_RT_API; }
const char* etch_rt_version(void) { return ETCH_VERSION_TEXT; }
const char* etch_last_error(void) { return last_error; }

etch_status etch_set_num_threads(int count) {
  return guarded([&] { runtime::set_num_threads(count); });
}

etch_status etch_program_load(const char* path, etch_program** out) {
  return guarded([&] {
    need(out, "out") = nullptr;
    *out = new etch_program(runtime::load_artifact(&need(path, "path")));
  });
}

etch_status etch_program_load_from_memory(const void* data, size_t bytes, etch_program** out) {
  return guarded([&] {
    need(out, "out") = nullptr;
    auto* first = &need(static_cast<const std::byte*>(data), "data");
    runtime::Bytes file = runtime::Bytes::copy(std::span<const std::byte>(first, bytes));
    *out = new etch_program(runtime::decode_artifact(file, "memory"));
  });
}

etch_status etch_program_save(const etch_program* program, const etch_state* state,
                              const char* path) {
  return guarded([&] {
    runtime::Artifact a = need(program, "program").artifact;
    a.graph = program->program.graph();
    if (state != nullptr) a.state = state->state.clone();
    runtime::save_artifact(&need(path, "path"), a);
  });
}

void etch_program_free(etch_program* program) { delete program; }

size_t etch_program_count(const etch_program* program, etch_port_kind kind) {
  if (program == nullptr || kind < ETCH_INPUT || kind > ETCH_STATE) return 0;
  return program->ports[kind].size();
}

etch_status etch_program_port(const etch_program* program, etch_port_kind kind, size_t index,
                              etch_port* out) {
  return guarded([&] {
    need(program, "program");
    if (index >= etch_program_count(program, kind)) {
      fail("etch", cat("there is no port number ", index, " of that kind"));
    }
    const PortText& t = program->ports[kind][index];
    need(out, "out") = {t.name.c_str(), t.dtype, static_cast<int32_t>(t.sizes.size()),
                        t.sizes.data(), t.dim_pointers.data()};
  });
}

etch_status etch_state_create(const etch_program* program, etch_state** out) {
  return guarded([&] {
    need(out, "out") = nullptr;
    *out = new etch_state{need(program, "program").artifact.state.clone()};
  });
}

etch_status etch_state_clone(const etch_state* state, etch_state** out) {
  return guarded([&] {
    need(out, "out") = nullptr;
    *out = new etch_state{need(state, "state").state.clone()};
  });
}

void etch_state_free(etch_state* state) { delete state; }

etch_status etch_state_save(const etch_state* state, const char* path) {
  return guarded([&] { need(state, "state").state.save(&need(path, "path")); });
}

etch_status etch_state_load(etch_state* state, const char* path) {
  return guarded([&] { need(state, "state").state.load(&need(path, "path")); });
}

etch_status etch_state_set(etch_state* state, const char* name, const etch_input* value) {
  return guarded([&] {
    runtime::State& s = need(state, "state").state;
    runtime::InputView v = view_of_input(need(value, "value"));
    if (v.data == nullptr) fail("etch", cat("the data of '", &need(name, "name"), "' is NULL"));
    Tensor outer = runtime::tensor_on(nullptr, v.data, v.dtype, v.sizes);
    if (!v.strides.empty()) {
      auto* data = const_cast<void*>(v.data);
      outer = Tensor(runtime::new_view(runtime::impl(outer), v.sizes, v.strides, data));
    }
    s.set(&need(name, "name"), outer);
  });
}

etch_status etch_state_info(const etch_state* state, const char* name, etch_dtype* dtype,
                            int32_t* rank, int64_t* sizes, size_t* bytes) {
  return guarded([&] {
    const runtime::TensorImpl& t = runtime::impl(state_tensor(state, name));
    if (dtype != nullptr) *dtype = static_cast<etch_dtype>(t.dtype);
    if (rank != nullptr) *rank = static_cast<int32_t>(t.sizes.size());
    if (sizes != nullptr) std::copy(t.sizes.begin(), t.sizes.end(), sizes);
    if (bytes != nullptr) *bytes = bytes_of(state_tensor(state, name));
  });
}

etch_status etch_state_get(const etch_state* state, const char* name, void* data, size_t bytes) {
  return guarded([&] {
    runtime::State::Use use(need(state, "state").state, false);
    const Tensor& t = state_tensor(state, name);
    size_t size = bytes_of(t);
    if (bytes < size) fail("etch", cat("'", name, "' takes ", size, " bytes, got ", bytes));
    if (size > 0) std::memcpy(&need(static_cast<char*>(data), "data"), runtime::impl(t).data, size);
  });
}

etch_status etch_context_create(const etch_program* program, etch_context** out) {
  return guarded([&] {
    need(out, "out") = nullptr;
    *out = new etch_context(need(program, "program").program);
  });
}

void etch_context_free(etch_context* context) { delete context; }

etch_status etch_bind(const etch_program* program, const etch_state* state, etch_context* context,
                      const etch_input* inputs, size_t input_count) {
  return guarded([&] {
    Inputs in(inputs, input_count);
    need(program, "program")
        .program.bind(state_or_none(state), need(context, "context").context, in.views());
  });
}

etch_status etch_output_size(const etch_context* context, size_t index, int64_t* sizes,
                             size_t* bytes) {
  return guarded([&] {
    if (index >= need(context, "context").outputs) {
      fail("etch", cat("there is no output number ", index));
    }
    std::span<const int64_t> s = context->context.output_sizes(index);
    if (sizes != nullptr) std::copy(s.begin(), s.end(), sizes);
    if (bytes != nullptr) *bytes = context->context.output_bytes(index);
  });
}

etch_status etch_run(const etch_program* program, etch_state* state, etch_context* context,
                     const etch_input* inputs, size_t input_count, const etch_output* outputs,
                     size_t output_count) {
  return guarded([&] {
    Inputs in(inputs, input_count);
    SmallVec<runtime::OutputView, kFewPorts> out;
    if (output_count > 0) need(outputs, "outputs");
    for (size_t i = 0; i < output_count; ++i) out.push_back({outputs[i].data, outputs[i].bytes});
    const runtime::Program& p = need(program, "program").program;
    runtime::Context& c = need(context, "context").context;
    if (p.writes_state()) {
      p.run(need(state, "state").state, c, in.views(), out);
    } else {
      p.run(state_or_none(state), c, in.views(), out);
    }
  });
}

}  // extern "C"
