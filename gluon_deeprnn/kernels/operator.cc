// The kernels as operators of MXNet.
//
//   y = gluon_deeprnn_layer_norm(x, gamma, beta, epsilon=...)
//   outputs, hidden[, memory] = gluon_deeprnn_layer(inputs, weights, hidden[, memory], cell=..., trains=...,
//                                                   vocab_size=...)
// and those of output_operators.cc and regularisation_operators.cc.
//
// trains: 1 keeps what the backward pass needs, in the operator's state (as an output, MXNet would write a gradient of
// zeros for it); 0 has no backward pass.  vocab_size: above 0 the inputs are tokens, int32.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "abi.h"
#include "layer.h"
#include "layer_norm.h"
#include "output_operators.h"
#include "requirements.h"

namespace gluon_deeprnn {
namespace {

const Cell& cell_of(const Attributes& attributes) {
  const std::string name = attributes.at("cell");
  const Cell* cell = find_cell(name);
  require(cell, "cell", cell_names(), name);
  return *cell;
}

int vocab_size_of(const Attributes& attributes) {
  const std::string value = attributes.at("vocab_size");
  char* end = nullptr;
  const long size = std::strtol(value.c_str(), &end, 10);
  require(!value.empty() && *end == 0 && 0 <= size && uint64_t(size) <= kMost, "vocab_size",
          "an integer of at least 0", value);
  return size;
}

// Sizes of a layer, from the shapes of its inputs and its hidden state.  Tokens have no axis of features.
Sizes sizes_of(Dims inputs, const Dims& hidden, int vocab_size) {
  if (vocab_size) {
    require(inputs.size() == 2, "inputs", "tokens, (T, N)", text_of(inputs));
    inputs.push_back(vocab_size);
  }
  require(inputs.size() == 3 && are_positive(inputs), "inputs",
          "(T, N, D), with at least one time step, sequence and feature", text_of(inputs));
  require(hidden.size() == 2 && hidden[0] == inputs[1] && are_positive(hidden), "hidden",
          "(" + std::to_string(inputs[1]) + ", H), with at least one unit", text_of(hidden));
  return {int(inputs[0]), int(inputs[1]), int(inputs[2]), int(hidden[1])};
}

uint64_t num_weights(const Cell& cell, const Sizes& z) {
  return uint64_t(cell.num_gates) * z.num_hiddens * (uint64_t(z.num_inputs) + z.num_hiddens + 2);
}

void count_layer(const Attributes& attributes, int* num_inputs, int* num_outputs) {
  const int states = cell_of(attributes).num_states;
  *num_inputs = 2 + states;
  *num_outputs = 1 + states;
}

void infer_layer(const Attributes& attributes, std::vector<Shape>* in, std::vector<Shape>* out) {
  const Cell& cell = cell_of(attributes);
  const Shape &inputs = (*in)[0], &hidden = (*in)[2];
  Shape& weights = (*in)[1];
  const Sizes z = sizes_of(dims_of(inputs), dims_of(hidden), vocab_size_of(attributes));
  const uint64_t size = num_weights(cell, z);
  require(size <= kMostElements, "weights", "at most " + std::to_string(kMostElements) + " elements",
          std::to_string(size));
  if (weights.empty() || weights == Shape{kUnknown}) weights = {unsigned(size)};
  require_shape("weights", {size}, dims_of(weights));
  if (cell.num_states == 2) require_shape("memory", dims_of(hidden), dims_of(in->back()));
  (*out)[0] = {inputs[0], inputs[1], hidden[1]};
  for (size_t i = 1; i < out->size(); ++i) (*out)[i] = hidden;
}

class LayerComputation : public Computation {
 public:
  explicit LayerComputation(const Attributes& attributes)
      : cell_(cell_of(attributes)), trains_(flag_of(attributes, "trains")),
        vocab_size_(vocab_size_of(attributes)), layer_(cell_.create()) {}

  void forward(const Array* in, const Array* out) override {
    const bool memory = cell_.num_states == 2;
    const Sizes z = checked(in, out);
    if (vocab_size_) require_tokens("inputs", in[0].tokens(), size_t(z.num_steps) * z.batch_size, vocab_size_);
    layer_->forward(z, {features(in), tokens(in), in[1].data, in[2].data, memory ? in[3].data : nullptr, out[0].data,
                        out[1].data, memory ? out[2].data : nullptr}, trains_);
  }

  void backward(const Array* given, const Array* gradients) override {
    if (!trains_) throw std::invalid_argument("there is no backward pass in a graph that was compiled for prediction");
    const bool memory = cell_.num_states == 2;
    const Array* in = given + 1 + cell_.num_states;
    const Array* out = in + 2 + cell_.num_states;
    layer_->backward(checked(in, out), {features(in), tokens(in), in[1].data, in[2].data,
                                        memory ? in[3].data : nullptr, out[0].data, given[0].data, given[1].data,
                                        memory ? given[2].data : nullptr,
                                        vocab_size_ ? nullptr : gradients[0].data,
                                        gradients[1].data, gradients[2].data, memory ? gradients[3].data : nullptr});
  }

 private:
  // The sizes, if those of all arrays fit each other.
  Sizes checked(const Array* in, const Array* out) const {
    const Dims hidden = dims_of(in[2]);
    const Sizes z = sizes_of(dims_of(in[0]), hidden, vocab_size_);
    require_shape("weights", {num_weights(cell_, z)}, dims_of(in[1]));
    require_shape("outputs", {uint64_t(z.num_steps), hidden[0], hidden[1]}, dims_of(out[0]));
    if (cell_.num_states == 2) require_shape("memory", hidden, dims_of(in[3]));
    return z;
  }

  const Cell& cell_;
  const float* features(const Array* in) const { return vocab_size_ ? nullptr : in[0].data; }
  const int32_t* tokens(const Array* in) const { return vocab_size_ ? in[0].tokens() : nullptr; }

  const bool trains_;
  const int vocab_size_;
  const std::unique_ptr<Layer> layer_;
};
int tokens_of_layer(const Attributes& attributes) { return vocab_size_of(attributes) ? 0 : -1; }

void count_norm(const Attributes&, int* num_inputs, int* num_outputs) {
  *num_inputs = 3;
  *num_outputs = 1;
}

int no_tokens(const Attributes&) { return -1; }

void infer_norm(const Attributes&, std::vector<Shape>* in, std::vector<Shape>* out) {
  const Shape& x = (*in)[0];
  require(!x.empty(), "x", "of at least one axis", "()");
  require_shape("gamma", {x.back()}, dims_of((*in)[1]));
  require_shape("beta", {x.back()}, dims_of((*in)[2]));
  (*out)[0] = x;
}

class LayerNorm : public Computation {
 public:
  explicit LayerNorm(const Attributes& attributes) : epsilon_(number_of(attributes, "epsilon")) {}

  void forward(const Array* in, const Array* out) override {
    normalise(rows_of(in[0]), in[0].data, in[1].data, in[2].data, out[0].data);
  }
  void backward(const Array* given, const Array* gradients) override {
    const Array* in = given + 1;
    normalise_backward(rows_of(in[0]), in[0].data, in[1].data, given[0].data, gradients[0].data, gradients[1].data,
                       gradients[2].data);
  }

 private:
  Rows rows_of(const Array& x) const {
    size_t count = 1;
    for (int axis = 0; axis + 1 < x.num_axes; ++axis) count *= x.shape[axis];
    const int size = static_cast<int>(x.shape[x.num_axes - 1]);
    return {size ? count : 0, size, epsilon_};
  }

  const float epsilon_;
};

}  // namespace

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all = {
      {"gluon_deeprnn_layer", count_layer, tokens_of_layer, infer_layer, create<LayerComputation>},
      kCrossEntropy,
      kLogProbs,
      kWeightDropout,
      kActivity,
      {"gluon_deeprnn_layer_norm", count_norm, no_tokens, infer_norm, create<LayerNorm>},
  };
  return all;
}

}  // namespace gluon_deeprnn
