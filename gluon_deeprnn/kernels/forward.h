// A tile of sequences from the first step to the last.
#ifndef GLUON_DEEPRNN_FORWARD_H_
#define GLUON_DEEPRNN_FORWARD_H_

#include <cstring>
#include <type_traits>

#include "cells/step.h"
#include "weights.h"

namespace gluon_deeprnn {
namespace {

// Floats that a tile works in: the memory of its sequences.
template <typename Cell>
size_t forward_scratch(const Panels<Cell>& panels) {
  return Shape<Cell>::kHasMemory ? size_t(Cell::kTile) * panels.padded : 0;
}

// work(0) and so on, with numbers that the compiler knows: sums that are found by a variable leave the registers.
template <int kBlocks, typename Work>
INLINED inline void for_blocks(const Work& work) {
  if constexpr (kBlocks > 1) for_blocks<kBlocks - 1>(work);
  work(std::integral_constant<int, kBlocks - 1>());
}

// sums[p][i][v] += sum over k of rows[i][k] * panel p's [k][v], for kPanels panels that lie panel_size apart.
template <int kPanels, int kRows, int kVectors>
INLINED inline void multiply_panels(const float* const* rows, int depth, const float* matrix, size_t panel_size,
                                    size_t stride, Vector (*sums)[kRows][kVectors]) {
  if constexpr (kPanels == 1) {
    multiply<kRows, kVectors>(rows, depth, matrix, stride, sums[0]);
  } else {
    static_assert(kRows == 1, "several sequences fill the registers with the sums of one panel");
    for (int k = 0; k < depth; ++k, matrix += stride) {
      const Vector x = all(rows[0][k]);
      for (int p = 0; p < kPanels; ++p)
        for (int v = 0; v < kVectors; ++v) sums[p][0][v] += x * load(matrix + p * panel_size + v * kLanes);
    }
  }
}

// sums[p][i][v] += rows[i][v] of panel p: what the products with one-hot vectors add.
template <int kPanels, int kRows, int kVectors>
INLINED inline void add_rows_of_weights(const float* const* rows, size_t panel_size,
                                        Vector (*sums)[kRows][kVectors]) {
  for (int i = 0; i < kRows; ++i)
    for (int p = 0; p < kPanels; ++p)
      for (int v = 0; v < kVectors; ++v) sums[p][i][v] += load(rows[i] + p * panel_size + v * kLanes);
}

// A step of kPanels panels for kRows sequences: biases, what add_inputs(sums) adds, and the products with the states h
// before; then, for each panel p, sequence i and block of units b, cell(p, i, b, sums, apart).
template <typename Cell, int kPanels, int kRows, typename AddInputs, typename Work>
INLINED inline void through_panels(const float* bias, const AddInputs& add_inputs, const float* const* h,
                                   int num_hiddens, const float* recurrent, const Work& cell) {
  using S = Shape<Cell>;
  constexpr int V = S::kVectors, kApart = S::kApart;
  Vector sums[kPanels][kRows][V];
  for (int p = 0; p < kPanels; ++p)
    for (int i = 0; i < kRows; ++i)
      for (int v = 0; v < V; ++v) sums[p][i][v] = load(bias + (p * S::kSlopes + v + kApart) * kLanes);
  add_inputs(sums);
  // The last sums are kept apart; those of the products with the state take their registers, at the front.
  Vector apart[kPanels][kRows][kApart + 1];
  if constexpr (kApart > 0) {
    for (int p = 0; p < kPanels; ++p) {
      for (int i = 0; i < kRows; ++i) {
        for (int v = 0; v < kApart; ++v) apart[p][i][v] = sums[p][i][V - kApart + v];
        for (int v = V - 1; v >= kApart; --v) sums[p][i][v] = sums[p][i][v - kApart];
        for (int v = 0; v < kApart; ++v) sums[p][i][v] = load(bias + (p * S::kSlopes + v) * kLanes);
      }
    }
  }
  multiply_panels<kPanels, kRows, V>(h, num_hiddens, recurrent, size_t(num_hiddens) * S::kWidth, S::kWidth, sums);
  for (int p = 0; p < kPanels; ++p)
    for_blocks<S::kBlocks>([&](auto block) INLINED {
      constexpr int b = block;
      for (int i = 0; i < kRows; ++i) cell(p, i, b, &sums[p][i][b * S::kGates], apart[p][i]);
    });
}

// Sequences `first` to `first + kRows`.  kept: memory for what the backward pass needs, or null.
template <typename Cell, int kRows>
void forward_tile(const Sizes& z, const Packed<Cell>& w, const Forward& a, float* all_kept, int first, float* memory) {
  using S = Shape<Cell>;
  constexpr int V = S::kVectors;
  const Panels<Cell> panels(z);
  const int D = z.num_inputs, H = z.num_hiddens, padded = panels.padded;
  if constexpr (S::kHasMemory) {
    std::memset(memory, 0, sizeof(float) * kRows * padded);
    for (int i = 0; i < kRows; ++i)
      std::memcpy(memory + size_t(i) * padded, a.memory + size_t(first + i) * H, sizeof(float) * H);
  }
  float* kept = all_kept ? all_kept + size_t(first) * z.num_steps * S::kKept * padded : nullptr;
  for (int t = 0; t < z.num_steps; ++t) {
    const float *x[kRows] = {}, *h[kRows];
    Sparse sparse[kRows];
    bool is_sparse = !a.tokens;
    for (int i = 0; i < kRows; ++i) {
      const size_t row = size_t(t) * z.batch_size + first + i;
      h[i] = t == 0 ? a.hidden + size_t(first + i) * H : a.outputs + (row - z.batch_size) * H;
      if (a.tokens) continue;
      x[i] = a.inputs + row * D;
      is_sparse = is_sparse && find_sparse(x[i], D, &sparse[i]);
    }
    const int32_t* tokens = a.tokens ? a.tokens + size_t(t) * z.batch_size + first : nullptr;
    float* to = a.outputs + (size_t(t) * z.batch_size + first) * H;
    for (int p = 0; p < panels.num_panels; ++p) {
      const float* bias = w.bias + size_t(p) * S::kSlopes * kLanes;
      const float* inputs = w.inputs + size_t(p) * D * S::kWidth;
      const float* recurrent = w.recurrent + size_t(p) * H * S::kWidth;
      const auto add_inputs = [&](Vector(*sums)[kRows][V]) INLINED {
        if (tokens) {
          const float* rows[kRows];
          for (int i = 0; i < kRows; ++i) rows[i] = inputs + size_t(tokens[i]) * S::kWidth;
          add_rows_of_weights<1, kRows, V>(rows, 0, sums);
        } else if (is_sparse) {
          for (int i = 0; i < kRows; ++i) {
            for (int n = 0; n < sparse[i].count; ++n) {
              const int k = sparse[i].index[n];
              const Vector element = all(x[i][k]);
              for (int v = 0; v < V; ++v) sums[0][i][v] += element * load(inputs + size_t(k) * S::kWidth + v * kLanes);
            }
          }
        } else {
          multiply<kRows, V>(x, D, inputs, S::kWidth, sums[0]);
        }
      };
      through_panels<Cell, 1, kRows>(
          bias, add_inputs, h, H, recurrent, [&](int, int i, int b, const Vector* sums, const Vector* apart) INLINED {
            const int unit = p * S::kUnits + b * kLanes, count = H - unit;
            if (count <= 0) return;
            float* keep = kept ? kept + ((size_t(t) * padded + unit) * kRows + size_t(i) * kLanes) * S::kKept : nullptr;
            const ForwardStep step = {sums, apart, h[i] + unit, count,
                                      S::kHasMemory ? memory + size_t(i) * padded + unit : nullptr, keep};
            store(to + size_t(i) * H + unit, Cell::forward(step), count);
          });
    }
  }
  std::memcpy(a.last_hidden + size_t(first) * H, a.outputs + (size_t(z.num_steps - 1) * z.batch_size + first) * H,
              sizeof(float) * size_t(kRows) * H);
  if constexpr (S::kHasMemory) {
    for (int i = 0; i < kRows; ++i)
      std::memcpy(a.last_memory + size_t(first + i) * H, memory + size_t(i) * padded, sizeof(float) * H);
  }
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_FORWARD_H_
