// The digits data set and a seeded split of it.
#pragma once

#include <string>

#include "etch/tensor.h"

namespace digits {

struct Data {
  etch::Tensor train_x, train_y;  // [n, 1, 8, 8] f32 in [0, 1], [n] i64
  etch::Tensor test_x, test_y;
};

/// Reads the gzipped CSV and shuffles it by `seed`; the last 360 rows are the test set. Throws
/// etch::UserError naming file and line when the file is not what it should be.
Data load(const std::string& path, uint64_t seed);

/// The image as five shades of text, one line per row.
std::string draw(const float* pixels);

}  // namespace digits
