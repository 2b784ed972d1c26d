// Where a symbolic size is just becoming a raw number.
#pragma once

namespace etch {

/// An address in the code that converts, while a DimResolver answers this thread's conversion; null
/// otherwise. With debug information it tells the line, which a conversion has no other way to say.
const void*& converting_at();

}  // namespace etch
