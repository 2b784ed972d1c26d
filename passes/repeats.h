// Finds what repeats in a sequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace etch::passes {

/// Elements [begin, end), each equal to the one `period` before it, if that is in the stretch too.
struct Repeat {
  size_t begin = 0;
  size_t end = 0;
  size_t period = 0;
  /// What one copy instead of all of them saves.
  size_t saved() const { return end - begin - period; }
};

/// Stretches of at least `count` periods, none shorter than `period`, that do not overlap: those
/// that save most first, so outer repetition goes before inner. Takes time linear in the sequence;
/// what repeats only after very different distances is not found.
std::vector<Repeat> find_repeats(std::span<const uint64_t> sequence, size_t period, size_t count);

}  // namespace etch::passes
