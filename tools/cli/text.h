// Words, numbers and columns for people.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace etch::cli {

/// The known name closest to `given` by edit distance (capitals count as small letters), or "" when
/// none is close.
std::string nearest(std::string_view given, std::span<const std::string> known);
/// "Did you mean X? There are: a, b, c", or without the question.
std::string nearest_hint(std::string_view given, std::span<const std::string> known,
                         std::string_view kind);

/// "38.4 KiB".
std::string bytes_text(uint64_t bytes);
/// `digits` significant digits: "0.00123".
std::string number_text(double v, int digits = 4);
std::string join(std::span<const std::string> items, std::string_view between = ", ");
std::vector<std::string> split(std::string_view text, char at);
/// UserError when `path` ends like another kind of file than the one to be written.
void check_output_name(std::string_view option, const std::string& path, std::string_view ending);
/// A whole number of 64 bits; UserError naming `what` otherwise.
int64_t whole_number(std::string_view text, std::string_view tag, const std::string& what);

/// Rows in aligned columns, two spaces apart, each line indented by `indent`.
class Columns {
 public:
  explicit Columns(int indent = 2) : indent_(indent) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  std::string text() const;

 private:
  int indent_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace etch::cli
