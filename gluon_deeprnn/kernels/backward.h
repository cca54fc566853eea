// A tile of sequences from the last step to the first, and the sums of what it gives the weights.
#ifndef GLUON_DEEPRNN_BACKWARD_H_
#define GLUON_DEEPRNN_BACKWARD_H_

#include <algorithm>
#include <cstring>
#include <vector>

#include "panels.h"

namespace gluon_deeprnn {
namespace {

constexpr int kChunk = 64;  // rows (steps times sequences) whose gradients are summed over at a time, at least
constexpr int kLargestChunk = 256;
// Parts of the batch with gradients of their own: as many as there may be threads, if they do not take too much memory.
constexpr size_t kMostParts = 16, kFewestParts = 4, kMostSums = 1 << 23;

// Gradients of the weights of one part of the batch, laid out as the packed weights are, but row k for column k.
template <Cell cell>
struct Sums {
  using S = Shape<cell>;
  std::vector<float> inputs, recurrent, bias;  // [D][panels * kWidth], [H][panels * kWidth], [panels * kSlopes * kLanes]
};

// Weights for the way back: row j, in the order of the slopes of the gates, holds what they are multiplied with.
struct Transposed {
  int columns = 0, padded = 0;
  std::vector<float> elements;

  const float* row(int j) const { return elements.data() + size_t(j) * padded; }

  template <Cell cell>
  void fill(const Sizes& z, const Panels<cell>& panels, const float* from, int num_columns, int turn) {
    columns = num_columns;
    padded = (columns + kLanes - 1) / kLanes * kLanes;
    elements.assign(size_t(panels.num_panels) * Shape<cell>::kWidth * padded, 0.f);
    for (int g = 0; g < Shape<cell>::kGates; ++g)
      for (int u = 0; u < z.num_hiddens; ++u)
        std::memcpy(&elements[panels.place(u, g, turn) * padded], from + (size_t(g) * z.num_hiddens + u) * columns,
                    sizeof(float) * columns);
  }
};

// to[i] = (add ? to[i] : 0) + slopes[i] times the transposed weights, for kRows rows and the columns from `column` on.
template <Cell cell, int kRows, int kVectors>
inline void back(const Panels<cell>& w, const float* slopes, size_t row_size, int offset, const Transposed& matrix,
                 int column, float* to, size_t to_size, bool add) {
  using S = Shape<cell>;
  Vector sums[kRows][kVectors] = {};
  if (add) {
    for (int i = 0; i < kRows; ++i)
      for (int v = 0; v < kVectors; ++v)
        sums[i][v] = load(to + i * to_size + column + v * kLanes, matrix.columns - column - v * kLanes);
  }
  for (int p = 0; p < w.num_panels; ++p) {
    const float* rows[kRows];
    for (int i = 0; i < kRows; ++i) rows[i] = slopes + i * row_size + (size_t(p) * S::kSlopes + offset) * kLanes;
    multiply<kRows, kVectors>(rows, S::kWidth, matrix.row(p * S::kWidth) + column, matrix.padded, sums);
  }
  for (int i = 0; i < kRows; ++i)
    for (int v = 0; v < kVectors; ++v)
      store(to + i * to_size + column + v * kLanes, sums[i][v], matrix.columns - column - v * kLanes);
}

// The same for all steps' rows and all columns, as many columns at a time as there are registers for.
template <Cell cell, int kRows, int kVectors>
void back_all(const Panels<cell>& w, const float* slopes, size_t row_size, int offset, const Transposed& matrix,
              int column, int num_steps, float* to, size_t to_size, size_t to_step, bool add) {
  for (; column + kVectors * kLanes <= matrix.padded; column += kVectors * kLanes)
    for (int t = 0; t < num_steps; ++t)
      back<cell, kRows, kVectors>(w, slopes + t * kRows * row_size, row_size, offset, matrix, column, to + t * to_step,
                                  to_size, add);
  if constexpr (kVectors > 1)
    back_all<cell, kRows, kVectors - 1>(w, slopes, row_size, offset, matrix, column, num_steps, to, to_size, to_step,
                                        add);
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

template <Cell cell>
void add_outer(const Panels<cell>& w, const float* const* elements, int size, const float* slopes, size_t row_size,
               int offset, int num_rows, float* sums) {
  using S = Shape<cell>;
  constexpr int kRows = S::kTile;
  const size_t stride = size_t(w.num_panels) * S::kWidth;
  for (int p = 0; p < w.num_panels; ++p) {
    const float* d = slopes + (size_t(p) * S::kSlopes + offset) * kLanes;
    float* to = sums + size_t(p) * S::kWidth;
    int k = 0;
    for (; k + kRows <= size; k += kRows)
      outer<kRows, S::kVectors>(elements, k, d, row_size, num_rows, to + k * stride, stride);
    for (; k < size; ++k) outer<1, S::kVectors>(elements, k, d, row_size, num_rows, to + k * stride, stride);
  }
}

template <Cell cell>
struct BackwardWeights : Panels<cell> {
  Transposed inputs, recurrent;
  BackwardWeights(const Sizes& z, const Backward& a) : Panels<cell>(z) {
    const float* h2h = a.weights + size_t(z.rows()) * z.num_inputs;
    recurrent.fill<cell>(z, *this, h2h, z.num_hiddens, Shape<cell>::kInputSlopes);
    if (a.d_inputs) inputs.fill<cell>(z, *this, a.weights, z.num_inputs, 0);
  }
};

template <Cell cell, int kRows>
void backward_tile(const Sizes& z, const BackwardWeights<cell>& w, const Backward& a, int first, Sums<cell>* sums) {
  using S = Shape<cell>;
  const int T = z.num_steps, N = z.batch_size, D = z.num_inputs, H = z.num_hiddens;
  const size_t row_size = size_t(w.num_panels) * S::kSlopes * kLanes;
  // The more weights there are, the more rows are to be summed over before the sums are touched again.
  const int chunk = std::clamp(int(row_size) / 2, kChunk, kLargestChunk) / kRows;
  const int num_rows_kept = std::min(chunk, T) * kRows;
  std::vector<float> slopes(num_rows_kept * row_size, 0.f);
  std::vector<float> d_hidden(size_t{kRows} * w.padded, 0.f), d_memory(cell == LSTM ? d_hidden.size() : 0, 0.f);
  for (int i = 0; i < kRows; ++i) {
    std::memcpy(&d_hidden[size_t(i) * w.padded], a.d_last_hidden + size_t(first + i) * H, sizeof(float) * H);
    if (cell == LSTM)
      std::memcpy(&d_memory[size_t(i) * w.padded], a.d_last_memory + size_t(first + i) * H, sizeof(float) * H);
  }
  const float* kept = a.kept + size_t(first) * T * S::kKept * w.padded;
  const float *xs[kLargestChunk], *hs[kLargestChunk];
  for (int end = T; end > 0;) {
    const int begin = std::max(0, end - chunk);
    for (int t = end - 1; t >= begin; --t) {
      float* step = &slopes[size_t(t - begin) * kRows * row_size];
      for (int i = 0; i < kRows; ++i) {
        const int r = (t - begin) * kRows + i;
        xs[r] = a.inputs + (size_t(t) * N + first + i) * D;
        hs[r] = t == 0 ? a.hidden + size_t(first + i) * H : a.outputs + (size_t(t - 1) * N + first + i) * H;
      }
      // Through the gates.
      for (int u = 0; u < H; u += kLanes) {
        const int panel = u / S::kUnits, block = u % S::kUnits / kLanes, count = H - u;
        float* bias = &sums->bias[(size_t(panel) * S::kSlopes + block * S::kGates) * kLanes];
        for (int i = 0; i < kRows; ++i) {
          const size_t at = (size_t(t) * N + first + i) * H + u;
          float* carried = &d_hidden[size_t(i) * w.padded + u];
          float* d = step + i * row_size + (size_t(panel) * S::kSlopes + block * S::kGates) * kLanes;
          const float* keep = kept + ((size_t(t) * w.padded + u) * kRows + size_t(i) * kLanes) * S::kKept;
          const Vector dh = load(carried) + load(a.d_outputs + at, count);
          if (cell == GRU) {
            const Vector hn = load(keep), reset = load(keep + kLanes), update = load(keep + 2 * kLanes);
            const Vector fresh = load(keep + 3 * kLanes), before = load(hs[(t - begin) * kRows + i] + u, count);
            const Vector d_fresh = dh * (1.f - update) * (1.f - fresh * fresh);
            const Vector gates[4] = {d_fresh * reset, d_fresh * hn * reset * (1.f - reset),
                                     dh * (before - fresh) * update * (1.f - update), d_fresh};
            for (int v = 0; v < 4; ++v) {
              store(d + v * kLanes, gates[v]);
              store(bias + v * kLanes, load(bias + v * kLanes) + gates[v]);
            }
            store(carried, dh * update);
          } else if (cell == LSTM) {
            const Vector in = load(keep), forget = load(keep + kLanes), fresh = load(keep + 2 * kLanes);
            const Vector out = load(keep + 3 * kLanes), squashed = tanh(load(keep + 4 * kLanes));
            const Vector before = t == 0 ? load(a.memory + size_t(first + i) * H + u, count)
                                         : load(keep + 4 * kLanes - ptrdiff_t(w.padded) * kRows * S::kKept);
            float* memory = &d_memory[size_t(i) * w.padded + u];
            const Vector dc = load(memory) + dh * out * (1.f - squashed * squashed);
            const Vector gates[4] = {dc * fresh * in * (1.f - in), dc * before * forget * (1.f - forget),
                                     dc * in * (1.f - fresh * fresh), dh * squashed * out * (1.f - out)};
            for (int v = 0; v < 4; ++v) {
              store(d + v * kLanes, gates[v]);
              store(bias + v * kLanes, load(bias + v * kLanes) + gates[v]);
            }
            store(memory, dc * forget);
            store(carried, Vector{});
          } else {
            const Vector y = load(a.outputs + at, count);
            const Vector slope = cell == RNN_TANH ? dh * (1.f - y * y) : (y > 0.f ? dh : Vector{});
            store(d, slope);
            store(bias, load(bias) + slope);
            store(carried, Vector{});
          }
        }
      }
      // To the state before.
      back_all<cell, kRows, S::kColumns>(w, step, row_size, 0, w.recurrent, 0, 1, d_hidden.data(), w.padded, 0,
                                         true);
    }
    // To the inputs and the weights, for all steps of the chunk at once.
    if (a.d_inputs)
      back_all<cell, kRows, S::kColumns>(w, slopes.data(), row_size, S::kInputSlopes, w.inputs, 0, end - begin,
                                         a.d_inputs + (size_t(begin) * N + first) * D, D, size_t(N) * D, false);
    const int num_rows = (end - begin) * kRows;
    add_outer<cell>(w, hs, H, slopes.data(), row_size, 0, num_rows, sums->recurrent.data());
    Sparse sparse[kLargestChunk];
    bool is_sparse = true;
    for (int r = 0; r < num_rows && is_sparse; ++r) is_sparse = find_sparse(xs[r], D, &sparse[r]);
    if (is_sparse) {
      const size_t stride = size_t(w.num_panels) * S::kWidth;
      for (int r = 0; r < num_rows; ++r) {
        for (int n = 0; n < sparse[r].count; ++n) {
          const int k = sparse[r].index[n];
          const Vector element = all(xs[r][k]);
          for (int p = 0; p < w.num_panels; ++p) {
            const float* d = &slopes[r * row_size + (size_t(p) * S::kSlopes + S::kInputSlopes) * kLanes];
            float* to = &sums->inputs[k * stride + size_t(p) * S::kWidth];
            for (int v = 0; v < S::kVectors; ++v)
              store(to + v * kLanes, load(to + v * kLanes) + element * load(d + v * kLanes));
          }
        }
      }
    } else {
      add_outer<cell>(w, xs, D, slopes.data(), row_size, S::kInputSlopes, num_rows, sums->inputs.data());
    }
    end = begin;
  }
  for (int i = 0; i < kRows; ++i) {
    std::memcpy(a.d_hidden + size_t(first + i) * H, &d_hidden[size_t(i) * w.padded], sizeof(float) * H);
    if (cell == LSTM)
      std::memcpy(a.d_memory + size_t(first + i) * H, &d_memory[size_t(i) * w.padded], sizeof(float) * H);
  }
}

// Adds the sums of all parts to the first's, in their order.
inline void add_up(std::vector<float>* const* parts, int num_parts) {
  float* to = parts[0]->data();
  const int size = parts[0]->size();
#pragma omp parallel for schedule(static) if (size > 4096)
  for (int begin = 0; begin < size; begin += 1024) {
    const int end = std::min(begin + 1024, size);
    for (int part = 1; part < num_parts; ++part) {
      const float* from = parts[part]->data();
      for (int i = begin; i < end; ++i) to[i] += from[i];
    }
  }
}

// The sums of all parts as the flat vector of weights.
template <Cell cell>
void gather(const Sizes& z, const Panels<cell>& w, std::vector<Sums<cell>>* parts, float* to) {
  using S = Shape<cell>;
  const int D = z.num_inputs, H = z.num_hiddens, num_parts = parts->size();
  for (std::vector<float> Sums<cell>::*kind : {&Sums<cell>::inputs, &Sums<cell>::recurrent, &Sums<cell>::bias}) {
    std::vector<float>* of[kMostParts];
    for (int part = 0; part < num_parts; ++part) of[part] = &((*parts)[part].*kind);
    add_up(of, num_parts);
  }
  const Sums<cell>& sums = (*parts)[0];
  const size_t stride = size_t(w.num_panels) * S::kWidth;
  float* h2h = to + size_t(z.rows()) * D;
  float* i2h_bias = h2h + size_t(z.rows()) * H;
  for (int g = 0; g < S::kGates; ++g) {
#pragma omp parallel for schedule(static) if (H * H > 4096)
    for (int begin = 0; begin < H; begin += kLanes) {  // the units of a vector together: they share cache lines
      const int end = std::min(begin + kLanes, H);
      const float* x = &sums.inputs[Panels<cell>::place(begin, g, 0)];
      const float* h = &sums.recurrent[Panels<cell>::place(begin, g, S::kInputSlopes)];
      for (int k = 0; k < D; ++k)
        for (int u = begin; u < end; ++u) to[(size_t(g) * H + u) * D + k] = x[k * stride + u - begin];
      for (int k = 0; k < H; ++k)
        for (int u = begin; u < end; ++u) h2h[(size_t(g) * H + u) * H + k] = h[k * stride + u - begin];
      const int panel = begin / S::kUnits, block = begin % S::kUnits / kLanes;
      const float* bias = &sums.bias[(size_t(panel) * S::kSlopes + block * S::kGates) * kLanes];
      for (int u = begin; u < end; ++u) {
        const int of_x = cell == GRU ? g + 1 : g, of_h = cell == GRU && g == 2 ? 0 : of_x;
        i2h_bias[g * H + u] = bias[of_x * kLanes + u - begin];
        i2h_bias[z.rows() + g * H + u] = bias[of_h * kLanes + u - begin];
      }
    }
  }
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_BACKWARD_H_
