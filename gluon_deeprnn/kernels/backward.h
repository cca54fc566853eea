// A tile of sequences from the last step to the first, and the sums of what it adds to the gradients of the weights.
#ifndef GLUON_DEEPRNN_BACKWARD_H_
#define GLUON_DEEPRNN_BACKWARD_H_

#include <algorithm>
#include <cstring>

#include "backward_products.h"
#include "cells/step.h"
#include "gradients.h"

namespace gluon_deeprnn {
namespace {

constexpr int kChunk = 64;  // rows (steps times sequences) whose gradients are summed over at a time, at least
constexpr int kLargestChunk = 256;

// The more weights there are, the more rows are to be summed over before the sums are touched again.
template <typename Cell>
int rows_of_chunk(const Panels<Cell>& panels) {
  return std::clamp(int(panels.row_size() / 2), kChunk, kLargestChunk);
}

// Memory that a tile works in: gradients of the sums of a chunk, and of the state and the memory.
template <typename Cell>
struct BackwardScratch {
  float *slopes, *d_hidden, *d_memory;

  BackwardScratch(const Sizes& z, const Panels<Cell>& panels, float* at)
      : slopes(at), d_hidden(slopes + size_of_slopes(z, panels)), d_memory(d_hidden + size_of_state(panels)) {}

  static size_t size(const Sizes& z, const Panels<Cell>& panels) {
    return size_of_slopes(z, panels) + Cell::kStates * size_of_state(panels);
  }

 private:
  static size_t size_of_slopes(const Sizes& z, const Panels<Cell>& panels) {
    const size_t most = std::min<size_t>(rows_of_chunk(panels), size_t(z.num_steps) * Cell::kTile);
    return aligned_size(most * panels.row_size());
  }
  static size_t size_of_state(const Panels<Cell>& panels) { return aligned_size(size_t(Cell::kTile) * panels.padded); }
};

// Through the gates of one step of a tile: from the gradients of the states after it to those of its sums.
template <typename Cell, int kRows>
INLINED inline void through_gates(const Sizes& z, const Panels<Cell>& panels, const Backward& a, const float* kept,
                                  int first, int t, const float* const* hs, float* slopes,
                                  const BackwardScratch<Cell>& own, float* biases) {
  using S = Shape<Cell>;
  constexpr int kSums = S::kGates + S::kApart;  // of kLanes units
  const int N = z.batch_size, H = z.num_hiddens, padded = panels.padded;
  for (int u = 0; u < H; u += kLanes) {
    const int panel = u / S::kUnits, block = u % S::kUnits / kLanes, count = H - u;
    const size_t at_sums = (size_t(panel) * S::kSlopes + block * S::kGates) * kLanes;
    float* bias = biases + at_sums;
    for (int i = 0; i < kRows; ++i) {
      const size_t at = (size_t(t) * N + first + i) * H + u;
      const size_t own_at = size_t(i) * padded + u;
      float* d = slopes + i * panels.row_size() + at_sums;
      const float* keep = kept + ((size_t(t) * padded + u) * kRows + size_t(i) * kLanes) * S::kKept;
      BackwardStep step = {};
      step.d_hidden = load(own.d_hidden + own_at) + load(a.d_outputs + at, count);
      step.kept = keep;
      step.output = a.outputs + at;
      step.hidden = hs[i] + u;
      step.count = count;
      if constexpr (S::kHasMemory) {
        const bool is_first = t == 0;  // the memory after a step was kept
        step.memory = is_first ? a.memory + size_t(first + i) * H + u
                               : keep + S::kKeptMemory * kLanes - ptrdiff_t(padded) * kRows * S::kKept;
        step.memory_count = is_first ? count : kLanes;
        step.d_memory = own.d_memory + own_at;
      }
      Vector gates[kSums];
      const Vector d_before = Cell::backward(step, gates);
      for (int v = 0; v < kSums; ++v) {
        store(d + v * kLanes, gates[v]);
        store(bias + v * kLanes, load(bias + v * kLanes) + gates[v]);
      }
      store(own.d_hidden + own_at, d_before);
    }
  }
}

template <typename Cell, int kRows>
void backward_tile(const Sizes& z, const BackwardWeights<Cell>& w, const Backward& a, const float* all_kept, int first,
                   const BackwardScratch<Cell>& own, const Sums<Cell>& sums) {
  using S = Shape<Cell>;
  const int T = z.num_steps, N = z.batch_size, D = z.num_inputs, H = z.num_hiddens;
  const size_t row_size = w.row_size(), of_state = size_t(kRows) * w.padded;
  const int chunk = rows_of_chunk(w) / kRows;
  // Padding stays zero: where a unit is not there, nothing is added to any gradient.
  std::memset(own.slopes, 0, sizeof(float) * std::min(chunk, T) * kRows * row_size);
  std::memset(own.d_hidden, 0, sizeof(float) * of_state);
  if constexpr (S::kHasMemory) std::memset(own.d_memory, 0, sizeof(float) * of_state);
  for (int i = 0; i < kRows; ++i) {
    std::memcpy(own.d_hidden + size_t(i) * w.padded, a.d_last_hidden + size_t(first + i) * H, sizeof(float) * H);
    if constexpr (S::kHasMemory)
      std::memcpy(own.d_memory + size_t(i) * w.padded, a.d_last_memory + size_t(first + i) * H, sizeof(float) * H);
  }
  const float* kept = all_kept + size_t(first) * T * S::kKept * w.padded;
  const float *xs[kLargestChunk], *hs[kLargestChunk];
  int32_t tokens[kLargestChunk];
  for (int end = T; end > 0;) {
    const int begin = std::max(0, end - chunk);
    for (int t = end - 1; t >= begin; --t) {
      const int row = (t - begin) * kRows;
      for (int i = 0; i < kRows; ++i) {
        const size_t at = size_t(t) * N + first + i;
        a.tokens ? void(tokens[row + i] = a.tokens[at]) : void(xs[row + i] = a.inputs + at * D);
        hs[row + i] = t == 0 ? a.hidden + size_t(first + i) * H : a.outputs + (size_t(t - 1) * N + first + i) * H;
      }
      float* step = own.slopes + row * row_size;
      through_gates<Cell, kRows>(z, w, a, kept, first, t, hs + row, step, own, sums.bias);
      // To the state before.
      times_all_weights<Cell, kRows, S::kColumns>(w, {step, row_size, 0}, w.recurrent, 0, 1, own.d_hidden, w.padded, 0,
                                                  true);
    }
    // To the inputs and the weights, for all steps of the chunk at once.
    const Slopes of_inputs = {own.slopes, row_size, S::kApart}, of_state_products = {own.slopes, row_size, 0};
    if (a.d_inputs)
      times_all_weights<Cell, kRows, S::kColumns>(w, of_inputs, w.inputs, 0, end - begin,
                                                  a.d_inputs + (size_t(begin) * N + first) * D, D, size_t(N) * D,
                                                  false);
    const int num_rows = (end - begin) * kRows;
    add_outer<Cell>(w, hs, H, of_state_products, num_rows, sums.recurrent);
    if (a.tokens) {
      add_rows<Cell>(w, tokens, of_inputs, num_rows, sums.inputs);
      end = begin;
      continue;
    }
    Sparse sparse[kLargestChunk];
    bool is_sparse = true;
    for (int r = 0; r < num_rows && is_sparse; ++r) is_sparse = find_sparse(xs[r], D, &sparse[r]);
    if (is_sparse)
      add_outer<Cell>(w, xs, sparse, of_inputs, num_rows, sums.inputs);
    else
      add_outer<Cell>(w, xs, D, of_inputs, num_rows, sums.inputs);
    end = begin;
  }
  for (int i = 0; i < kRows; ++i) {
    std::memcpy(a.d_hidden + size_t(first + i) * H, own.d_hidden + size_t(i) * w.padded, sizeof(float) * H);
    if constexpr (S::kHasMemory)
      std::memcpy(a.d_memory + size_t(first + i) * H, own.d_memory + size_t(i) * w.padded, sizeof(float) * H);
  }
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_BACKWARD_H_
