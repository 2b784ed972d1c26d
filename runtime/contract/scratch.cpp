#include "runtime/contract/scratch.h"

#include <algorithm>
#include <new>

namespace etch::runtime::contract {

void Scratch::Free::operator()(void* p) const { ::operator delete(p, std::align_val_t{kAlign}); }

void* Scratch::get(size_t bytes) {
  if (bytes > bytes_) {
    const size_t grown = std::max(bytes, bytes_ + bytes_ / 2);
    owned_.reset();
    data_ = nullptr;
    bytes_ = 0;
    owned_.reset(::operator new(grown, std::align_val_t{kAlign}));
    data_ = owned_.get();
    bytes_ = grown;
  }
  return data_;
}

}  // namespace etch::runtime::contract
