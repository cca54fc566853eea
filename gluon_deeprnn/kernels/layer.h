// One recurrent layer in float32, as both the arithmetic (layer.cc) and MXNet's operator (operator.cc) see it.
#ifndef GLUON_DEEPRNN_LAYER_H_
#define GLUON_DEEPRNN_LAYER_H_

#include <cstddef>

namespace gluon_deeprnn {

enum Cell { RNN_TANH, RNN_RELU, LSTM, GRU };

inline int num_gates(Cell cell) { return cell == GRU ? 3 : cell == LSTM ? 4 : 1; }
inline int num_states(Cell cell) { return cell == LSTM ? 2 : 1; }

struct Sizes {
  Cell cell;
  int num_steps, batch_size, num_inputs, num_hiddens;  // T, N, D, H

  int rows() const { return num_gates(cell) * num_hiddens; }  // G H
};

// All arrays are contiguous.  weights holds i2h (G H, D), h2h (G H, H) and the two biases (G H), gates in the order of
// cuDNN: r, z, n for a GRU; i, f, g, o for an LSTM.
struct Forward {
  const float *inputs, *weights, *hidden, *memory;  // (T, N, D), flat, (N, H), (N, H): an LSTM's alone
  float *outputs, *last_hidden, *last_memory;       // (T, N, H), (N, H), (N, H)
  float *kept;                                      // kept_size() floats for the way back, or null
};

struct Backward {
  const float *inputs, *weights, *hidden, *memory, *outputs, *kept;             // as given to and left by Forward
  const float *d_outputs, *d_last_hidden, *d_last_memory;
  float *d_inputs, *d_weights, *d_hidden, *d_memory;                            // d_inputs may be null
};

size_t kept_size(const Sizes& sizes);
void forward(const Sizes& sizes, const Forward& arrays);
void backward(const Sizes& sizes, const Backward& arrays);

}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_LAYER_H_
