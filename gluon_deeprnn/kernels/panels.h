// How weights are laid out for a tile of sequences.
#ifndef GLUON_DEEPRNN_PANELS_H_
#define GLUON_DEEPRNN_PANELS_H_

#include <algorithm>
#include <cstring>

#include "aligned.h"
#include "layer.h"
#include "products.h"
#include "transpose.h"
#include "vectors.h"

namespace gluon_deeprnn {
namespace {

// A panel: the gates of kBlocks * kLanes neighbouring units, so that a unit's gates are in registers at the same time.
template <typename Cell>
struct Shape : Cell {
  using Cell::kApart, Cell::kBlocks, Cell::kGates, Cell::kStates;
  static_assert(kBlocks == 1 || kApart == 0, "sums that are kept apart stand behind those of one block");
  static constexpr bool kHasMemory = kStates == 2;
  static constexpr int kVectors = kGates * kBlocks;  // of a product with a panel
  static constexpr int kWidth = kVectors * kLanes;   // its floats
  static constexpr int kUnits = kBlocks * kLanes;
  static constexpr int kSlopes = kVectors + kApart;  // vectors of a panel's row of sums, and of their gradients
  // Those of the products with the inputs begin at kApart, those of the products with the state at 0.

  // Where a gate's sum begins in that row, of its product with the inputs and with the state.
  static constexpr int slope_of_inputs(int gate) { return gate + kApart; }
  static constexpr int slope_of_state(int gate) { return (gate + kApart) % kGates; }
};

// The panels of a layer.
template <typename Cell>
struct Panels {
  using S = Shape<Cell>;
  int num_panels, padded;  // padded: H rounded up to whole panels

  explicit Panels(const Sizes& z)
      : num_panels((z.num_hiddens + S::kUnits - 1) / S::kUnits), padded(num_panels * S::kUnits) {}

  size_t width() const { return size_t(num_panels) * S::kWidth; }  // of all panels' products
  // Of all panels' sums.  Rows that are a multiple of 1 KB apart would compete for the same few lines of the cache.
  size_t row_size() const {
    const size_t size = size_t(num_panels) * S::kSlopes * kLanes;
    return size % 256 ? size : size + kLanes;
  }

  // Where unit u's element of gate g stands in a row of kWidth floats a panel, if the gates are rotated by `turn`.
  static size_t place(int u, int g, int turn) {
    const int panel = u / S::kUnits, within = u % S::kUnits;
    const int vector = within / kLanes * S::kGates + (g + turn) % S::kGates;
    return size_t(panel) * S::kWidth + vector * kLanes + within % kLanes;
  }
  // Where unit u's element of a sum stands in a row of kSlopes * kLanes floats a panel.
  static size_t place_of_sum(int u, int slope) {
    const int panel = u / S::kUnits, within = u % S::kUnits;
    return (size_t(panel) * S::kSlopes + within / kLanes * S::kGates + slope) * kLanes + within % kLanes;
  }
};

// Elements of a row that are not zero, if they are few: more than an eighth, or than so many, are cheaper as a product.
constexpr int kMostIndices = 16;
struct Sparse {
  int count = 0, index[kMostIndices];
};
inline bool find_sparse(const float* row, int size, Sparse* found) {
  const int most = std::min(kMostIndices, size / 8);
  int count = 0;
  for (int k = 0; k < size; ++k) {
    if (row[k] != 0.f) {
      if (count == most) return false;
      found->index[count++] = k;
    }
  }
  found->count = count;
  return true;
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_PANELS_H_
