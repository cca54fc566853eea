// One recurrent layer in float32, as both the arithmetic (layer.cc) and MXNet's operator (operator.cc) see it.
#ifndef GLUON_DEEPRNN_LAYER_H_
#define GLUON_DEEPRNN_LAYER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace gluon_deeprnn {

struct Sizes {
  int num_steps, batch_size, num_inputs, num_hiddens;  // T, N, D, H

  bool operator==(const Sizes& other) const {
    return num_steps == other.num_steps && batch_size == other.batch_size && num_inputs == other.num_inputs &&
           num_hiddens == other.num_hiddens;
  }
};

// All arrays are contiguous.  Inputs are either arrays of features, or tokens below D, which stand for one-hot vectors: a
// token adds a column of i2h.  weights holds i2h (G H, D), h2h (G H, H) and the two biases (G H), gates in the order of
// cuDNN: r, z, n for a GRU; i, f, g, o for an LSTM.  Memories are null where the cell has none.
struct Forward {
  const float* inputs;                              // (T, N, D), or null
  const int32_t* tokens;                            // (T, N), or null
  const float *weights, *hidden, *memory;           // flat, (N, H), (N, H)
  float *outputs, *last_hidden, *last_memory;       // (T, N, H), (N, H), (N, H)
};

struct Backward {
  const float* inputs;                                          // as given to and left by the forward pass
  const int32_t* tokens;
  const float *weights, *hidden, *memory, *outputs;
  const float *d_outputs, *d_last_hidden, *d_last_memory;
  float *d_inputs, *d_weights, *d_hidden, *d_memory;            // d_inputs is null for tokens
};

// One use of a layer: the arithmetic, and what it keeps from one call to the next.  A call allocates all that it needs
// before its first parallel region, or throws OutOfMemory.
class Layer {
 public:
  virtual ~Layer() = default;

  // trains: keep what the backward pass needs.  Otherwise the weights are packed when they differ from the last call's.
  virtual void forward(const Sizes& sizes, const Forward& arrays, bool trains) = 0;

  // After a forward pass of the same sizes that trains; throws std::invalid_argument otherwise.
  virtual void backward(const Sizes& sizes, const Backward& arrays) = 0;

  // How many times the forward pass has packed the weights.
  virtual size_t num_packings() const = 0;
};

struct Cell {
  const char* name;
  int num_gates, num_states;
  std::unique_ptr<Layer> (*create)();
};

// The cell of that name; null where there is none.
const Cell* find_cell(const std::string& name);
std::string cell_names();  // of all cells, such as "rnn_tanh, lstm or gru"

}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_LAYER_H_
