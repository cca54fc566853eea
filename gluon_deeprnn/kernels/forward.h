// A tile of sequences from the first step to the last.
#ifndef GLUON_DEEPRNN_FORWARD_H_
#define GLUON_DEEPRNN_FORWARD_H_

#include <cstring>
#include <vector>

#include "panels.h"

namespace gluon_deeprnn {
namespace {

template <Cell cell, int kRows>
void forward_tile(const Sizes& z, const Packed<cell>& w, const Forward& a, int first) {
  using S = Shape<cell>;
  constexpr int V = S::kVectors;
  const int D = z.num_inputs, H = z.num_hiddens;
  std::vector<float> memory(cell == LSTM ? size_t{kRows} * w.padded : 0);
  if (cell == LSTM) {
    for (int i = 0; i < kRows; ++i)
      std::memcpy(&memory[size_t(i) * w.padded], a.memory + size_t(first + i) * H, sizeof(float) * H);
  }
  float* kept = a.kept ? a.kept + size_t(first) * z.num_steps * S::kKept * w.padded : nullptr;
  for (int t = 0; t < z.num_steps; ++t) {
    const float *x[kRows], *h[kRows];
    Sparse sparse[kRows];
    bool is_sparse = true;
    for (int i = 0; i < kRows; ++i) {
      x[i] = a.inputs + (size_t(t) * z.batch_size + first + i) * D;
      h[i] = t == 0 ? a.hidden + size_t(first + i) * H : a.outputs + (size_t(t - 1) * z.batch_size + first + i) * H;
      is_sparse = is_sparse && find_sparse(x[i], D, &sparse[i]);
    }
    float* to = a.outputs + (size_t(t) * z.batch_size + first) * H;
    for (int p = 0; p < w.num_panels; ++p) {
      const float* bias = &w.bias[size_t(p) * S::kSlopes * kLanes];
      const float* inputs = &w.inputs[size_t(p) * D * S::kWidth];
      const float* recurrent = &w.recurrent[size_t(p) * H * S::kWidth];
      Vector sums[kRows][V];
      Vector candidate[kRows];  // a GRU's part of the new state that comes from the input
      for (int i = 0; i < kRows; ++i)
        for (int v = 0; v < V; ++v) sums[i][v] = load(bias + (v + S::kInputSlopes) * kLanes);
      if (is_sparse) {
        for (int i = 0; i < kRows; ++i) {
          for (int n = 0; n < sparse[i].count; ++n) {
            const int k = sparse[i].index[n];
            const Vector element = all(x[i][k]);
            for (int v = 0; v < V; ++v) sums[i][v] += element * load(inputs + size_t(k) * S::kWidth + v * kLanes);
          }
        }
      } else {
        multiply<kRows, V>(x, D, inputs, S::kWidth, sums);
      }
      if (cell == GRU) {
        for (int i = 0; i < kRows; ++i) {
          candidate[i] = sums[i][V - 1];
          for (int v = V - 1; v > 0; --v) sums[i][v] = sums[i][v - 1];
          sums[i][0] = load(bias);
        }
      }
      multiply<kRows, V>(h, H, recurrent, S::kWidth, sums);
      for (int b = 0; b < S::kBlocks; ++b) {
        const int unit = p * S::kUnits + b * kLanes, count = H - unit;
        if (count <= 0) break;
        for (int i = 0; i < kRows; ++i) {
          const Vector* gate = &sums[i][b * S::kGates];
          float* keep = kept ? kept + ((size_t(t) * w.padded + unit) * kRows + size_t(i) * kLanes) * S::kKept : nullptr;
          Vector state;
          if (cell == GRU) {
            const Vector reset = sigmoid(gate[1]), update = sigmoid(gate[2]);
            const Vector fresh = tanh(candidate[i] + reset * gate[0]);
            state = fresh + update * (load(h[i] + unit, count) - fresh);
            if (keep) {
              store(keep, gate[0]);
              store(keep + kLanes, reset);
              store(keep + 2 * kLanes, update);
              store(keep + 3 * kLanes, fresh);
            }
          } else if (cell == LSTM) {
            const Vector in = sigmoid(gate[0]), forget = sigmoid(gate[1]), fresh = tanh(gate[2]);
            const Vector out = sigmoid(gate[3]);
            float* c = &memory[size_t(i) * w.padded + unit];
            const Vector now = forget * load(c) + in * fresh;
            store(c, now);
            state = out * tanh(now);
            if (keep) {
              store(keep, in);
              store(keep + kLanes, forget);
              store(keep + 2 * kLanes, fresh);
              store(keep + 3 * kLanes, out);
              store(keep + 4 * kLanes, now);
            }
          } else if (cell == RNN_TANH) {
            state = tanh(gate[0]);
          } else {
            state = gate[0] < 0.f ? Vector{} : gate[0];
          }
          store(to + size_t(i) * H + unit, state, count);
        }
      }
    }
  }
  const size_t bytes = sizeof(float) * size_t(kRows) * H;
  std::memcpy(a.last_hidden + size_t(first) * H,
              a.outputs + (size_t(z.num_steps - 1) * z.batch_size + first) * H, bytes);
  if (cell == LSTM) {
    for (int i = 0; i < kRows; ++i)
      std::memcpy(a.last_memory + size_t(first + i) * H, &memory[size_t(i) * w.padded], sizeof(float) * H);
  }
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_FORWARD_H_
