#include "runtime/program/state.h"

#include <algorithm>

#include "runtime/eager.h"
#include "runtime/io/safetensors.h"
#include "runtime/tensor_impl.h"

namespace etch::runtime {
namespace {

std::atomic<uint64_t> next_layout{1};
std::atomic<uint64_t> next_contents{1};

Tensor copy_of(const Tensor& t) {
  Tensor out(new_tensor(impl(t).dtype, impl(t).sizes));
  copy_elements(t, out);
  return out;
}

bool same_sizes(std::span<const int64_t> a, std::span<const int64_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

State::State(const State& other)
    : index_(other.index_), layout_(other.layout_), packed_(other.packed_) {
  Use use(other, false);
  for (const Entry& e : other.entries_) {
    // A live tensor may have changed since anybody said so.
    const uint64_t contents = e.live ? next_contents.fetch_add(1) : e.contents;
    entries_.push_back({e.name, copy_of(e.now), Tensor(), e.version, contents});
  }
}

State::State(State&& other) noexcept { swap(other); }
State& State::operator=(State other) noexcept {
  swap(other);
  return *this;
}

void State::swap(State& other) noexcept {
  entries_.swap(other.entries_);
  index_.swap(other.index_);
  std::swap(layout_, other.layout_);
  packed_.swap(other.packed_);
}

void State::changed(Entry& e) {
  packed_.drop(e.contents);
  e.contents = next_contents.fetch_add(1, std::memory_order_relaxed);
}

int State::find(std::string_view name) const {
  auto it = index_.find(std::string(name));
  return it == index_.end() ? -1 : static_cast<int>(it->second);
}

uint64_t State::contents(size_t i) const {
  const Entry& e = entries_[i];
  const bool unknown = e.live && impl(e.now).storage->exposed.load(std::memory_order_relaxed);
  return unknown ? 0 : e.contents;
}

void State::set(std::string_view name, const Tensor& value) {
  require_defined(value, "State::set");
  adopt(name, copy_of(value));
}

void State::adopt(std::string_view name, Tensor value) {
  require_defined(value, "State::set");
  if (!impl(value).contiguous) value = copy_of(value);
  Use use(*this, true);
  int at = find(name);
  if (at >= 0) {
    Entry& e = entries_[static_cast<size_t>(at)];
    e.now = std::move(value);
    e.live = false;
    touch(static_cast<size_t>(at));
    return;
  }
  index_.emplace(std::string(name), entries_.size());
  entries_.push_back({std::string(name), std::move(value), Tensor(), 1, 0});
  changed(entries_.back());
  layout_ = next_layout.fetch_add(1, std::memory_order_relaxed);
}

void State::attach(std::string_view name, Tensor live) {
  invariant(impl(live).contiguous, "State::attach() of a tensor that is not dense");
  adopt(name, std::move(live));
  entries_[static_cast<size_t>(find(name))].live = true;
}

Tensor State::get(std::string_view name) const {
  int at = find(name);
  if (at < 0) {
    fail("State::get", cat("there is no tensor '", name, "' among ", entries_.size()),
         "Set it first, or check the name");
  }
  Use use(*this, false);
  return copy_of(entries_[static_cast<size_t>(at)].now);
}

void State::save(const std::string& path) const {
  Use use(*this, false);
  SafeTensors content;
  for (const Entry& e : entries_) {
    const TensorImpl& t = impl(e.now);
    HostTensor& h = content.tensors[e.name];
    h.dtype = t.dtype;
    h.shape.assign(t.sizes.begin(), t.sizes.end());
    h.bytes = Bytes::borrow(
        {static_cast<const std::byte*>(t.data), static_cast<size_t>(t.numel) * itemsize(t.dtype)});
  }
  write_safetensors(path, content);
}

void State::load(const std::string& path, const IoLimits& limits) {
  SafeTensors content = read_safetensors(path, limits);
  if (!entries_.empty()) {
    for (const auto& [name, h] : content.tensors) {
      int at = find(name);
      if (at < 0) fail_file("state", path, cat("unexpected tensor '", name, "'"));
      const TensorImpl& t = impl(entries_[static_cast<size_t>(at)].now);
      if (t.dtype != h.dtype || !same_sizes(t.sizes, h.shape)) {
        fail_file("state", path,
                  cat("tensor '", name, "' is ", h.dtype, Sizes(h.shape), ", expected ", t.dtype,
                      t.sizes));
      }
    }
    for (const Entry& e : entries_) {
      if (!content.tensors.contains(e.name)) {
        fail_file("state", path, cat("tensor '", e.name, "' is missing"));
      }
    }
  }
  std::vector<std::pair<std::string, Tensor>> loaded;
  for (const auto& [name, h] : content.tensors) {
    loaded.emplace_back(name, copy_of(tensor_on(nullptr, h.bytes.data(), h.dtype, h.shape)));
  }
  for (auto& [name, t] : loaded) adopt(name, std::move(t));
}

State::Use::Use(const State& state, bool exclusive) : state_(state), exclusive_(exclusive) {
  int users = state_.users_.load(std::memory_order_relaxed);
  while (true) {
    if (users < 0 || (exclusive && users > 0)) {
      fail("State",
           users < 0 ? "it is being written by another run or call"
                     : cat("writing it needs it alone, but ", users, " runs read it"),
           "Give each writing thread its own State (clone())");
    }
    int then = exclusive ? -1 : users + 1;
    if (state_.users_.compare_exchange_weak(users, then, std::memory_order_acquire)) return;
  }
}

State::Use::~Use() {
  if (exclusive_) {
    state_.users_.store(0, std::memory_order_release);
  } else {
    state_.users_.fetch_sub(1, std::memory_order_release);
  }
}

void* State::stage(size_t i, DType dtype, std::span<const int64_t> sizes) {
  Entry& e = entries_[i];
  // Memory that a handle elsewhere still looks at is not written again.
  bool fits = e.next.defined() && impl(e.next).dtype == dtype &&
              same_sizes(impl(e.next).sizes, sizes) && impl(e.next).refs == 1 &&
              impl(e.next).storage->refs == 1 && impl(e.next).storage->keep_alive == nullptr;
  if (!fits) e.next = Tensor(new_tensor(dtype, sizes));
  return impl(e.next).data;
}

bool State::may_overwrite(size_t i) const {
  const Entry& e = entries_[i];
  const TensorImpl& t = impl(e.now);
  return e.live || (t.refs == 1 && t.storage->refs == 1 && t.storage->keep_alive == nullptr);
}

void State::touch(size_t i) {
  ++entries_[i].version;
  changed(entries_[i]);
}

void State::commit(size_t i) {
  Entry& e = entries_[i];
  if (e.live) {
    copy_elements(e.next, e.now);
  } else {
    std::swap(e.now, e.next);
  }
  touch(i);
}

}  // namespace etch::runtime
