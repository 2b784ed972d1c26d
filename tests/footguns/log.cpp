#include <cmath>
#include <cstdio>

#include "tests/footguns/footgun.h"

namespace etch::footguns {
namespace {

template <class T>
std::string number(T v) {
  char text[64];
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(v)) return "nan";
    std::snprintf(text, sizeof(text), sizeof(T) == 4 ? "%.9g" : "%.17g", static_cast<double>(v));
    return text;
  }
  return std::to_string(v);
}

template <class T>
std::string elements(const Tensor& t) {
  std::string out;
  if constexpr (std::is_same_v<T, bool>) {
    for (int64_t v : t.to(DType::I64).to_vector<int64_t>()) out += " " + number(v);
  } else {
    for (T v : t.to_vector<T>()) out += " " + number(v);
  }
  return out;
}

std::string elements_of(const Tensor& t) {
  switch (t.dtype()) {
    case DType::Bool:
      return elements<bool>(t);
    case DType::U8:
      return elements<uint8_t>(t);
    case DType::U16:
      return elements<uint16_t>(t);
    case DType::U32:
      return elements<uint32_t>(t);
    case DType::U64:
      return elements<uint64_t>(t);
    case DType::I8:
      return elements<int8_t>(t);
    case DType::I16:
      return elements<int16_t>(t);
    case DType::I32:
      return elements<int32_t>(t);
    case DType::I64:
      return elements<int64_t>(t);
    case DType::F64:
      return elements<double>(t);
    default:
      return elements<float>(t);
  }
}

}  // namespace

void Log::emit(const std::string& label, const Tensor& t) {
  text_ += label + ": ";
  if (!t.defined()) {
    text_ += "undefined\n";
    return;
  }
  text_ += cat(t.dtype(), "[");
  for (int64_t n : t.sizes()) text_ += cat(n, " ");
  text_ += "]" + elements_of(t) + (t.requires_grad() ? " grad\n" : "\n");
}

void Log::emit(const std::string& label, int64_t n) { text_ += cat(label, ": ", n, "\n"); }

void Log::attempt(const std::function<void()>& f) {
  try {
    f();
    text_ += "no error\n";
  } catch (const UserError& e) {
    text_ += "error at " + place_in(e.what()) + "\n";
  } catch (const std::runtime_error& e) {
    text_ += cat("exception ", e.what(), "\n");
  }
}

std::vector<Program>& programs() {
  static std::vector<Program> list;
  return list;
}

bool add(Program program) {
  programs().push_back(std::move(program));
  return true;
}

std::string place_in(const std::string& text) {
  const size_t dot = text.find(".cpp:");
  if (dot == std::string::npos) return "";
  const size_t start = text.find_last_of(" (/", dot) + 1;
  return text.substr(start, text.find_first_not_of("0123456789", dot + 5) - start);
}

Tensor ramp(SizeArgs sizes, double scale) {
  int64_t n = 1;
  for (Dim d : sizes.shape()) n *= d.value();
  std::vector<float> v;
  for (int64_t i = 1; i <= n; ++i) v.push_back(static_cast<float>(scale * static_cast<double>(i)));
  return from_vector(v, sizes);
}

}  // namespace etch::footguns
