#include "tools/cli/text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>

#include "ir/support/error.h"

namespace etch::cli {

namespace {

/// Letters added, left out, changed, or swapped with a neighbour.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      size_t change = above[j] + (a[i] == b[j] ? 0 : 1);
      row[j + 1] = std::min({change, row[j] + 1, above[j + 1] + 1});
      bool swapped = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
      if (swapped) row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above.back();
}

/// Capitals are no reason to miss a name.
std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Columns that a UTF-8 text takes.
size_t width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string nearest(std::string_view given, std::span<const std::string> known) {
  std::string best;
  size_t limit = std::max<size_t>(2, given.size() / 3), least = limit + 1;
  // A long text is no slip of the finger, and the distance takes quadratic time.
  if (given.size() > 64) return best;
  for (const std::string& k : known) {
    size_t d = edit_distance(lower(given), lower(k));
    if (d < least && d < std::max(given.size(), k.size())) {
      least = d;
      best = k;
    }
  }
  return best;
}

std::string nearest_hint(std::string_view given, std::span<const std::string> known,
                         std::string_view kind) {
  if (known.empty()) return cat("There are no ", kind);
  if (known.size() == 1) return cat("The only one of the ", kind, " is ", known[0]);
  std::string close = nearest(given, known);
  std::string list = cat("The ", kind, " are ", join(known));
  return close.empty() ? list : cat("Did you mean ", close, "? ", list);
}

std::string bytes_text(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double v = static_cast<double>(bytes);
  int unit = 0;
  while (v >= 1024 && unit < 6) {
    v /= 1024;
    ++unit;
  }
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, unit == 0 ? "%.0f %s" : "%.1f %s", v, kUnits[unit]);
  return buffer;
}

std::string number_text(double v, int digits) {
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, "%.*g", digits, v);
  return buffer;
}

std::string join(std::span<const std::string> items, std::string_view between) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i != 0) out += between;
    out += items[i];
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  while (true) {
    size_t end = text.find(at);
    out.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

void check_output_name(std::string_view option, const std::string& path, std::string_view ending) {
  for (std::string_view other : {".etch", ".onnx", ".npz", ".npy", ".safetensors", ".so"}) {
    if (other == ending || !path.ends_with(other)) continue;
    fail("usage", cat(option, " ", path, ": the file would not be what ", other, " says"),
         cat("Name it ", path.substr(0, path.size() - other.size()), ending));
  }
}

int64_t whole_number(std::string_view text, std::string_view tag, const std::string& what) {
  int64_t v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    fail(tag, cat(what, ": expected a whole number, got \"", text, "\""));
  }
  return v;
}

std::string Columns::text() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    if (widths.size() < row.size()) widths.resize(row.size());
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line(static_cast<size_t>(indent_), ' ');
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width(row[i]) + 2, ' ');
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += line + "\n";
  }
  return out;
}

}  // namespace etch::cli
