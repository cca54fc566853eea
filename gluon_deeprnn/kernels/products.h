// Products of matrices whose rows are whole vectors.
#ifndef GLUON_DEEPRNN_PRODUCTS_H_
#define GLUON_DEEPRNN_PRODUCTS_H_

#include <cstddef>

#include "vectors.h"

namespace gluon_deeprnn {
namespace {

// sums[i][v] += sum over k of rows[i][k] * matrix[k][v], for kRows rows and kVectors vectors.
template <int kRows, int kVectors>
INLINED inline void multiply(const float* const* rows, int depth, const float* matrix, size_t stride,
                     Vector (*sums)[kVectors]) {
  for (int k = 0; k < depth; ++k, matrix += stride) {
    Vector m[kVectors];
    for (int v = 0; v < kVectors; ++v) m[v] = load(matrix + v * kLanes);
    for (int i = 0; i < kRows; ++i) {
      const Vector x = all(rows[i][k]);
      for (int v = 0; v < kVectors; ++v) sums[i][v] += x * m[v];
    }
  }
}

// sums[k + i][v] += sum over rows r of elements[r][k + i] * slopes[r][v].
template <int kRows, int kVectors>
inline void outer(const float* const* elements, int k, const float* slopes, size_t row_size, int num_rows, float* sums,
                  size_t stride) {
  Vector s[kRows][kVectors];
  for (int i = 0; i < kRows; ++i)
    for (int v = 0; v < kVectors; ++v) s[i][v] = load(sums + i * stride + v * kLanes);
  for (int r = 0; r < num_rows; ++r) {
    Vector d[kVectors];
    for (int v = 0; v < kVectors; ++v) d[v] = load(slopes + r * row_size + v * kLanes);
    for (int i = 0; i < kRows; ++i) {
      const Vector x = all(elements[r][k + i]);
      for (int v = 0; v < kVectors; ++v) s[i][v] += x * d[v];
    }
  }
  for (int i = 0; i < kRows; ++i)
    for (int v = 0; v < kVectors; ++v) store(sums + i * stride + v * kLanes, s[i][v]);
}

// to += left times right, (num_rows, depth) and (depth, columns): num_rows is a multiple of kRows, columns one of kLanes.
template <int kRows, int kVectors>
void add_product(const float* left, size_t left_stride, int num_rows, int depth, const float* right,
                 size_t right_stride, int columns, float* to, size_t to_stride, int column = 0) {
  for (; column + kVectors * kLanes <= columns; column += kVectors * kLanes) {
    for (int r = 0; r < num_rows; r += kRows) {
      const float* rows[kRows];
      Vector sums[kRows][kVectors];
      for (int i = 0; i < kRows; ++i) {
        rows[i] = left + (r + i) * left_stride;
        for (int v = 0; v < kVectors; ++v) sums[i][v] = load(to + (r + i) * to_stride + column + v * kLanes);
      }
      multiply<kRows, kVectors>(rows, depth, right + column, right_stride, sums);
      for (int i = 0; i < kRows; ++i)
        for (int v = 0; v < kVectors; ++v) store(to + (r + i) * to_stride + column + v * kLanes, sums[i][v]);
    }
  }
  if constexpr (kVectors > 1)
    add_product<kRows, kVectors - 1>(left, left_stride, num_rows, depth, right, right_stride, columns, to, to_stride,
                                     column);
}

// to += the transposed left times right, (depth, num_rows) and (depth, columns); sizes as before, depth at most 64.
template <int kRows, int kVectors>
void add_outer_product(const float* left, size_t left_stride, int num_rows, const float* right, size_t right_stride,
                       int columns, int depth, float* to, size_t to_stride, int column = 0) {
  const float* rows[64];
  for (int r = 0; r < depth; ++r) rows[r] = left + r * left_stride;
  for (; column + kVectors * kLanes <= columns; column += kVectors * kLanes)
    for (int k = 0; k < num_rows; k += kRows)
      outer<kRows, kVectors>(rows, k, right + column, right_stride, depth, to + k * to_stride + column, to_stride);
  if constexpr (kVectors > 1)
    add_outer_product<kRows, kVectors - 1>(left, left_stride, num_rows, right, right_stride, columns, depth, to,
                                           to_stride, column);
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_PRODUCTS_H_
