// What is here as operators of MXNet.
//
//   y = gluon_deeprnn_layer_norm(x, gamma, beta, epsilon=...)
//   outputs, hidden[, memory] = gluon_deeprnn_layer(inputs, weights, hidden[, memory], cell=..., trains=..., d_inputs=...)
//
// trains: 1 keeps what the backward pass needs, in the operator's state (as an output, MXNet would write a gradient of
// zeros for it); 0 has no backward pass.  d_inputs: 0 leaves the gradient of the inputs undefined, for inputs that have
// no use for it; the interface does not tell.
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "abi.h"
#include "layer.h"
#include "layer_norm.h"

namespace gluon_deeprnn {
namespace {

constexpr unsigned kUnknown = -1;  // a size that MXNet asks for

void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

Cell cell_of(const Attributes& attributes) {
  const std::string name = attributes.at("cell");
  if (name == "rnn_tanh") return RNN_TANH;
  if (name == "rnn_relu") return RNN_RELU;
  if (name == "lstm") return LSTM;
  if (name == "gru") return GRU;
  throw std::invalid_argument("cell must be rnn_tanh, rnn_relu, lstm or gru; got " + name);
}

void count_layer(const Attributes& attributes, int* num_inputs, int* num_outputs) {
  const int states = num_states(cell_of(attributes));
  *num_inputs = 2 + states;
  *num_outputs = 1 + states;
}

void infer_layer(const Attributes& attributes, std::vector<Shape>* in, std::vector<Shape>* out) {
  const Shape &inputs = (*in)[0], &hidden = (*in)[2];
  Shape& weights = (*in)[1];
  require(inputs.size() == 3 && hidden.size() == 2 && (weights.size() == 1 || weights.empty()),
          "inputs must be (T, N, D), weights flat, states (N, H)");
  require(inputs[0] > 0, "inputs must have at least one time step");
  const uint64_t rows = uint64_t(num_gates(cell_of(attributes))) * hidden[1];
  if (weights.empty() || weights[0] == kUnknown) weights = {unsigned(rows * (inputs[2] + hidden[1] + 2))};
  require(hidden[0] == inputs[1] && weights[0] == rows * (uint64_t(inputs[2]) + hidden[1] + 2) && in->back() == hidden,
          "sizes of inputs, weights and states must fit each other");
  (*out)[0] = {inputs[0], inputs[1], hidden[1]};
  for (size_t i = 1; i < out->size(); ++i) (*out)[i] = hidden;
}

class Layer : public Computation {
 public:
  explicit Layer(const Attributes& attributes)
      : cell_(cell_of(attributes)), trains_(attributes.at("trains") != "0"),
        has_d_inputs_(attributes.at("d_inputs") != "0") {}

  void forward(const Array* in, const Array* out) override {
    const Sizes sizes = sizes_of(in);
    const bool memory = cell_ == LSTM;
    if (trains_) kept_.resize(kept_size(sizes));
    gluon_deeprnn::forward(sizes, {in[0].data, in[1].data, in[2].data, memory ? in[3].data : nullptr, out[0].data,
                                   out[1].data, memory ? out[2].data : nullptr, trains_ ? kept_.data() : nullptr});
  }

  void backward(const Array* given, const Array* gradients) override {
    require(trains_, "there is no backward pass in a graph that was compiled for prediction");
    const bool memory = cell_ == LSTM;
    const Array* in = given + (memory ? 3 : 2);
    const Array* out = in + (memory ? 4 : 3);
    gluon_deeprnn::backward(
        sizes_of(in), {in[0].data, in[1].data, in[2].data, memory ? in[3].data : nullptr, out[0].data, kept_.data(),
                       given[0].data, given[1].data, memory ? given[2].data : nullptr,
                       has_d_inputs_ ? gradients[0].data : nullptr, gradients[1].data, gradients[2].data,
                       memory ? gradients[3].data : nullptr});
  }

 private:
  Sizes sizes_of(const Array* in) const {
    return {cell_, static_cast<int>(in[0].shape[0]), static_cast<int>(in[0].shape[1]),
            static_cast<int>(in[0].shape[2]), static_cast<int>(in[2].shape[1])};
  }

  const Cell cell_;
  const bool trains_, has_d_inputs_;
  std::vector<float> kept_;
};

void count_norm(const Attributes&, int* num_inputs, int* num_outputs) {
  *num_inputs = 3;
  *num_outputs = 1;
}

void infer_norm(const Attributes&, std::vector<Shape>* in, std::vector<Shape>* out) {
  const Shape& x = (*in)[0];
  require(!x.empty() && (*in)[1] == Shape{x.back()} && (*in)[2] == (*in)[1],
          "gamma and beta must have the size of a row");
  (*out)[0] = x;
}

class LayerNorm : public Computation {
 public:
  explicit LayerNorm(const Attributes& attributes) : epsilon_(std::stof(attributes.at("epsilon"))) {}

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

template <typename Kind>
std::unique_ptr<Computation> create(const Attributes& attributes) {
  return std::make_unique<Kind>(attributes);
}

}  // namespace

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all = {
      {"gluon_deeprnn_layer", count_layer, infer_layer, create<Layer>},
      {"gluon_deeprnn_layer_norm", count_norm, infer_norm, create<LayerNorm>},
  };
  return all;
}

}  // namespace gluon_deeprnn
