// The output layer: the logits of all tokens, from the outputs of the last recurrent layer.
#ifndef GLUON_DEEPRNN_OUTPUT_LAYER_H_
#define GLUON_DEEPRNN_OUTPUT_LAYER_H_

#include <algorithm>
#include <cstring>
#include <limits>

#include "layer_step.h"

namespace gluon_deeprnn {
namespace {

class OutputLayer {
 public:
  // weights: (V, H); bias: (V,)
  OutputLayer(int vocab_size, int num_hiddens, const float* weights, const float* bias)
      : num_hiddens_(num_hiddens), num_panels_((vocab_size + kWidth - 1) / kWidth) {
    float* to = packed_.reserve(num_panels_ * panel_size());
    std::memset(to, 0, sizeof(float) * num_panels_ * panel_size());
    for (int token = 0; token < vocab_size; token += kLanes)
      transpose(weights + size_t(token) * num_hiddens, num_hiddens, std::min(kLanes, vocab_size - token), num_hiddens,
                to + token / kWidth * panel_size() + token % kWidth, kWidth, true);
    float* of_token = bias_.reserve(padded());
    std::copy(bias, bias + vocab_size, of_token);
    std::fill(of_token + vocab_size, of_token + padded(), -std::numeric_limits<float>::infinity());
  }

  // V rounded up to whole panels; behind the last token, logits are -infinity.
  size_t padded() const { return size_t(num_panels_) * kWidth; }

  // logits: (N, padded()), of outputs (N, H)
  void logits(const float* outputs, int count, float* logits) const {
    if (count == 1) return panels<4>(outputs, 0, logits);
    for (int p = 0; p < num_panels_; ++p) {
      for (int first = 0, size = kTile; first < count; first += size) {
        while (size > count - first) size /= 2;
        tile<kTile>(outputs + size_t(first) * num_hiddens_, p, logits + first * padded(), size);
      }
    }
  }

 private:
  static constexpr int kVectors = 2, kWidth = kVectors * kLanes, kTile = kRegisters == 32 ? 8 : 4;

  size_t panel_size() const { return size_t(num_hiddens_) * kWidth; }

  template <int kPanels>
  void panels(const float* outputs, int first, float* logits) const {
    for (; first + kPanels <= num_panels_; first += kPanels) compute<kPanels, 1>(outputs, first, logits);
    if constexpr (kPanels > 1)
      if (first < num_panels_) panels<kPanels / 2>(outputs, first, logits);
  }

  template <int kRows>
  void tile(const float* outputs, int panel, float* logits, int size) const {
    if (size == kRows) return compute<1, kRows>(outputs, panel, logits);
    if constexpr (kRows > 1) tile<kRows / 2>(outputs, panel, logits, size);
  }

  template <int kPanels, int kRows>
  void compute(const float* outputs, int panel, float* logits) const {
    const float* rows[kRows];
    for (int i = 0; i < kRows; ++i) rows[i] = outputs + size_t(i) * num_hiddens_;
    Vector sums[kPanels][kRows][kVectors] = {};
    multiply_panels<kPanels, kRows, kVectors>(rows, num_hiddens_, packed_.data() + panel * panel_size(), panel_size(),
                                              kWidth, sums);
    for (int p = 0; p < kPanels; ++p)
      for (int i = 0; i < kRows; ++i)
        for (int v = 0; v < kVectors; ++v) {
          const size_t place = size_t(panel + p) * kWidth + v * kLanes;
          store(logits + i * padded() + place, sums[p][i][v] + load(bias_.data() + place));
        }
  }

  const int num_hiddens_, num_panels_;
  AlignedFloats packed_, bias_;  // [panel][H][kWidth], [padded()]
};

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_OUTPUT_LAYER_H_
