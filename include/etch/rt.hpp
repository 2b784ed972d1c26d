// The C++ face of etch/rt.h: owning handles and exceptions, header-only, C++17.
//
//   etch::rt::Program net("net.etch");
//   etch::rt::Session session(net);
//   std::vector<etch::rt::Array> y = session.run({etch::rt::view(pixels, {1, 3, 224, 224})});
//   const float* scores = y[0].as<float>();
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "etch/rt.h"

namespace etch::rt {

/// A call that failed; what() is etch_last_error().
class Error : public std::runtime_error {
 public:
  explicit Error(etch_status status) : std::runtime_error(etch_last_error()), status_(status) {}
  etch_status status() const { return status_; }

 private:
  etch_status status_;
};

inline void check(etch_status status) {
  if (status != ETCH_OK) throw Error(status);
}

template <class T>
constexpr etch_dtype dtype_id() {
  if constexpr (std::is_same_v<T, bool>)
    return ETCH_BOOL;
  else if constexpr (std::is_same_v<T, float>)
    return ETCH_F32;
  else if constexpr (std::is_same_v<T, double>)
    return ETCH_F64;
  else {
    static_assert(std::is_integral_v<T> && sizeof(T) <= 8, "no element type for this C++ type");
    constexpr int log = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return static_cast<etch_dtype>(1 + 2 * log + (std::is_signed_v<T> ? 1 : 0));
  }
}

inline size_t item_bytes(etch_dtype t) {
  switch (t) {
    case ETCH_BOOL:
    case ETCH_U8:
    case ETCH_I8:
      return 1;
    case ETCH_U16:
    case ETCH_I16:
      return 2;
    case ETCH_U32:
    case ETCH_I32:
    case ETCH_F32:
      return 4;
    default:
      return 8;
  }
}

/// A tensor in memory of the caller, who keeps it alive. No strides means row-major.
struct View {
  const void* data = nullptr;
  etch_dtype dtype = ETCH_F32;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;  // in elements
  etch_input c() const {
    return {data, dtype, static_cast<int32_t>(sizes.size()), sizes.data(),
            strides.empty() ? nullptr : strides.data()};
  }
};
template <class T>
View view(const T* data, std::vector<int64_t> sizes, std::vector<int64_t> strides = {}) {
  return {data, dtype_id<T>(), std::move(sizes), std::move(strides)};
}
template <class T>
View view(const std::vector<T>& data, std::vector<int64_t> sizes) {
  return view(data.data(), std::move(sizes));
}

/// A tensor with memory of its own, row-major.
struct Array {
  etch_dtype dtype = ETCH_F32;
  std::vector<int64_t> sizes;
  std::vector<double> memory;  // doubles for their alignment
  size_t bytes = 0;

  void resize(size_t byte_count) {
    bytes = byte_count;
    memory.resize((byte_count + 7) / 8);
  }
  /// The elements; throws std::invalid_argument when T is another type.
  template <class T>
  const T* as() const {
    if (dtype != dtype_id<T>()) throw std::invalid_argument("the array holds another element type");
    return reinterpret_cast<const T*>(memory.data());
  }
  size_t size() const { return bytes / item_bytes(dtype); }
};

namespace detail {
struct Free {
  void operator()(etch_program* p) const { etch_program_free(p); }
  void operator()(etch_state* p) const { etch_state_free(p); }
  void operator()(etch_context* p) const { etch_context_free(p); }
};
}  // namespace detail

/// What a program takes or gives.
struct Port {
  std::string name;
  etch_dtype dtype;
  std::vector<std::string> dims;  // "64", "N"
};

/// An immutable program; copies share it. Any thread.
class Program {
 public:
  explicit Program(const std::string& path) {
    etch_program* p = nullptr;
    check(etch_program_load(path.c_str(), &p));
    handle_.reset(p, detail::Free());
  }
  static Program from_memory(const void* data, size_t bytes) {
    etch_program* p = nullptr;
    check(etch_program_load_from_memory(data, bytes, &p));
    return Program(p);
  }
  std::vector<Port> inputs() const { return ports(ETCH_INPUT); }
  std::vector<Port> outputs() const { return ports(ETCH_OUTPUT); }
  std::vector<Port> states() const { return ports(ETCH_STATE); }
  const etch_program* get() const { return handle_.get(); }

 private:
  explicit Program(etch_program* p) : handle_(p, detail::Free()) {}
  std::vector<Port> ports(etch_port_kind kind) const {
    std::vector<Port> out;
    for (size_t i = 0; i < etch_program_count(get(), kind); ++i) {
      etch_port p;
      check(etch_program_port(get(), kind, i, &p));
      out.push_back({p.name, p.dtype, {p.dims, p.dims + p.rank}});
    }
    return out;
  }
  std::shared_ptr<etch_program> handle_;
};

/// A program's tensors between runs.
class State {
 public:
  explicit State(const Program& program) {
    etch_state* s = nullptr;
    check(etch_state_create(program.get(), &s));
    handle_.reset(s);
  }
  State clone() const {
    etch_state* s = nullptr;
    check(etch_state_clone(get(), &s));
    return State(s);
  }
  void save(const std::string& path) const { check(etch_state_save(get(), path.c_str())); }
  void load(const std::string& path) { check(etch_state_load(get(), path.c_str())); }
  void set(const std::string& name, const View& value) {
    etch_input in = value.c();
    check(etch_state_set(get(), name.c_str(), &in));
  }
  Array get(const std::string& name) const {
    Array out;
    int32_t rank = 0;
    size_t bytes = 0;
    out.sizes.resize(ETCH_MAX_RANK);
    check(etch_state_info(get(), name.c_str(), &out.dtype, &rank, out.sizes.data(), &bytes));
    out.sizes.resize(static_cast<size_t>(rank));
    out.resize(bytes);
    check(etch_state_get(get(), name.c_str(), out.memory.data(), bytes));
    return out;
  }
  /// Writes program and state, to go on from there later.
  void save_program(const Program& program, const std::string& path) const {
    check(etch_program_save(program.get(), get(), path.c_str()));
  }
  etch_state* get() const { return handle_.get(); }

 private:
  explicit State(etch_state* s) : handle_(s) {}
  std::unique_ptr<etch_state, detail::Free> handle_;
};

/// The memory of calls to one program; one call at a time.
class Context {
 public:
  explicit Context(const Program& program) {
    etch_context* c = nullptr;
    check(etch_context_create(program.get(), &c));
    handle_.reset(c);
  }
  etch_context* get() const { return handle_.get(); }

 private:
  std::unique_ptr<etch_context, detail::Free> handle_;
};

/// Runs and returns fresh arrays.
inline std::vector<Array> run(const Program& program, State& state, Context& context,
                              const std::vector<View>& inputs) {
  std::vector<etch_input> in;
  for (const View& v : inputs) in.push_back(v.c());
  check(etch_bind(program.get(), state.get(), context.get(), in.data(), in.size()));
  std::vector<Array> out(etch_program_count(program.get(), ETCH_OUTPUT));
  std::vector<etch_output> room;
  for (size_t i = 0; i < out.size(); ++i) {
    etch_port port;
    check(etch_program_port(program.get(), ETCH_OUTPUT, i, &port));
    out[i].dtype = port.dtype;
    out[i].sizes.resize(static_cast<size_t>(port.rank));
    size_t bytes = 0;
    check(etch_output_size(context.get(), i, out[i].sizes.data(), &bytes));
    out[i].resize(bytes);
    room.push_back({out[i].memory.data(), bytes});
  }
  check(etch_run(program.get(), state.get(), context.get(), in.data(), in.size(), room.data(),
                 room.size()));
  return out;
}

/// A program with a state and a context of its own.
class Session {
 public:
  explicit Session(Program p) : program(std::move(p)), state(program), context(program) {}
  std::vector<Array> run(const std::vector<View>& inputs) {
    return rt::run(program, state, context, inputs);
  }
  Program program;
  State state;
  Context context;
};

}  // namespace etch::rt
