// The output layer and the cross-entropy of its softmax, in float32.
#ifndef GLUON_DEEPRNN_CROSS_ENTROPY_H_
#define GLUON_DEEPRNN_CROSS_ENTROPY_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "aligned.h"

namespace gluon_deeprnn {

struct OutputSizes {
  size_t num_rows;              // R: predictions
  int num_hiddens, vocab_size;  // H, V
};

// All arrays are contiguous; targets are below V.
struct OutputArrays {
  const float *hidden, *weight, *bias;  // (R, H), (V, H), (V)
  const int32_t* targets;               // (R)
  const float* row_weights;             // (R), or null: 1 / R each
  float smoothing = 0;                  // the share of every target that all tokens have in equal parts
};

// Weighted sums over all rows: of the loss with smoothed targets, and of -log p(target).
struct Losses {
  float minimized, mean;
};

// log p(target) for every row, (R).
void log_probs(const OutputSizes& sizes, const OutputArrays& arrays, float* found);

// The losses, and the gradients of the one that is minimized: they are computed together, while the logits of a few rows
// are in the cache; a batch's logits are never in memory.
class CrossEntropy {
 public:
  Losses forward(const OutputSizes& sizes, const OutputArrays& arrays, bool trains);

  // `slope` is the gradient of the loss.  After a forward pass of these sizes that trains; throws std::invalid_argument
  // otherwise.
  void backward(const OutputSizes& sizes, float slope, float* d_hidden, float* d_weight, float* d_bias);

 private:
  OutputSizes kept_sizes_ = {};
  AlignedFloats d_hidden_, d_weights_;
};

}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_CROSS_ENTROPY_H_
