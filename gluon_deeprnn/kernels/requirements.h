// What operators require of their inputs: shapes, attributes and tokens, with the messages for what does not fit.
#ifndef GLUON_DEEPRNN_REQUIREMENTS_H_
#define GLUON_DEEPRNN_REQUIREMENTS_H_

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "abi.h"

namespace gluon_deeprnn {
namespace {

constexpr unsigned kUnknown = -1;  // a size that MXNet asks for
constexpr uint64_t kMostElements = kUnknown - 1;

using Dims = std::vector<uint64_t>;

inline std::string text_of(const Dims& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

inline void require(bool condition, const std::string& name, const std::string& rule, const std::string& got) {
  if (!condition) throw std::invalid_argument(name + " must be " + rule + "; got " + got);
}
inline void require_shape(const std::string& name, const Dims& expected, const Dims& found) {
  require(found == expected, name, "of shape " + text_of(expected), text_of(found));
}

inline bool flag_of(const Attributes& attributes, const char* name) {
  const std::string value = attributes.at(name);
  require(value == "0" || value == "1", name, "0 or 1", value);
  return value == "1";
}

inline float number_of(const Attributes& attributes, const char* name) {
  const std::string value = attributes.at(name);
  char* end = nullptr;
  const float number = std::strtof(value.c_str(), &end);
  require(!value.empty() && *end == 0 && number >= 0, name, "a number of at least 0", value);
  return number;
}

constexpr uint64_t kMost = std::numeric_limits<int>::max();
inline bool are_positive(const Dims& dims) {
  return std::all_of(dims.begin(), dims.end(), [](uint64_t size) { return 0 < size && size <= kMost; });
}

inline void require_tokens(const char* name, const int32_t* tokens, size_t count, int vocab_size) {
  int32_t least = 0, most = 0;
  for (size_t i = 0; i < count; ++i) least = std::min(least, tokens[i]), most = std::max(most, tokens[i]);
  require(least >= 0 && most < vocab_size, name, "at least 0 and below " + std::to_string(vocab_size),
          std::to_string(least < 0 ? least : most));
}

inline Dims dims_of(const Shape& shape) { return Dims(shape.begin(), shape.end()); }
inline Dims dims_of(const Array& array) { return Dims(array.shape, array.shape + array.num_axes); }

template <typename Kind>
std::unique_ptr<Computation> create(const Attributes& attributes) {
  return std::make_unique<Kind>(attributes);
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_REQUIREMENTS_H_
