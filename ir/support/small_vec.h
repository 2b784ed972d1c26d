// A vector of trivially copyable items with inline room for N.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>
#include <span>
#include <type_traits>

namespace etch {

template <class T, size_t N>
class SmallVec {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  using value_type = T;

  SmallVec() = default;
  SmallVec(std::initializer_list<T> items) { append(items.begin(), items.size()); }
  explicit SmallVec(std::span<const T> items) { append(items.data(), items.size()); }
  SmallVec(size_t count, const T& value) { resize(count, value); }
  SmallVec(const SmallVec& other) { append(other.data(), other.size()); }
  SmallVec(SmallVec&& other) noexcept { take(other); }
  SmallVec& operator=(const SmallVec& other) {
    if (this != &other) {
      size_ = 0;
      append(other.data(), other.size());
    }
    return *this;
  }
  SmallVec& operator=(SmallVec&& other) noexcept {
    if (this != &other) {
      if (heap_ != nullptr) std::free(heap_);
      heap_ = nullptr;
      take(other);
    }
    return *this;
  }
  ~SmallVec() {
    if (heap_ != nullptr) std::free(heap_);
  }

  T* data() { return heap_ != nullptr ? heap_ : reinterpret_cast<T*>(inline_); }
  const T* data() const { return heap_ != nullptr ? heap_ : reinterpret_cast<const T*>(inline_); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& back() { return data()[size_ - 1]; }
  const T& back() const { return data()[size_ - 1]; }
  const T& front() const { return data()[0]; }
  operator std::span<const T>() const { return {data(), size_}; }  // NOLINT

  void push_back(T value) {
    reserve(size_ + 1);
    new (data() + size_) T(value);
    ++size_;
  }
  void pop_back() { --size_; }
  void clear() { size_ = 0; }
  void resize(size_t count, const T& value = T()) {
    reserve(count);
    for (size_t i = size_; i < count; ++i) new (data() + i) T(value);
    size_ = static_cast<uint32_t>(count);
  }
  void insert(size_t at, T value) {
    push_back(value);
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(size_t at) {
    std::copy(begin() + at + 1, end(), begin() + at);
    --size_;
  }
  void append(const T* items, size_t count) {
    reserve(size_ + count);
    if (count != 0) std::memcpy(static_cast<void*>(data() + size_), items, count * sizeof(T));
    size_ += static_cast<uint32_t>(count);
  }
  void reserve(size_t count) {
    if (count <= capacity_) return;
    size_t grown = std::max<size_t>(count, size_t{capacity_} * 2);
    T* fresh = static_cast<T*>(std::malloc(grown * sizeof(T)));
    if (fresh == nullptr) throw std::bad_alloc();
    std::memcpy(static_cast<void*>(fresh), data(), size_ * sizeof(T));
    if (heap_ != nullptr) std::free(heap_);
    heap_ = fresh;
    capacity_ = static_cast<uint32_t>(grown);
  }
  friend bool operator==(const SmallVec& a, const SmallVec& b)
    requires requires(const T& x) { x == x; }
  {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  void take(SmallVec& other) {
    size_ = other.size_;
    capacity_ = other.capacity_;
    heap_ = other.heap_;
    if (heap_ == nullptr) std::memcpy(inline_, other.inline_, sizeof inline_);
    other.heap_ = nullptr;
    other.size_ = 0;
    other.capacity_ = N;
  }

  uint32_t size_ = 0;
  uint32_t capacity_ = N;
  T* heap_ = nullptr;
  alignas(T) std::byte inline_[N * sizeof(T)];
};

}  // namespace etch
