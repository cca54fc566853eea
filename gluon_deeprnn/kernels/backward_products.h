// The products of the backward pass: gradients of a tile's sums with the weights, and with what the weights multiply.
#ifndef GLUON_DEEPRNN_BACKWARD_PRODUCTS_H_
#define GLUON_DEEPRNN_BACKWARD_PRODUCTS_H_

#include "weights.h"

namespace gluon_deeprnn {
namespace {

// Gradients that a product takes: rows of sums, of which its own begin at vector `offset`.
struct Slopes {
  const float* data;
  size_t row_size;
  int offset;
};

// to[i] = (add ? to[i] : 0) + slopes[i] times the transposed weights, for kRows rows and the columns from `column` on.
template <typename Cell, int kRows, int kVectors>
INLINED inline void times_weights(const Panels<Cell>& w, const Slopes& slopes, const Transposed& matrix, int column,
                                  float* to, size_t to_size, bool add) {
  using S = Shape<Cell>;
  Vector sums[kRows][kVectors] = {};
  if (add) {
    for (int i = 0; i < kRows; ++i)
      for (int v = 0; v < kVectors; ++v)
        sums[i][v] = load(to + i * to_size + column + v * kLanes, matrix.columns - column - v * kLanes);
  }
  for (int p = 0; p < w.num_panels; ++p) {
    const float* rows[kRows];
    for (int i = 0; i < kRows; ++i)
      rows[i] = slopes.data + i * slopes.row_size + (size_t(p) * S::kSlopes + slopes.offset) * kLanes;
    multiply<kRows, kVectors>(rows, S::kWidth, matrix.row(p * S::kWidth) + column, matrix.padded, sums);
  }
  for (int i = 0; i < kRows; ++i)
    for (int v = 0; v < kVectors; ++v)
      store(to + i * to_size + column + v * kLanes, sums[i][v], matrix.columns - column - v * kLanes);
}

// The same for the rows of several steps and all columns, as many columns at a time as there are registers for.
template <typename Cell, int kRows, int kVectors>
void times_all_weights(const Panels<Cell>& w, const Slopes& slopes, const Transposed& matrix, int column, int num_steps,
                       float* to, size_t to_size, size_t to_step, bool add) {
  for (; column + kVectors * kLanes <= matrix.padded; column += kVectors * kLanes)
    for (int t = 0; t < num_steps; ++t) {
      const Slopes of_step = {slopes.data + t * kRows * slopes.row_size, slopes.row_size, slopes.offset};
      times_weights<Cell, kRows, kVectors>(w, of_step, matrix, column, to + t * to_step, to_size, add);
    }
  if constexpr (kVectors > 1)
    times_all_weights<Cell, kRows, kVectors - 1>(w, slopes, matrix, column, num_steps, to, to_size, to_step, add);
}

// sums[k][v] += sum over rows r of elements[r][k] * slopes[r][v], for all columns of the elements and all panels.
template <typename Cell>
void add_outer(const Panels<Cell>& w, const float* const* elements, int size, const Slopes& slopes, int num_rows,
               float* sums) {
  using S = Shape<Cell>;
  // As many sums as there are registers for, with half a panel where that makes the better square.
  constexpr bool kHalves = kRegisters == 16 && S::kVectors == 4;
  constexpr int kVectors = kHalves ? 2 : S::kVectors, kRows = kHalves ? 6 : S::kTile;
  const size_t stride = w.width();
  for (int p = 0; p < w.num_panels; ++p) {
    for (int v = 0; v < S::kVectors; v += kVectors) {
      const float* d = slopes.data + (size_t(p) * S::kSlopes + slopes.offset + v) * kLanes;
      float* to = sums + size_t(p) * S::kWidth + v * kLanes;
      int k = 0;
      for (; k + kRows <= size; k += kRows)
        outer<kRows, kVectors>(elements, k, d, slopes.row_size, num_rows, to + k * stride, stride);
      for (; k < size; ++k) outer<1, kVectors>(elements, k, d, slopes.row_size, num_rows, to + k * stride, stride);
    }
  }
}

// The same for one-hot vectors, given as the indices of their ones.
template <typename Cell>
void add_rows(const Panels<Cell>& w, const int32_t* tokens, const Slopes& slopes, int num_rows, float* sums) {
  using S = Shape<Cell>;
  const size_t stride = w.width();
  for (int r = 0; r < num_rows; ++r) {
    float* row = sums + tokens[r] * stride;
    for (int p = 0; p < w.num_panels; ++p) {
      const float* d = slopes.data + r * slopes.row_size + (size_t(p) * S::kSlopes + slopes.offset) * kLanes;
      float* to = row + size_t(p) * S::kWidth;
      for (int v = 0; v < S::kVectors; ++v) store(to + v * kLanes, load(to + v * kLanes) + load(d + v * kLanes));
    }
  }
}

// The same for elements that are mostly zeros.
template <typename Cell>
void add_outer(const Panels<Cell>& w, const float* const* elements, const Sparse* sparse, const Slopes& slopes,
               int num_rows, float* sums) {
  using S = Shape<Cell>;
  const size_t stride = w.width();
  for (int r = 0; r < num_rows; ++r) {
    for (int n = 0; n < sparse[r].count; ++n) {
      const int k = sparse[r].index[n];
      const Vector element = all(elements[r][k]);
      for (int p = 0; p < w.num_panels; ++p) {
        const float* d = slopes.data + r * slopes.row_size + (size_t(p) * S::kSlopes + slopes.offset) * kLanes;
        float* to = sums + k * stride + size_t(p) * S::kWidth;
        for (int v = 0; v < S::kVectors; ++v)
          store(to + v * kLanes, load(to + v * kLanes) + element * load(d + v * kLanes));
      }
    }
  }
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_BACKWARD_PRODUCTS_H_
