#include "ir/support/text.h"

namespace etch::detail {

std::string concatenate(std::span<const TextPiece> pieces) {
  std::string out;
  for (const TextPiece& p : pieces) p.append(out, p.value);
  return out;
}

}  // namespace etch::detail
