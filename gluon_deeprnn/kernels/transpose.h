// Transposing a matrix a vector at a time.
#ifndef GLUON_DEEPRNN_TRANSPOSE_H_
#define GLUON_DEEPRNN_TRANSPOSE_H_

#include <algorithm>

#include "vectors.h"

namespace gluon_deeprnn {
namespace {

// Exchanges the halves of blocks of 2 * kDistance rows and columns that are not on the diagonal, then those of larger
// blocks: in the end, the square of kLanes rows is transposed.
template <int kDistance>
INLINED inline void exchange(Vector* rows) {
  if constexpr (kDistance < kLanes) {
    Integers upper, lower;
#pragma GCC unroll 16
    for (int j = 0; j < kLanes; ++j) {
      upper[j] = j & kDistance ? kLanes + j - kDistance : j;
      lower[j] = j & kDistance ? kLanes + j : j + kDistance;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if (i & kDistance) continue;
      const Vector one = rows[i], other = rows[i + kDistance];
      rows[i] = __builtin_shuffle(one, other, upper);
      rows[i + kDistance] = __builtin_shuffle(one, other, lower);
    }
    exchange<2 * kDistance>(rows);
  }
}

// A square, or less: num_rows and num_columns are at most kLanes.  `width` elements of each row of the result are
// written, zeros behind the first num_rows.
template <bool kIsWhole>
INLINED inline void transpose_square(const float* from, size_t from_stride, int num_rows, int num_columns, float* to,
                             size_t to_stride, int width) {
  Vector rows[kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if constexpr (kIsWhole)
      rows[i] = load(from + i * from_stride);
    else
      rows[i] = i < num_rows ? load(from + i * from_stride, num_columns) : Vector{};
  }
  exchange<1>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if constexpr (kIsWhole)
      store(to + i * to_stride, rows[i]);
    else if (i < num_columns)
      store(to + i * to_stride, rows[i], width);
  }
}

// to[column][row] = from[row][column].  is_padded: rows of the result are filled with zeros up to whole vectors.
inline void transpose(const float* from, size_t from_stride, int num_rows, int num_columns, float* to, size_t to_stride,
                      bool is_padded) {
  for (int row = 0; row < num_rows; row += kLanes) {
    const int rows = std::min(kLanes, num_rows - row);
    for (int column = 0; column < num_columns; column += kLanes) {
      const int columns = std::min(kLanes, num_columns - column);
      const float* source = from + row * from_stride + column;
      float* target = to + column * to_stride + row;
      if (rows == kLanes && columns == kLanes)
        transpose_square<true>(source, from_stride, rows, columns, target, to_stride, kLanes);
      else
        transpose_square<false>(source, from_stride, rows, columns, target, to_stride, is_padded ? kLanes : rows);
    }
  }
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_TRANSPOSE_H_
