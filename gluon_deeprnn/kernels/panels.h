// How weights are laid out for a tile of sequences, and the product of the two.
#ifndef GLUON_DEEPRNN_PANELS_H_
#define GLUON_DEEPRNN_PANELS_H_

#include <algorithm>
#include <vector>

#include "layer.h"
#include "vectors.h"

namespace gluon_deeprnn {
namespace {

// A panel: the gates of kBlocks * kLanes neighbouring units, so that a unit's gates are in registers at the same time.
template <Cell cell>
struct Shape {
  static constexpr int kGates = cell == GRU ? 3 : cell == LSTM ? 4 : 1;
  static constexpr int kBlocks = cell == RNN_TANH || cell == RNN_RELU ? 2 : 1;
  static constexpr int kVectors = kGates * kBlocks;              // of a product with a panel
  static constexpr int kWidth = kVectors * kLanes;               // its floats
  static constexpr int kUnits = kBlocks * kLanes;
  static constexpr int kKept = cell == GRU ? 4 : cell == LSTM ? 5 : 0;  // vectors kept for each unit and step
  static constexpr int kSlopes = cell == GRU ? 4 : kVectors;     // vectors of a panel's row of gradients
  static constexpr int kInputSlopes = cell == GRU ? 1 : 0;       // where those of the input's product begin
  // Sequences in a tile, and vectors of columns at a time on the way back: about as many sums as there are registers for.
  static constexpr int kTile = kRegisters == 32 ? (cell == LSTM ? 4 : 8) : (cell == LSTM ? 3 : 4);
  static constexpr int kColumns = cell == LSTM ? 4 : 3;
};

// The panels of a layer.
template <Cell cell>
struct Panels {
  using S = Shape<cell>;
  int num_panels, padded;  // padded: H rounded up to whole panels

  explicit Panels(const Sizes& z)
      : num_panels((z.num_hiddens + S::kUnits - 1) / S::kUnits), padded(num_panels * S::kUnits) {}

  // Where unit u's element of gate g stands in a row of kWidth floats a panel, if the gates are turned by `turn`.
  static size_t place(int u, int g, int turn) {
    const int panel = u / S::kUnits, within = u % S::kUnits;
    const int vector = within / kLanes * S::kGates + (g + turn) % S::kGates;
    return size_t(panel) * S::kWidth + vector * kLanes + within % kLanes;
  }
};

// Weights for the way forth.  Column k of the weights is a run of floats, panel by panel, padded by zeros.
template <Cell cell>
struct Packed : Panels<cell> {
  using S = Shape<cell>;
  using Panels<cell>::num_panels;
  using Panels<cell>::place;
  std::vector<float> inputs;     // [panel][D][kWidth]
  std::vector<float> recurrent;  // [panel][H][kWidth]; a GRU's gates are n, r, z here
  std::vector<float> bias;       // [panel][kSlopes * kLanes]; a GRU's are hn, r, z, xn

  Packed(const Sizes& z, const float* weights) : Panels<cell>(z) {
    const float* i2h = weights;
    const float* h2h = i2h + size_t(z.rows()) * z.num_inputs;
    const float* i2h_bias = h2h + size_t(z.rows()) * z.num_hiddens;
    const float* h2h_bias = i2h_bias + z.rows();
    pack(z, i2h, z.num_inputs, 0, &inputs);
    pack(z, h2h, z.num_hiddens, S::kInputSlopes, &recurrent);
    bias.assign(size_t(num_panels) * S::kSlopes * kLanes, 0.f);
    for (int u = 0; u < z.num_hiddens; ++u) {
      for (int g = 0; g < S::kGates; ++g) {
        const float x = i2h_bias[g * z.num_hiddens + u], h = h2h_bias[g * z.num_hiddens + u];
        if (cell == GRU && g == 2) {  // the new state's two halves are kept apart
          *bias_of(u, 0) = h;
          *bias_of(u, 3) = x;
        } else {
          *bias_of(u, cell == GRU ? g + 1 : g) = x + h;
        }
      }
    }
  }

 private:
  float* bias_of(int u, int slope) {
    const int panel = u / S::kUnits, within = u % S::kUnits;
    return &bias[(size_t(panel) * S::kSlopes + within / kLanes * S::kGates + slope) * kLanes + within % kLanes];
  }
  void pack(const Sizes& z, const float* from, int columns, int turn, std::vector<float>* to) const {
    to->assign(size_t(num_panels) * columns * S::kWidth, 0.f);
    for (int g = 0; g < S::kGates; ++g) {
      for (int u = 0; u < z.num_hiddens; ++u) {
        const size_t at = place(u % S::kUnits, g, turn) + size_t(u / S::kUnits) * columns * S::kWidth;
        const float* row = from + (size_t(g) * z.num_hiddens + u) * columns;
        for (int k = 0; k < columns; ++k) (*to)[at + size_t(k) * S::kWidth] = row[k];
      }
    }
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

// sums[i][v] += sum over k of rows[i][k] * matrix[k][v], for kRows rows and kVectors vectors.
template <int kRows, int kVectors>
inline void multiply(const float* const* rows, int depth, const float* matrix, size_t stride,
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

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_PANELS_H_
