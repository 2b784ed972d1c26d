// CRC-32 as zip files use it (reflected polynomial 0xedb88320).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace etch::runtime {

/// `crc` is the result for what came before, 0 at the start.
uint32_t crc32(std::span<const std::byte> bytes, uint32_t crc = 0);

}  // namespace etch::runtime
