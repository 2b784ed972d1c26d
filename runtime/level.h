// How close results must be to the definition.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace etch {

/// Exact: the bits of the numerics contract, on every engine. Fast: contractions may run in a
/// library that adds in an order of its own; results are close, and may differ between machines,
/// thread counts and batch splits.
enum class Level : uint8_t { Exact, Fast };

constexpr std::string_view name(Level level) { return level == Level::Fast ? "fast" : "exact"; }
constexpr std::optional<Level> level_from_name(std::string_view text) {
  for (Level level : {Level::Exact, Level::Fast}) {
    if (name(level) == text) return level;
  }
  return std::nullopt;
}

}  // namespace etch
