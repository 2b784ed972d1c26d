#include "data.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <random>
#include <vector>

namespace digits {
namespace {

constexpr int64_t kTest = 360;
constexpr size_t kPixels = 64;

struct Row {
  std::array<float, kPixels> pixels;
  int64_t label;
};

std::string unzip(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) etch::fail_file("digits", path, "cannot be opened", "Is the path right?");
  std::string text;
  char buffer[1 << 16];
  for (int n = 1; n > 0;) {
    n = gzread(file, buffer, sizeof buffer);
    if (n < 0) {
      gzclose(file);
      etch::fail_file("digits", path, "is not a whole gzip file");
    }
    text.append(buffer, static_cast<size_t>(n));
  }
  gzclose(file);
  return text;
}

Row parse(const char*& at, const char* end, const std::string& path, size_t line) {
  Row row{};
  for (size_t i = 0; i <= kPixels; ++i) {
    int value = -1;
    auto r = std::from_chars(at, end, value);
    bool last = i == kPixels;
    bool ok = r.ec == std::errc() && value >= 0 && value <= (last ? 9 : 16) && r.ptr != end &&
              *r.ptr == (last ? '\n' : ',');
    if (!ok) {
      etch::fail_file("digits", etch::cat(path, ":", line),
                      "expected 64 pixels from 0 to 16 and a digit, separated by commas");
    }
    at = r.ptr + 1;
    if (last) {
      row.label = value;
    } else {
      row.pixels[i] = static_cast<float>(value) / 16.0f;
    }
  }
  return row;
}

etch::Tensor images(const std::vector<Row>& rows, size_t begin, size_t end) {
  std::vector<float> values;
  for (size_t i = begin; i < end; ++i) {
    values.insert(values.end(), rows[i].pixels.begin(), rows[i].pixels.end());
  }
  return etch::from_vector(values, {end - begin, 1, 8, 8});
}

etch::Tensor labels(const std::vector<Row>& rows, size_t begin, size_t end) {
  std::vector<int64_t> values;
  for (size_t i = begin; i < end; ++i) values.push_back(rows[i].label);
  return etch::from_vector(values, {end - begin});
}

}  // namespace

Data load(const std::string& path, uint64_t seed) {
  std::string text = unzip(path);
  std::vector<Row> rows;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) rows.push_back(parse(at, end, path, rows.size() + 1));
  if (rows.size() <= kTest) etch::fail_file("digits", path, "has too few rows");
  // Fisher-Yates by hand: std::shuffle's order depends on the standard library.
  std::mt19937_64 random(seed);
  for (size_t i = rows.size() - 1; i > 0; --i) std::swap(rows[i], rows[random() % (i + 1)]);
  size_t split = rows.size() - kTest;
  return {images(rows, 0, split), labels(rows, 0, split), images(rows, split, rows.size()),
          labels(rows, split, rows.size())};
}

std::string draw(const float* pixels) {
  static const char* kShades[] = {"  ", "..", "oo", "OO", "##"};
  std::string out;
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) {
      out += kShades[std::min(4, static_cast<int>(pixels[y * 8 + x] * 5))];
    }
    out += '\n';
  }
  return out;
}

}  // namespace digits
