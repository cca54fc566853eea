// A thread takes rows through the output layer, the softmax and back, a few at a time.
//
// The logits of kMostColumns tokens are computed together.  A larger vocabulary is gone through twice: for the sum of
// the exponentials first, then, with the logits computed again, for the gradients.  Either way neither logits nor their
// gradients leave the cache.
//
// The results do not depend on the number of threads: sums go over a fixed number of parts of the rows, in their order.
#include "cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "parallel.h"
#include "products.h"
#include "transpose.h"
#include "vectors.h"

namespace gluon_deeprnn {
namespace {

constexpr int kTile = kRegisters == 32 ? 8 : 4, kColumns = 3;  // rows, and vectors of columns, of a product
constexpr int kChunk = 64;                                     // rows that are taken through together
constexpr int kGroup = std::max(kLanes, kTile);                // rows are padded to a multiple of them
constexpr int kMostColumns = 512;
constexpr size_t kMostParts = 16, kFewestParts = 4, kMostSums = 1 << 23;
constexpr int kTokens = std::max(kLanes, kTile);               // the vocabulary is padded to a multiple of them
constexpr int padded_size(int size, int to) { return (size + to - 1) / to * to; }

// The sums, or the maxima, of the elements of kLanes vectors each.
INLINED inline Vector sums_of(Vector* vectors) {
  exchange<1>(vectors);
  for (int n = kLanes / 2; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) vectors[i] += vectors[i + n];
  return vectors[0];
}
INLINED inline Vector larger(Vector a, Vector b) { return a > b ? a : b; }
INLINED inline Vector maxima_of(Vector* vectors) {
  exchange<1>(vectors);
  for (int n = kLanes / 2; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) vectors[i] = larger(vectors[i], vectors[i + n]);
  return vectors[0];
}

// The weights as both products read them, with rows of whole vectors.
struct Weights {
  int H, V, H_padded, V_padded;
  float *by_unit, *by_token, *bias;  // (H, V_padded), (V_padded, H_padded), (V_padded)

  Weights(const OutputSizes& z, const OutputArrays& a, bool trains)
      : H(z.num_hiddens), V(z.vocab_size), H_padded(padded_size(H, kLanes)), V_padded(padded_size(V, kTokens)) {
    const size_t of_units = aligned_size(size_t(H) * V_padded), of_tokens = trains ? size_t(V_padded) * H_padded : 0;
    by_unit = memory_.reserve(of_units + of_tokens + V_padded);
    by_token = by_unit + of_units;
    bias = by_token + of_tokens;
    std::fill(bias, bias + V_padded, 0.f);
    std::copy(a.bias, a.bias + V, bias);
    const bool is_large = size_t(H) * V > (1 << 16);
    divide(V_padded / kLanes, is_large, [&](size_t block) {
      const int v = block * kLanes, count = std::clamp(V - v, 0, kLanes);
      if (count)
        transpose(a.weight + size_t(v) * H, H, count, H, by_unit + v, V_padded, true);
      else
        for (int k = 0; k < H; ++k) store(by_unit + size_t(k) * V_padded + v, Vector{});
      if (!trains) return;
      std::memset(by_token + size_t(v) * H_padded, 0, sizeof(float) * kLanes * H_padded);
      for (int i = 0; i < count; ++i)
        std::memcpy(by_token + size_t(v + i) * H_padded, a.weight + size_t(v + i) * H, sizeof(float) * H);
    });
  }

 private:
  AlignedFloats memory_;
};

// What a thread works in.
struct Scratch {
  float *copied, *logits, *max, *sum, *of_target, *of_all;  // (kChunk, H_padded), (kChunk, columns), four of (kChunk)

  Scratch(const Weights& w, float* at)
      : copied(at), logits(copied + size_t(kChunk) * w.H_padded), max(logits + kChunk * columns(w)), sum(max + kChunk),
        of_target(sum + kChunk), of_all(of_target + kChunk) {}
  static size_t size(const Weights& w) { return size_t(kChunk) * (w.H_padded + columns(w) + 4); }
  static size_t columns(const Weights& w) { return std::min(w.V_padded, kMostColumns); }
};

// Some rows: where they begin, and how many there are.  What follows goes over `padded` of them, the last ones of zeros.
struct Chunk {
  size_t first;
  int count, padded;
  const float* hidden;  // (padded, H_padded)
};
Chunk chunk_at(const Weights& w, const OutputArrays& a, size_t first, size_t end, const Scratch& own) {
  const int count = std::min<size_t>(kChunk, end - first), padded = padded_size(count, kGroup);
  if (count == padded && w.H == w.H_padded) return {first, count, padded, a.hidden + first * w.H};
  std::memset(own.copied, 0, sizeof(float) * padded * w.H_padded);
  for (int r = 0; r < count; ++r)
    std::memcpy(own.copied + size_t(r) * w.H_padded, a.hidden + (first + r) * w.H, sizeof(float) * w.H);
  return {first, count, padded, own.copied};
}

// The logits of some columns, (padded, size).
void compute_logits(const Weights& w, const Chunk& chunk, int column, int size, const Scratch& own) {
  for (int r = 0; r < chunk.padded; ++r)
    std::memcpy(own.logits + size_t(r) * size, w.bias + column, sizeof(float) * size);
  add_product<kTile, kColumns>(chunk.hidden, w.H_padded, chunk.padded, w.H, w.by_unit + column, w.V_padded, size,
                               own.logits, size);
}

// Goes on with the largest logit, the sum of exponentials and, for smoothing, that of logits of each row, over some
// columns.  Leaves the exponentials.
void add_columns(const Weights& w, const OutputArrays& a, const Chunk& chunk, int column, int size, const Scratch& own) {
  const int real = std::min(size, w.V - column);
  for (int r = 0; r < chunk.count; ++r) {
    const int target = a.targets[chunk.first + r] - column;
    if (0 <= target && target < size) own.of_target[r] = own.logits[size_t(r) * size + target];
  }
  for (int first = 0; first < chunk.padded; first += kLanes) {
    float* const x = own.logits + size_t(first) * size;
    Vector of_rows[kLanes] = {};
    if (a.smoothing > 0) {  // the logits behind the vocabulary are 0
      for (int r = 0; r < kLanes; ++r)
        for (int v = 0; v < size; v += kLanes) of_rows[r] += load(x + r * size + v);
      store(own.of_all + first, load(own.of_all + first) + sums_of(of_rows));
    }
    for (int r = 0; r < kLanes; ++r) {
      std::fill(x + r * size + real, x + (r + 1) * size, -std::numeric_limits<float>::max());
      of_rows[r] = load(x + r * size);
      for (int v = kLanes; v < size; v += kLanes) of_rows[r] = larger(load(x + r * size + v), of_rows[r]);
    }
    const Vector before = load(own.max + first), max = larger(before, maxima_of(of_rows));
    for (int r = 0; r < kLanes; ++r) {
      of_rows[r] = Vector{};
      for (int v = 0; v < size; v += kLanes) {
        const Vector e = exp(load(x + r * size + v) - max[r]);
        store(x + r * size + v, e);
        of_rows[r] += e;
      }
    }
    store(own.sum + first, load(own.sum + first) * exp(before - max) + sums_of(of_rows));
    store(own.max + first, max);
  }
}

// The exponentials and the sums of a chunk; the exponentials that are left are those of the last columns.
void go_through_columns(const Weights& w, const OutputArrays& a, const Chunk& chunk, const Scratch& own) {
  std::fill(own.max, own.max + kChunk, -std::numeric_limits<float>::max());
  for (float* each : {own.sum, own.of_all}) std::fill(each, each + kChunk, 0.f);
  for (int column = 0; column < w.V_padded; column += kMostColumns) {
    const int size = std::min(kMostColumns, w.V_padded - column);
    compute_logits(w, chunk, column, size, own);
    add_columns(w, a, chunk, column, size, own);
  }
}

float log_prob(const Scratch& own, int r) { return own.of_target[r] - own.max[r] - std::log(own.sum[r]); }

// Gradients of one part of the rows.
struct Sums {
  float *weight, *bias;  // (V_padded, H_padded), (V_padded)
  static size_t size(const Weights& w) { return aligned_size(size_t(w.V_padded) * (w.H_padded + 1)); }
  Sums(const Weights& w, float* at) : weight(at), bias(at + size_t(w.V_padded) * w.H_padded) {}
};

// From exponentials to the gradients of logits, row_weight (softmax - (1 - smoothing) one_hot(target) - smoothing / V),
// in place; and from these to the weights', and to those of the rows, which are added to d_hidden.
void add_gradients(const Weights& w, const OutputArrays& a, const Chunk& chunk, int column, int size, float row_weight,
                   const float* sum, const Scratch& own, const Sums& sums, float* d_hidden) {
  std::memset(own.logits + size_t(chunk.count) * size, 0, sizeof(float) * (chunk.padded - chunk.count) * size);
  const int real = std::min(size, w.V - column);
  for (int r = 0; r < chunk.count; ++r) {
    float* x = own.logits + size_t(r) * size;
    const float weight = a.row_weights ? a.row_weights[chunk.first + r] : row_weight, scale = weight / sum[r];
    const float of_each = weight * a.smoothing / w.V;
    for (int v = 0; v < size; v += kLanes) store(x + v, load(x + v) * scale - of_each);
    std::fill(x + real, x + size, 0.f);
    const int target = a.targets[chunk.first + r] - column;
    if (0 <= target && target < size) x[target] -= weight * (1 - a.smoothing);
    for (int v = 0; v < size; v += kLanes)
      store(sums.bias + column + v, load(sums.bias + column + v) + load(x + v));
  }
  add_product<kTile, kColumns>(own.logits, size, chunk.padded, size, w.by_token + size_t(column) * w.H_padded,
                               w.H_padded, w.H_padded, d_hidden, w.H_padded);
  add_outer_product<kTile, kColumns>(own.logits, size, size, chunk.hidden, w.H_padded, w.H_padded, chunk.padded,
                                     sums.weight + size_t(column) * w.H_padded, w.H_padded);
}

int num_parts(const Weights& w, size_t num_rows) {
  const size_t most = std::clamp<size_t>(kMostSums / Sums::size(w), kFewestParts, kMostParts);
  return std::min(most, (num_rows + kChunk - 1) / kChunk);
}

bool is_worth_threads(const OutputSizes& z) {
  return are_worth_threads(float(z.num_rows) * z.num_hiddens * z.vocab_size);
}

}  // namespace

void log_probs(const OutputSizes& z, const OutputArrays& a, float* found) {
  const Weights w(z, a, false);
  const int num_chunks = (z.num_rows + kChunk - 1) / kChunk;
  const size_t own_size = aligned_size(Scratch::size(w));
  AlignedFloats memory(own_size * num_slots(num_chunks));
  share_out(num_chunks, is_worth_threads(z), [&](int slot, int i) {
    const Scratch own(w, memory.data() + slot * own_size);
    const Chunk chunk = chunk_at(w, a, size_t(i) * kChunk, z.num_rows, own);
    go_through_columns(w, a, chunk, own);
    for (int r = 0; r < chunk.count; ++r) found[chunk.first + r] = log_prob(own, r);
  });
}

Losses CrossEntropy::forward(const OutputSizes& z, const OutputArrays& a, bool trains) {
  const Weights w(z, a, trains);
  const float row_weight = 1.f / z.num_rows;
  const int parts = num_parts(w, z.num_rows), slots = num_slots(parts);
  const size_t num_chunks = (z.num_rows + kChunk - 1) / kChunk, padded_rows = num_chunks * kChunk;
  const bool is_in_one_piece = w.V_padded <= kMostColumns;
  const size_t own_size = aligned_size(Scratch::size(w)), sums_size = trains ? Sums::size(w) : 0;
  kept_sizes_ = {};
  float* d_hidden = trains ? d_hidden_.reserve(padded_rows * w.H_padded) : nullptr;
  float* all_sums = trains ? d_weights_.reserve(sums_size * parts) : nullptr;
  // Of each row: its largest logit and its sum, where its logits are computed twice; then a part's own memory.
  const size_t of_rows = trains && !is_in_one_piece ? aligned_size(padded_rows) : 0;
  AlignedFloats memory(2 * of_rows + own_size * slots);
  float *maxima = memory.data(), *totals = maxima + of_rows, *scratch = totals + of_rows;
  double losses[kMostParts] = {}, smoothed[kMostParts] = {};
  share_out(parts, is_worth_threads(z), [&](int slot, int part) {
    const Scratch own(w, scratch + slot * own_size);
    const size_t begin = part * num_chunks / parts, end = (part + 1) * num_chunks / parts;
    if (trains) {
      std::memset(all_sums + part * sums_size, 0, sizeof(float) * sums_size);
      std::memset(d_hidden + begin * kChunk * w.H_padded, 0, sizeof(float) * (end - begin) * kChunk * w.H_padded);
    }
    const auto add = [&](const Chunk& chunk, int column, int size, const float* sum) {
      add_gradients(w, a, chunk, column, size, row_weight, sum, own, Sums(w, all_sums + part * sums_size),
                    d_hidden + chunk.first * w.H_padded);
    };
    for (size_t i = begin; i < end; ++i) {
      const Chunk chunk = chunk_at(w, a, i * kChunk, z.num_rows, own);
      go_through_columns(w, a, chunk, own);
      for (int r = 0; r < chunk.count; ++r) {
        const double weight = a.row_weights ? a.row_weights[chunk.first + r] : row_weight;
        losses[part] -= weight * log_prob(own, r);
        if (a.smoothing > 0) smoothed[part] += weight * (own.of_target[r] - own.of_all[r] / w.V);
      }
      if (!trains) continue;
      if (is_in_one_piece) {
        add(chunk, 0, w.V_padded, own.sum);
      } else {
        std::copy(own.max, own.max + kChunk, maxima + chunk.first);
        std::copy(own.sum, own.sum + kChunk, totals + chunk.first);
      }
    }
    if (!trains || is_in_one_piece) return;
    for (int column = 0; column < w.V_padded; column += kMostColumns) {  // these columns' gradients stay in the cache
      const int size = std::min(kMostColumns, w.V_padded - column);
      for (size_t i = begin; i < end; ++i) {
        const Chunk chunk = chunk_at(w, a, i * kChunk, z.num_rows, own);
        compute_logits(w, chunk, column, size, own);
        for (int r = 0; r < chunk.count; ++r) {
          float* x = own.logits + size_t(r) * size;
          for (int v = 0; v < size; v += kLanes) store(x + v, exp(load(x + v) - maxima[chunk.first + r]));
        }
        add(chunk, column, size, totals + chunk.first);
      }
    }
  });
  if (trains) {
    add_up(all_sums, sums_size, parts);
    kept_sizes_ = z;
  }
  double loss = 0, difference = 0;  // the mean over all tokens of -log p, minus -log p(target)
  for (int part = 0; part < parts; ++part) loss += losses[part], difference += smoothed[part];
  return {float(loss + a.smoothing * difference), float(loss)};
}

void CrossEntropy::backward(const OutputSizes& z, float slope, float* d_hidden, float* d_weight, float* d_bias) {
  if (kept_sizes_.num_rows != z.num_rows || kept_sizes_.num_hiddens != z.num_hiddens ||
      kept_sizes_.vocab_size != z.vocab_size)
    throw std::invalid_argument("the backward pass must follow a forward pass of the same sizes; got none");
  const int H = z.num_hiddens, H_padded = padded_size(H, kLanes);
  const int V_padded = padded_size(z.vocab_size, kTokens);
  const auto scaled = [=](const float* from, float* to) {
    for (int k = 0; k < H; ++k) to[k] = slope * from[k];
  };
  const size_t of_hidden = (z.num_rows + kChunk - 1) / kChunk, of_weight = (z.vocab_size + kChunk - 1) / kChunk;
  const float *hidden = d_hidden_.data(), *weight = d_weights_.data();
  divide(of_hidden + of_weight, (z.num_rows + z.vocab_size) * H > (1 << 17), [=](size_t i) {
    const bool is_hidden = i < of_hidden;
    const size_t begin = (is_hidden ? i : i - of_hidden) * kChunk;
    const size_t end = std::min<size_t>(begin + kChunk, is_hidden ? z.num_rows : z.vocab_size);
    for (size_t r = begin; r < end; ++r)
      scaled((is_hidden ? hidden : weight) + r * H_padded, (is_hidden ? d_hidden : d_weight) + r * H);
  });
  const float* bias = weight + size_t(V_padded) * H_padded;
  for (int v = 0; v < z.vocab_size; ++v) d_bias[v] = slope * bias[v];
}

}  // namespace gluon_deeprnn
